// The choice of Note [Writing to shared lines].

#include "backend/ccl/shm/slot_writer.h"

#include <chrono>

#include "backend/ccl/kernels/reduce.h"

namespace xpu_lite::ccl::shm {
namespace {

constexpr double kFastEnough = 4.0; // bytes per ns: between the two cases
constexpr size_t kProbe = 8192;     // bytes: enough to time; a wrong guess costs little
constexpr int kBetweenProbes = 32;
constexpr int kPatience = 3; // one slow copy may have been an interruption

} // namespace

void SlotWriter::cached(void* slot, const void* from, size_t bytes) {
  copy_cached(slot, from, bytes);
}

bool SlotWriter::fast(void* slot, const void* from, size_t bytes) {
  const auto start = std::chrono::steady_clock::now();
  copy_cached(slot, from, bytes);
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  return static_cast<double>(bytes) >= kFastEnough * took.count();
}

void SlotWriter::large(void* slot, const void* from, size_t bytes) {
  if (bytes < kProbe)
    return past_cache_ ? copy_streaming(slot, from, bytes) : cached(slot, from, bytes);
  if (past_cache_ && --until_probe_ <= 0) {
    past_cache_ = !fast(slot, from, kProbe);
    until_probe_ = kBetweenProbes;
    slow_copies_ = 0;
    slot = static_cast<char*>(slot) + kProbe;
    from = static_cast<const char*>(from) + kProbe;
    bytes -= kProbe;
  }
  if (past_cache_) return copy_streaming(slot, from, bytes);
  if (bytes < kProbe) return cached(slot, from, bytes);
  slow_copies_ = fast(slot, from, bytes) ? 0 : slow_copies_ + 1;
  past_cache_ = slow_copies_ >= kPatience;
}

} // namespace xpu_lite::ccl::shm
