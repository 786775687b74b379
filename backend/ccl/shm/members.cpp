// Liveness and the broken flag. The flag is written once: whoever moves it from 0 to 1
// writes the reason, then 2.

#include "backend/ccl/shm/members.h"

#include <algorithm>
#include <bit>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "backend/ccl/shm/futex.h"

namespace xpu_lite::ccl::shm {
namespace {

// The most ranks that this process knows to share its cores: a sub-group of two out
// of eight ranks must not spin as if it were alone.
int ranks_of_host(int size) {
  static std::atomic<int> most{1};
  int known = most.load();
  while (known < size && !most.compare_exchange_weak(known, size)) {}
  known = std::max(known, size);
  const char* local = std::getenv("LOCAL_WORLD_SIZE"); // torchrun's
  return local == nullptr ? known : std::max(known, std::atoi(local));
}

// What a container may use of the cores that it sees; by cgroup v2.
int cores_of_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max"); // "200000 100000", or "max 100000"
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || period <= 0) return INT_MAX;
  return std::max(1, static_cast<int>(quota / period));
}

} // namespace

void throw_failure(Failure kind, const std::string& text) {
  if (kind == Failure::Timeout) throw TimeoutError(text);
  if (kind == Failure::Mismatch) throw MismatchError(text);
  throw PeerError(text);
}

Members::Members(Segment& segment, const Group& group)
    : segment_(segment), header_(segment.header()), rank_(group.rank), size_(group.size),
      group_("process group '" + group.name + "'"), labels_(group.labels) {
  int cores = 0;
  for (auto& word : header_.cores) cores += std::popcount(word.load());
  may_spin_ = ranks_of_host(size_) <= std::min(cores, cores_of_quota());
  for (int peer = 0; peer < size_; ++peer)
    processes_.push_back(
        Process::watch(segment.control(peer).pid, segment.control(peer).start_time));
}

std::string Members::reason() const {
  // The writer of the reason may have been killed between the two states.
  for (int i = 0; i < 100 && header_.broken.load(std::memory_order_acquire) == 1; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (header_.broken.load(std::memory_order_acquire) == 0) return "";
  return std::string(header_.reason, ::strnlen(header_.reason, sizeof(header_.reason)));
}

void Members::throw_reason(const std::string& context) const {
  const std::string text = message(context, ": ", reason());
  throw_failure(static_cast<Failure>(header_.broken_kind), text);
}

void Members::break_group(Failure kind, const std::string& reason) noexcept {
  uint32_t works = 0;
  if (header_.broken.compare_exchange_strong(works, 1)) {
    header_.broken_kind = static_cast<uint32_t>(kind);
    const size_t bytes = std::min(reason.size(), sizeof(header_.reason) - 1);
    std::memcpy(header_.reason, reason.data(), bytes);
    header_.broken.store(2, std::memory_order_release);
  }
  wake_all();
}

Health::Peer Members::look(int rank) noexcept {
  if (has_left(rank)) return Peer::Left;
  return processes_[rank]->alive() ? Peer::Alive : Peer::Dead;
}

void Members::leave() noexcept {
  segment_.control(rank_).left.store(1);
  wake_all();
}

std::string Members::describe(int rank) const {
  return message("rank ", label(rank), " (pid ", segment_.control(rank).pid, ")");
}

void Members::wake_all() noexcept {
  for (int rank = 0; rank < size_; ++rank) {
    futex_wake_all(futex_word(segment_.control(rank).done));
    for (uint32_t slot = 0; slot < segment_.geometry().slots; ++slot)
      futex_wake_all(futex_word(segment_.slot(rank, slot).stamp));
  }
  if (on_break) on_break();
}

} // namespace xpu_lite::ccl::shm
