// What the runtime's worker threads need of torch: its thread settings, and its
// exceptions, which carry the name of the work that threw them to the user.

#include <dlfcn.h>
#include <omp.h>

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

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

// Adds to the exception object itself, so that its type stays.
std::exception_ptr annotate(std::exception_ptr error, const std::string& context) {
  try {
    std::rethrow_exception(error);
  } catch (c10::Error& e) {
    e.add_context(context.substr(0, context.rfind(" failed")));
  } catch (...) {
  }
  return error;
}

const bool installed = [] {
  set_worker_start_hook(start_worker);
  set_error_annotator(annotate);
  return true;
}();

} // namespace
} // namespace xpu_lite::aten
