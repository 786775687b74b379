// all_to_all: a rank shows a piece for everybody else, side by side in one slot. The
// slot of the first step begins with the sizes of all its pieces, in full: a rank knows
// neither how much others send each other, which decides the number of steps, nor
// whether what it is sent is what it expects.

#include <cstring>

#include "backend/ccl/shm/collectives.h"
#include "backend/ccl/shm/pieces.h"

namespace xpu_lite::ccl::shm {

void all_to_all(Board& board, const Call& call, const ConstSlice* ins, const Slice* outs) {
  const int n = board.size(), rank = board.rank();
  Description mine; // its bytes: the largest piece for another rank
  for (int to = 0; to < n; ++to)
    if (to != rank) mine.bytes = std::max<uint64_t>(mine.bytes, ins[to].bytes);
  board.begin(call, mine, false);

  const size_t table = n * sizeof(uint64_t);
  const size_t most = (board.capacity() - round_up(table, kLine)) / (n - 1) / kLine * kLine;
  // How far apart a rank's pieces are, by its largest.
  const auto stride = [&](uint64_t largest) {
    return largest < most ? round_up(largest, 8) : most;
  };
  const auto head = [&](uint64_t t) { return t == 0 ? table : 0; };
  const auto place = [&](int owner, int to, uint64_t largest) {
    return (to < owner ? to : to - 1) * stride(largest);
  };
  const auto write = [&](uint64_t t) {
    if (t > 0 && t >= steps_for(mine.bytes, most)) return;
    std::byte* slot = board.write(t, head(t) + (n - 1) * stride(mine.bytes));
    for (int to = 0; to < n && t == 0; ++to) {
      const uint64_t size = ins[to].bytes;
      std::memcpy(slot + to * sizeof(size), &size, sizeof(size));
    }
    for (int i = 1; i < n; ++i) {
      const int to = (rank + i) % n;
      board.put(slot + head(t) + place(rank, to, mine.bytes),
                  bytes_of(ins[to].data) + t * most, piece(ins[to].bytes, most, t));
    }
    board.post(t);
  };

  write(0);
  uint64_t largest = mine.bytes;
  for (int i = 1; i < n; ++i) {
    const int from = (rank + i) % n;
    const std::byte* slot = board.read(from, 0, Board::kAny);
    largest = std::max(largest, board.described_bytes(from, 0));
    uint64_t size;
    std::memcpy(&size, slot + rank * sizeof(size), sizeof(size));
    if (size != outs[from].bytes)
      board.mismatch(message("rank ", board.label(from), " sends ", size, " bytes to rank ",
                             board.label(rank), ", which expects ", outs[from].bytes));
  }
  const uint64_t steps = steps_for(largest, most);
  for (uint64_t t = 0; t < steps; ++t) {
    if (t + 1 < steps) write(t + 1);
    for (int i = 1; i < n; ++i) {
      const int from = (rank + i) % n;
      const size_t size = piece(outs[from].bytes, most, t);
      if (size == 0) continue;
      const std::byte* slot = board.read(from, t, Board::kAny);
      const uint64_t theirs = board.described_bytes(from, t);
      take(bytes_of(outs[from].data) + t * most, slot + head(t) + place(from, rank, theirs), size,
           n * outs[from].bytes);
    }
    board.finish(t);
  }
  copy_own(outs[rank], ins[rank]);
  board.end(steps);
}

} // namespace xpu_lite::ccl::shm
