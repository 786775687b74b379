// Collectives in which one rank gives or takes everything: broadcast, gather, scatter.

#include <cstring>

#include "backend/ccl/shm/collectives.h"
#include "backend/ccl/shm/pieces.h"

namespace xpu_lite::ccl::shm {
void broadcast(Board& board, const Call& call, void* data, size_t bytes, int root) {
  Description mine;
  mine.detail = root;
  mine.bytes = bytes;
  board.begin(call, mine, true);
  const size_t chunk = board.capacity();
  const uint64_t steps = steps_for(bytes, chunk);
  const bool gives = board.rank() == root;
  for (uint64_t t = 0; t < steps; ++t) {
    std::byte* at = bytes_of(data) + t * chunk;
    const size_t size = piece(bytes, chunk, t);
    if (gives) {
      board.put(board.write(t, size), at, size);
      board.post(t);
    } else {
      take(at, board.read(root, t, bytes), size, bytes);
    }
    board.finish(t);
  }
  board.end(steps);
}

void gather(Board& board, const Call& call, ConstSlice in, const Slice* outs, int root) {
  const bool takes = board.rank() == root;
  Description mine;
  mine.detail = root;
  mine.bytes = in.bytes;
  // Only the root knows how many steps there are: it tells the largest piece.
  if (takes)
    for (int peer = 0; peer < board.size(); ++peer)
      mine.bytes = std::max<uint64_t>(mine.bytes, outs[peer].bytes);
  board.begin(call, mine, false);
  const size_t chunk = board.capacity();
  const auto give = [&](uint64_t t) {
    const size_t size = piece(in.bytes, chunk, t);
    board.put(board.write(t, size), bytes_of(in.data) + t * chunk, size);
    board.post(t);
  };
  uint64_t steps = steps_for(mine.bytes, chunk);
  if (takes) {
    board.write(0, 0);
    board.post(0);
    copy_own(outs[root], in);
  } else {
    give(0);
    board.read(root, 0, Board::kAny);
    const uint64_t largest = board.described_bytes(root, 0);
    if (largest < in.bytes)
      board.mismatch(message("rank ", board.label(root), " expects at most ", largest,
                             " bytes from any rank, and rank ", board.label(board.rank()), " has ",
                             in.bytes));
    steps = steps_for(largest, chunk);
  }
  for (uint64_t t = 0; t < steps; ++t) {
    if (!takes && t > 0 && piece(in.bytes, chunk, t) > 0) give(t);
    for (int i = 1; takes && i < board.size(); ++i) {
      const int peer = (root + i) % board.size();
      const size_t size = piece(outs[peer].bytes, chunk, t);
      if (t > 0 && size == 0) continue;
      take(bytes_of(outs[peer].data) + t * chunk, board.read(peer, t, outs[peer].bytes), size,
           outs[peer].bytes);
    }
    board.finish(t);
  }
  board.end(steps);
}

// The root's slot of step 0 begins with every rank's size; the pieces follow.
void scatter(Board& board, const Call& call, const ConstSlice* ins, Slice out, int root) {
  const int n = board.size();
  const bool gives = board.rank() == root;
  Description mine;
  mine.detail = root;
  mine.bytes = out.bytes;
  if (gives)
    for (int peer = 0; peer < n; ++peer)
      mine.bytes = std::max<uint64_t>(mine.bytes, ins[peer].bytes);
  board.begin(call, mine, false);
  const size_t table = n * sizeof(uint64_t);
  const size_t most = (board.capacity() - round_up(table, kLine)) / (n - 1) / kLine * kLine;
  const auto place = [&](int peer, size_t stride) {
    return (peer < root ? peer : peer - 1) * stride;
  };
  uint64_t largest = mine.bytes;
  if (!gives) {
    const std::byte* slot = board.read(root, 0, Board::kAny);
    largest = board.described_bytes(root, 0);
    uint64_t size;
    std::memcpy(&size, slot + board.rank() * sizeof(size), sizeof(size));
    if (size != out.bytes)
      board.mismatch(message("rank ", board.label(root), " gives ", size, " bytes to rank ",
                             board.label(board.rank()), ", which expects ", out.bytes));
  }
  const size_t chunk = largest < most ? round_up(largest, 8) : most;
  const uint64_t steps = steps_for(largest, chunk);
  for (uint64_t t = 0; t < steps; ++t) {
    const size_t head = t == 0 ? table : 0;
    if (gives) {
      std::byte* slot = board.write(t, head + (n - 1) * chunk);
      for (int peer = 0; peer < n && t == 0; ++peer) {
        const uint64_t size = ins[peer].bytes;
        std::memcpy(slot + peer * sizeof(size), &size, sizeof(size));
      }
      for (int peer = 0; peer < n; ++peer) {
        if (peer == root) continue;
        board.put(slot + head + place(peer, chunk), bytes_of(ins[peer].data) + t * chunk,
                    piece(ins[peer].bytes, chunk, t));
      }
      board.post(t);
    } else if (const size_t size = piece(out.bytes, chunk, t); t == 0 || size > 0) {
      take(bytes_of(out.data) + t * chunk,
           board.read(root, t, Board::kAny) + head + place(board.rank(), chunk), size, out.bytes);
    }
    board.finish(t);
  }
  if (gives) copy_own(out, ins[root]);
  board.end(steps);
}

} // namespace xpu_lite::ccl::shm
