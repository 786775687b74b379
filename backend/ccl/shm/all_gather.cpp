// all_gather: a rank shows its data in chunks, and everybody copies them out.

#include "backend/ccl/shm/collectives.h"
#include "backend/ccl/shm/pieces.h"

namespace xpu_lite::ccl::shm {

void all_gather(Board& board, const Call& call, ConstSlice in, const Slice* outs) {
  const int n = board.size();
  Description mine;
  mine.bytes = in.bytes;
  board.begin(call, mine, false);
  size_t largest = 0, total = 0;
  for (int peer = 0; peer < n; ++peer) {
    largest = std::max(largest, outs[peer].bytes);
    total += outs[peer].bytes;
  }
  const size_t chunk = board.capacity();
  const auto write = [&](uint64_t t) {
    const size_t size = piece(in.bytes, chunk, t);
    if (t > 0 && size == 0) return;
    board.put(board.write(t, size), bytes_of(in.data) + t * chunk, size);
    board.post(t);
  };
  const auto read = [&](uint64_t t) {
    for (int i = 1; i < n; ++i) {
      const int peer = (board.rank() + i) % n;
      const size_t size = piece(outs[peer].bytes, chunk, t);
      if (t > 0 && size == 0) continue;
      take(bytes_of(outs[peer].data) + t * chunk, board.read(peer, t, outs[peer].bytes), size,
           total);
    }
  };
  pipeline(board, steps_for(largest, chunk), write, read);
  copy_own(outs[board.rank()], in);
}

void barrier(Board& board, const Call& call) {
  board.begin(call, {}, true);
  board.write(0, 0);
  board.post(0);
  for (int i = 1; i < board.size(); ++i) board.read((board.rank() + i) % board.size(), 0, 0);
  board.finish(0);
  board.end(1);
}

} // namespace xpu_lite::ccl::shm
