// How torch's thread settings meet the threads of the device.

#include <dlfcn.h>
#include <omp.h>

#include <ATen/Parallel.h>

#include "backend/runtime/stream.h"

namespace xpu_lite::aten {
namespace {

// A stream's worker with cores of its own runs teams of that size. torch and MKL
// each keep a number of threads beside OpenMP's: all three are set.
void start_worker(const std::vector<int>& cores) {
  // Once per thread torch sets OpenMP's number; before ours, not after.
  at::internal::lazy_init_num_threads();
  if (cores.empty()) return;
  const int threads = static_cast<int>(cores.size());
  omp_set_num_threads(threads);
  using SetLocal = int (*)(int);
  static const auto set_mkl_local =
      reinterpret_cast<SetLocal>(dlsym(RTLD_DEFAULT, "MKL_Set_Num_Threads_Local"));
  if (set_mkl_local != nullptr) set_mkl_local(threads);
}

const bool installed = [] {
  set_worker_start_hook(start_worker);
  return true;
}();

} // namespace
} // namespace xpu_lite::aten
