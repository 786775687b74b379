#include "backend/xpu/user_kernel.h"

#include <mutex>

#include "backend/xpu/device_pointer.h"
#include "backend/xpu/submit.h"
#include "backend/xpu/sycl_queue.h"

namespace xpu_lite::xpu {
namespace {

namespace syclex = sycl::ext::oneapi::experimental;

// The message without the runtime's own words before the compiler's.
std::string compiler_words(std::string text) {
  for (const std::string line : {"Device compilation failed\n", "Detailed information:\n\t"})
    if (!text.compare(0, line.size(), line)) text.erase(0, line.size());
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

template <int N>
sycl::nd_range<N> nd_range(const UserGrid& grid) {
  sycl::range<N> global, local;
  for (int i = 0; i < N; ++i) global[i] = grid.global[i], local[i] = grid.local[i];
  return {global, local};
}

} // namespace

UserKernel compile_user_kernel(int device, const std::string& source, const std::string& name,
                               const std::vector<std::string>& options) {
  static std::mutex one_at_a_time; // the compiler has state of the process
  std::lock_guard lock(one_at_a_time);
  sycl::device d = xpu::device(device);
  if (!d.ext_oneapi_can_build(syclex::source_language::sycl))
    throw Error("the SYCL runtime has no compiler for this device (libsycl-jit.so is missing: "
                "pip install --force-reinstall intel-sycl-rt)");
  std::string log;
  try {
    auto bundle = syclex::create_kernel_bundle_from_source(xpu::context(),
                                                           syclex::source_language::sycl, source);
    auto built = syclex::build(
        bundle, {d},
        syclex::properties{syclex::build_options{options}, syclex::save_log{&log},
                           syclex::registered_names{std::vector<std::string>{name}}});
    if (!built.ext_oneapi_has_kernel(name)) throw Error("the source has no kernel " + name);
    sycl::kernel kernel = built.ext_oneapi_get_kernel(name);
    return {kernel, name, kernel.get_info<sycl::info::kernel::num_args>(),
            kernel.get_info<sycl::info::kernel_device_specific::work_group_size>(d), log};
  } catch (const sycl::exception& error) {
    if (error.code() == sycl::errc::build) throw CompileError(compiler_words(error.what()));
    throw Error(message("the kernel ", name, " does not build: ", error.what()));
  }
}

void launch_user_kernel(Stream& stream, const UserKernel& kernel, const UserGrid& grid,
                        const std::vector<UserArgument>& arguments) {
  submit_kernel(stream, kernel.name, [&](sycl::handler& handler) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      auto& [data, size] = arguments[i];
      if (size) handler.set_arg(i, syclex::raw_kernel_arg(data, size));
      else handler.set_arg(i, device_pointer(const_cast<void*>(data)));
    }
    switch (grid.dims) {
      case 0: handler.single_task(kernel.kernel); break;
      case 1: handler.parallel_for(nd_range<1>(grid), kernel.kernel); break;
      case 2: handler.parallel_for(nd_range<2>(grid), kernel.kernel); break;
      default: handler.parallel_for(nd_range<3>(grid), kernel.kernel); break;
    }
  });
}

} // namespace xpu_lite::xpu
