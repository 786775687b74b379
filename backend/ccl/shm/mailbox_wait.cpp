// Sleeping until something may move, and waking those who sleep.

#include <immintrin.h>
#include <sched.h>

#include <algorithm>

#include "backend/ccl/shm/futex.h"
#include "backend/ccl/shm/mailbox_state.h"

namespace xpu_lite::ccl::shm {

namespace {

constexpr int64_t kShortestSpin = 2000, kLongestSpin = 100000; // ns
constexpr int kYields = 8;

int64_t nanoseconds(Clock::duration time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

uint32_t* futex_word(std::atomic<uint32_t>& word) { return reinterpret_cast<uint32_t*>(&word); }

} // namespace

// The caller has changed, sequentially consistently, what the rank may be waiting for.
void Mailbox::State::ring(int rank) noexcept {
  Doorbell& bell = layout_.doorbell(area_, rank);
  if (bell.sleeping.load() == 0 || bell.sleeping.exchange(0) == 0) return;
  bell.rings.fetch_add(1);
  futex_wake_all(futex_word(bell.rings));
}

void Mailbox::State::interrupt() noexcept {
  interrupted_.store(true);
  ring(rank_);
}

void Mailbox::State::wake_all() noexcept {
  for (int rank = 0; rank < size_; ++rank) ring(rank);
}

bool Mailbox::State::may_move() const {
  if (more_ || closed_ || health_->broken()) return true;
  for (int rank = 0; rank < size_; ++rank) {
    if (rank == rank_) continue;
    const Outbound& out = outs_[rank];
    const Inbound& in = ins_[rank];
    if (!out.queue.empty() && out.channel->read.load() != out.read_seen) return true;
    if ((in.active || wanted(in)) && in.channel->written.load() != in.written_seen) return true;
  }
  return false;
}

// For a moment on the core, if every rank has one; else lets others run.
bool Mailbox::State::spin(Clock::time_point end) {
  const auto ready = [this] { return interrupted_.load() || may_move(); };
  if (!health_->may_spin()) {
    for (int i = 0; i < kYields; ++i) {
      ::sched_yield();
      if (ready()) return true;
    }
    return false;
  }
  const auto start = Clock::now();
  for (auto now = start; now < end && nanoseconds(now - start) < spin_ns_; now = Clock::now()) {
    for (int i = 0; i < 16; ++i) {
      _mm_pause();
      if (!ready()) continue;
      spin_ns_ = std::clamp(2 * nanoseconds(Clock::now() - start), spin_ns_, kLongestSpin);
      return true;
    }
  }
  return false;
}

void Mailbox::State::await_progress(std::chrono::microseconds limit) {
  std::unique_lock lock(mutex_);
  if (interrupted_.exchange(false) || may_move()) return;
  const auto start = Clock::now();
  // A cap that no caller notices, so that the sum below cannot overflow.
  auto end = start + std::min<std::chrono::microseconds>(limit, std::chrono::hours(1));
  end = std::min(end, next_look_); // max() where nothing is under way
  if (next_look_ != Clock::time_point::max() && spin(end)) {
    interrupted_.store(false);
    return;
  }
  Doorbell& bell = layout_.doorbell(area_, rank_);
  for (;;) {
    bell.sleeping.store(1);
    const uint32_t seen = bell.rings.load();
    const auto now = Clock::now();
    if (interrupted_.load() || may_move() || now >= end) break;
    const int64_t left = std::min<int64_t>(nanoseconds(end - now), 500000000);
    lock.unlock();
    futex_wait(futex_word(bell.rings), seen, left);
    lock.lock();
    if (closed_) return; // the area may be gone
  }
  bell.sleeping.store(0);
  interrupted_.store(false);
  const int64_t took = nanoseconds(Clock::now() - start);
  spin_ns_ = took < kLongestSpin ? std::max(spin_ns_, took) : std::max(spin_ns_ / 2, kShortestSpin);
}

} // namespace xpu_lite::ccl::shm
