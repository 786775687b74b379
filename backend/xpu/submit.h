#pragma once

// How a kernel is submitted: the one place that knows about observers and errors.

#include "backend/runtime/error.h"
#include "backend/xpu/launch_kernel.h"
#include "backend/xpu/sycl_error.h"
#include "backend/xpu/sycl_queue.h"

namespace xpu_lite::xpu {

LaunchObserver launch_observer() noexcept;

// `submission` is a command group: it sets the arguments and starts the kernel.
template <class Submission>
void submit_kernel(Stream& stream, const std::string& name, Submission&& submission) {
  namespace syclex = sycl::ext::oneapi::experimental;
  with_errors(
      [&] {
        return message("the kernel ", name, " could not be started on device ", stream.device());
      },
      [&] {
        sycl::queue& queue = queue_of(stream);
        if (auto seen = launch_observer())
          seen(stream, name, syclex::submit_with_event(queue, submission));
        else
          syclex::submit(queue, submission); // without an event: the cheapest
      });
}

} // namespace xpu_lite::xpu
