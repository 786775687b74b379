// all_reduce and, because its large form is the same with one reader, reduce.
//
// Note [Large reductions]
// The elements are cut into blocks, a block into one part per rank. For block b a rank
// scatters the parts that others reduce (step A), reduces its own part of all ranks'
// (n - 1 slots and its own input), and shows the result to the others (step B), which
// copy it out. The next block is scattered before this one is reduced, and a block's
// results are collected one block later, so that ranks rarely wait. In steps:
//   A0  A1 B0  A2 B1  A3 B2 ... A(k-1) B(k-2)  B(k-1)
// A block's slots stay in the cache of the core that filled them: main memory sees each
// rank read its input and write its output, once.

#include "backend/ccl/kernels/reduce.h"
#include "backend/ccl/shm/collectives.h"
#include "backend/ccl/shm/pieces.h"

namespace xpu_lite::ccl::shm {
namespace {

size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

// Who reads reduces the data of all ranks; who writes shows its own.
void one_shot(Board& board, const void* in, void* out, size_t count, DataType type,
              const Reduction& reduction, bool reads, bool writes) {
  const size_t element = size_of(type);
  const size_t chunk = board.capacity() / element;
  const auto elements = [&](uint64_t t) { return piece(count, chunk, t); };
  const auto write = [&](uint64_t t) {
    if (!writes) return;
    const size_t bytes = elements(t) * element;
    board.put(board.write(t, bytes), bytes_of(in) + t * chunk * element, bytes);
    board.post(t);
  };
  const auto read = [&](uint64_t t) {
    if (!reads) return;
    const size_t offset = t * chunk * element;
    for (int peer = 0; peer < board.size(); ++peer)
      board.pointers()[peer] = peer == board.rank() ? bytes_of(in) + offset
                                                    : board.read(peer, t, board.mine().bytes);
    reduce_buffers(bytes_of(out) + offset, board.pointers(), board.size(), elements(t), type,
                   reduction, board.size());
  };
  pipeline(board, steps_for(count, chunk), write, read);
}

class Blocks {
 public:
  Blocks(Board& board, const void* in, void* out, size_t count, DataType type,
         const Reduction& reduction, int root)
      : board_(board), in_(bytes_of(in)), out_(bytes_of(out)), count_(count), type_(type),
        reduction_(reduction), root_(root), n_(board.size()), element_(size_of(type)) {
    // Parts are whole cache lines, so that no line of a result has two writers.
    const size_t line = std::max<size_t>(1, 64 / element_);
    const size_t most = board.capacity() / (n_ - 1) / element_ / line * line;
    blocks_ = divide_up(count, most * n_);
    part_ = divide_up(divide_up(divide_up(count, blocks_), n_), line) * line;
    blocks_ = divide_up(count, part_ * n_);
  }

  void run() {
    scatter(0);
    for (uint64_t b = 0; b < blocks_; ++b) {
      if (b + 1 < blocks_) scatter(b + 1);
      reduce(b);
      board_.finish(scatter_step(b));
      if (b > 0) collect(b - 1);
    }
    collect(blocks_ - 1);
    board_.end(2 * blocks_);
  }

 private:
  uint64_t scatter_step(uint64_t b) const { return b == 0 ? 0 : 2 * b - 1; }
  uint64_t collect_step(uint64_t b) const { return b + 1 == blocks_ ? 2 * b + 1 : 2 * b + 2; }
  size_t begin(uint64_t b, int rank) const {
    return std::min(count_, (b * n_ + rank) * part_);
  }
  size_t elements(uint64_t b, int rank) const {
    return std::min(count_, (b * n_ + rank + 1) * part_) - begin(b, rank);
  }
  // Where in a slot the part for `to` lies: there is none for the owner.
  size_t place(int owner, int to) const {
    return (to < owner ? to : to - 1) * part_ * element_;
  }

  void scatter(uint64_t b) {
    const uint64_t t = scatter_step(b);
    std::byte* slot = board_.write(t, (n_ - 1) * part_ * element_);
    for (int i = 1; i < n_; ++i) {
      const int to = (board_.rank() + i) % n_;
      board_.put(slot + place(board_.rank(), to), in_ + begin(b, to) * element_,
                  elements(b, to) * element_);
    }
    board_.post(t);
  }

  void reduce(uint64_t b) {
    const int rank = board_.rank();
    const size_t offset = begin(b, rank) * element_, count = elements(b, rank);
    for (int peer = 0; peer < n_; ++peer)
      board_.pointers()[peer] = peer == rank ? in_ + offset
                                             : board_.read(peer, scatter_step(b), bytes()) +
                                                   place(peer, rank);
    const uint64_t t = collect_step(b);
    std::byte* result = board_.write(t, part_ * element_);
    // Not right into the slot: see Note [Writing to shared lines].
    std::byte* to = wants() ? out_ + offset : board_.scratch(count * element_);
    reduce_buffers(to, board_.pointers(), n_, count, type_, reduction_, n_);
    board_.put(result, to, count * element_);
    board_.post(t);
  }

  void collect(uint64_t b) {
    const uint64_t t = collect_step(b);
    for (int i = 1; i < n_ && wants(); ++i) {
      const int from = (board_.rank() + i) % n_;
      take(out_ + begin(b, from) * element_, board_.read(from, t, bytes()),
           elements(b, from) * element_, in_ == out_ ? 0 : bytes()); // in place: it is cached
    }
    board_.finish(t);
  }

  bool wants() const { return root_ < 0 || root_ == board_.rank(); }
  uint64_t bytes() const { return board_.mine().bytes; }

  Board& board_;
  const std::byte* const in_;
  std::byte* const out_;
  const size_t count_;
  const DataType type_;
  const Reduction& reduction_;
  const int root_; // -1: everybody wants the result
  const int n_;
  const size_t element_;
  size_t part_;     // elements
  uint64_t blocks_;
};

Description describe(size_t count, DataType type, const Reduction& reduction, int root) {
  Description mine;
  mine.type = type;
  mine.reduction = reduction.kind;
  mine.factor = reduction.kind == ReduceKind::PreMulSum ? reduction.factor : 0;
  mine.detail = root;
  mine.bytes = count * size_of(type);
  return mine;
}

// Up to here the second step costs more than what it saves; most where ranks share
// cores and a step is a change of processes.
size_t one_shot_bytes(const Board& board) {
  if (board.size() == 2) return 256 << 10;
  return std::min<size_t>(board.capacity(),
                          (board.crowded() ? 256 << 10 : 64 << 10) / board.size());
}

} // namespace

void all_reduce(Board& board, const Call& call, const void* in, void* out, size_t count,
                DataType type, const Reduction& reduction) {
  board.begin(call, describe(count, type, reduction, -1), true);
  if (board.mine().bytes <= one_shot_bytes(board))
    one_shot(board, in, out, count, type, reduction, true, true);
  else
    Blocks(board, in, out, count, type, reduction, -1).run();
}

void reduce(Board& board, const Call& call, const void* in, void* out, size_t count,
            DataType type, const Reduction& reduction, int root) {
  board.begin(call, describe(count, type, reduction, root), true);
  const bool mine = board.rank() == root;
  if (board.size() == 2 || board.mine().bytes <= one_shot_bytes(board))
    one_shot(board, in, out, count, type, reduction, mine, !mine);
  else
    Blocks(board, in, out, count, type, reduction, root).run();
}

} // namespace xpu_lite::ccl::shm
