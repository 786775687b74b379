#include "backend/xpu/sycl_stream.h"

#include <atomic>
#include <thread>
#include <utility>

#include "backend/runtime/device.h"
#include "backend/runtime/error.h"
#include "backend/xpu/host_tasks.h"
#include "backend/xpu/kernel_error.h"
#include "backend/xpu/sycl_error.h"

namespace xpu_lite::xpu {
namespace {

namespace syclex = sycl::ext::oneapi::experimental;

sycl::property_list properties_of(const sycl::device& device, int priority) {
  namespace property = sycl::property::queue;
  namespace extra = sycl::ext::oneapi::property::queue;
  // Timing of a queue's work costs 0.2 us per launch on the OpenCL CPU device, and
  // nothing where the driver does not look at the events.
  if (priority < 0)
    return {property::in_order(), property::enable_profiling(), extra::priority_high()};
  if (priority > 0)
    return {property::in_order(), property::enable_profiling(), extra::priority_low()};
  return {property::in_order(), property::enable_profiling()};
}

} // namespace

bool SyclMark::done() const noexcept {
  try {
    return event_.get_info<sycl::info::event::command_execution_status>() ==
        sycl::info::event_command_status::complete;
  } catch (...) {
    return true; // failed: its stream has the error
  }
}

void SyclMark::wait() {
  try {
    event_.wait();
  } catch (...) {
    // The handler of its queue gets the same error.
  }
}

int64_t SyclMark::time_ns() const {
  if (!timing_) return 0;
  return with_errors(
      [] { return std::string("the time of an event"); },
      [&] {
        const int64_t offset = clock_offset_ns(device_);
        return offset +
            static_cast<int64_t>(
                   event_.get_profiling_info<sycl::info::event_profiling::command_end>());
      });
}

void SyclQueue::Failure::keep(std::exception_ptr e) noexcept {
  std::lock_guard<std::mutex> lock(mutex);
  if (error) return;
  error = std::move(e);
  any.store(true, std::memory_order_release);
}

SyclQueue::SyclQueue(const sycl::context& context, const sycl::device& device, int index,
                     int priority)
    : index_(index),
      failure_(std::make_shared<Failure>()),
      queue_(context, device,
             [failure = failure_, index](sycl::exception_list errors) {
               for (const std::exception_ptr& e : errors)
                 failure->keep(to_error(e, message("work of device ", index)));
             },
             properties_of(device, priority)),
      host_tasks_(std::make_unique<HostTasks>(
          index, [failure = failure_](std::exception_ptr e) { failure->keep(std::move(e)); })) {}

SyclQueue::~SyclQueue() { wait(); }

void SyclQueue::submit(std::string name, std::function<void()> task) {
  if (in_bad_fork()) initialize(); // throws
  with_errors([&] { return message("queueing of '", name, "'"); },
              [&] { host_tasks_->submit(queue_, std::move(task)); });
}

bool SyclQueue::idle() const noexcept {
  try {
    return queue_.ext_oneapi_empty();
  } catch (...) {
    return false; // wait() finds out why
  }
}

void SyclQueue::wait() {
  if (in_bad_fork()) return; // its threads stayed in the parent
  try {
    queue_.wait_and_throw();
    // Queues of sub-devices learn a moment later that their last copy is done; query()
    // shall say so at once. Bounded, as other threads may submit all the time.
    for (int i = 0; i < 200 && !queue_.ext_oneapi_empty(); ++i) std::this_thread::yield();
  } catch (...) {
    keep_error(to_error(std::current_exception(), message("work of device ", index_)));
  }
}

void SyclQueue::keep_error(std::exception_ptr error) noexcept { failure_->keep(std::move(error)); }

std::exception_ptr SyclQueue::take_error() noexcept {
  if (failure_->any.load(std::memory_order_acquire)) {
    std::lock_guard<std::mutex> lock(failure_->mutex);
    failure_->any.store(false, std::memory_order_release);
    return std::exchange(failure_->error, nullptr);
  }
  return take_kernel_error(*this);
}

std::shared_ptr<Mark> SyclQueue::mark(bool timing) {
  return with_errors([] { return std::string("recording of an event"); }, [&] {
    return std::make_shared<SyclMark>(
        timing ? syclex::submit_profiling_tag(queue_) : queue_.ext_oneapi_submit_barrier(),
        index_, timing);
  });
}

void SyclQueue::wait_for(const Mark& mark) {
  with_errors([] { return std::string("waiting for an event"); }, [&] {
    // Not a barrier with a list of events: that blocks the host while another queue's
    // event waits for a host task of SYCL (oneDNN's CPU primitives are such).
    queue_.submit([&](sycl::handler& handler) {
      handler.depends_on(static_cast<const SyclMark&>(mark).event());
    });
  });
}

} // namespace xpu_lite::xpu
