// Allocate and free of a cached block, against malloc and free in the same run:
// nanoseconds for the pair, the median of interleaved rounds.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "backend/runtime/allocator.h"

namespace {

using Clock = std::chrono::steady_clock;

template <class Body>
double nanoseconds(int repeats, Body&& body) {
  const auto start = Clock::now();
  for (int i = 0; i < repeats; ++i) body();
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / repeats;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

} // namespace

int main() {
  xpu_lite::Stream& stream = xpu_lite::default_stream(0);
  std::printf("%12s %12s %12s\n", "bytes", "xpu_lite ns", "malloc ns");
  for (size_t bytes : {64ul, 4096ul, 65536ul, 1ul << 20, 16ul << 20, 64ul << 20}) {
    auto ours = [&] {
      auto a = xpu_lite::allocate(0, bytes, stream);
      asm volatile("" : : "r"(a.data) : "memory");
      xpu_lite::release(a.context);
    };
    auto theirs = [&] {
      void* p = std::malloc(bytes);
      asm volatile("" : : "r"(p) : "memory");
      std::free(p);
    };
    ours();
    std::vector<double> our_times, their_times;
    for (int round = 0; round < 21; ++round) {
      our_times.push_back(nanoseconds(20000, ours));
      their_times.push_back(nanoseconds(bytes > 100000 ? 500 : 20000, theirs));
    }
    std::printf("%12zu %12.1f %12.1f\n", bytes, median(our_times), median(their_times));
  }
  return 0;
}
