// reduce_scatter: a rank shows the pieces that others reduce, side by side in one slot,
// and reduces its own piece of all ranks.

#include "backend/ccl/kernels/reduce.h"
#include "backend/ccl/shm/collectives.h"
#include "backend/ccl/shm/pieces.h"

namespace xpu_lite::ccl::shm {
namespace {

// Of all the counts: ranks that agree on the total only do not agree.
int32_t digest(const size_t* counts, int n) {
  uint64_t hash = 0;
  for (int i = 0; i < n; ++i) hash = (hash ^ counts[i]) * 0x9e3779b97f4a7c15u;
  return static_cast<int32_t>(hash >> 32);
}

} // namespace

void reduce_scatter(Board& board, const Call& call, const void* const* ins, const size_t* counts,
                    void* out, DataType type, const Reduction& reduction) {
  const int n = board.size(), rank = board.rank();
  const size_t element = size_of(type);
  size_t total = 0, largest = 0;
  for (int peer = 0; peer < n; ++peer) {
    total += counts[peer];
    largest = std::max(largest, counts[peer]);
  }
  Description mine;
  mine.type = type;
  mine.reduction = reduction.kind;
  mine.factor = reduction.kind == ReduceKind::PreMulSum ? reduction.factor : 0;
  mine.detail = digest(counts, n);
  mine.bytes = total * element;
  board.begin(call, mine, true);

  // In elements, whole cache lines unless the data is smaller than that.
  const size_t line = std::max<size_t>(1, kLine / element);
  const size_t most = board.capacity() / (n - 1) / element / line * line;
  const size_t chunk = largest <= line ? largest : std::min(most, round_up(largest, line));
  const auto place = [&](int owner, int to) {
    return (to < owner ? to : to - 1) * chunk * element;
  };
  const auto write = [&](uint64_t t) {
    std::byte* slot = board.write(t, (n - 1) * chunk * element);
    for (int i = 1; i < n; ++i) {
      const int to = (rank + i) % n;
      board.put(slot + place(rank, to), bytes_of(ins[to]) + t * chunk * element,
                  piece(counts[to], chunk, t) * element);
    }
    board.post(t);
  };
  const auto read = [&](uint64_t t) {
    const size_t count = piece(counts[rank], chunk, t);
    if (t > 0 && count == 0) return;
    for (int peer = 0; peer < n; ++peer)
      board.pointers()[peer] = peer == rank
                                   ? bytes_of(ins[rank]) + t * chunk * element
                                   : board.read(peer, t, mine.bytes) + place(peer, rank);
    reduce_buffers(bytes_of(out) + t * chunk * element, board.pointers(), n, count, type,
                   reduction, n);
  };
  pipeline(board, steps_for(largest, chunk), write, read);
}

} // namespace xpu_lite::ccl::shm
