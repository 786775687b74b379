#pragma once

// parallel_for over OpenMP. torch's own pool is the same libgomp, so the two
// never oversubscribe each other, and torch.set_num_threads() holds here too.

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <mutex>

namespace xpu_lite::cpu {

// Calls body(first, last) on disjoint ranges that cover [begin, end). Ranges are
// at least `grain` long; a range shorter than that, or a call from inside a
// parallel region, runs on the calling thread. The first exception is rethrown.
template <class Body>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const Body& body) {
  const int64_t work = end - begin;
  if (work <= 0) return;
  if (work <= grain || omp_in_parallel() || omp_get_max_threads() == 1) {
    body(begin, end);
    return;
  }
  std::exception_ptr error;
  std::mutex error_mutex;
  const int64_t most = (work + std::max<int64_t>(grain, 1) - 1) / std::max<int64_t>(grain, 1);
  const int threads = static_cast<int>(std::min<int64_t>(omp_get_max_threads(), most));
#pragma omp parallel num_threads(threads)
  {
    const int64_t chunk = (work + omp_get_num_threads() - 1) / omp_get_num_threads();
    const int64_t first = begin + omp_get_thread_num() * chunk;
    if (first < end) {
      try {
        body(first, std::min(end, first + chunk));
      } catch (...) {
        std::lock_guard<std::mutex> lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

} // namespace xpu_lite::cpu
