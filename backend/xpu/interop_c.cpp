// What torch_xpu_lite.interop needs of the engine, as plain C called by ctypes: the
// sycl::queue of a stream, order between it and queues of other libraries, and what an
// address is. A call that fails puts a message where xpu_lite_interop_error() finds it,
// per thread.

#include <sycl/sycl.hpp>

#include "backend/runtime/error.h"
#include "backend/xpu/device_pointer.h"
#include "backend/xpu/sycl_queue.h"
#include "backend/xpu/sycl_stream.h"

namespace {

using namespace xpu_lite;

thread_local std::string error_text;

template <class Body>
int guarded(Body&& body) noexcept {
  try {
    body();
    return 0;
  } catch (const std::exception& error) {
    error_text = error.what();
    return 1;
  }
}

// Later work of `waiting` waits for what `first` has now. In an in-order queue an empty
// command that depends on the event does that; a barrier over events of another queue may
// block the caller on the OpenCL CPU device, so that only out-of-order queues get one.
void order(sycl::queue& waiting, sycl::queue& first, void* scratch) {
  const sycl::event event = first.ext_oneapi_submit_barrier();
  if (!waiting.is_in_order()) {
    waiting.ext_oneapi_submit_barrier({event});
    return;
  }
  waiting.submit([&](sycl::handler& handler) {
    handler.depends_on(event);
    handler.memset(scratch, 0, 1);
  });
}

// A byte that empty commands write; per process, never freed. Work that depends on
// nothing else may write it at any time.
void* scratch_byte(int device) {
  static std::mutex mutex;
  static std::vector<void*> bytes;
  std::lock_guard<std::mutex> lock(mutex);
  if (bytes.size() <= static_cast<size_t>(device)) bytes.resize(static_cast<size_t>(device) + 1);
  void*& byte = bytes[static_cast<size_t>(device)];
  if (byte == nullptr) byte = sycl::malloc_host(1, xpu::context());
  if (byte == nullptr) throw OutOfMemoryError("interop: no pinned host memory for one byte");
  return byte;
}

void check_context(const sycl::queue& foreign) {
  if (foreign.get_context() != xpu::context()) {
    throw Error("the queue is of another SYCL context than torch's; make it with "
                "torch.xpu_lite.current_stream().sycl_queue.sycl_context");
  }
}

} // namespace

extern "C" {

const char* xpu_lite_interop_error() { return error_text.c_str(); }

// The address of the stream's sycl::queue, which lives as long as the stream.
int xpu_lite_interop_queue(int device, int64_t stream, void** queue) {
  return guarded([&] { *queue = &xpu::queue_of(stream_from_id(device, stream)); });
}

// The stream waits for the present end of a foreign queue (sycl::queue*) ...
int xpu_lite_interop_wait(int device, int64_t stream, void* foreign) {
  return guarded([&] {
    auto& other = *static_cast<sycl::queue*>(foreign);
    sycl::queue& own = xpu::queue_of(stream_from_id(device, stream));
    if (other == own) return;
    order(own, other, scratch_byte(device));
  });
}

// ... or the foreign queue for that of the stream.
int xpu_lite_interop_release(int device, int64_t stream, void* foreign) {
  return guarded([&] {
    auto& other = *static_cast<sycl::queue*>(foreign);
    sycl::queue& own = xpu::queue_of(stream_from_id(device, stream));
    if (other == own) return;
    check_context(other);
    order(other, own, scratch_byte(device));
  });
}

// `kind`: 0 not USM memory of torch's context, 1 host, 2 device, 3 shared; `device`: the
// first of torch's devices that the memory belongs to, or -1.
int xpu_lite_interop_pointer(const void* address, int* kind, int* device, int count) {
  return guarded([&] {
    address = xpu::device_pointer(address);
    *device = -1;
    switch (sycl::get_pointer_type(address, xpu::context())) {
      case sycl::usm::alloc::host: *kind = 1; break;
      case sycl::usm::alloc::device: *kind = 2; break;
      case sycl::usm::alloc::shared: *kind = 3; break;
      default: *kind = 0; return;
    }
    const sycl::device owner = sycl::get_pointer_device(address, xpu::context());
    for (int i = 0; i < count && *device < 0; ++i) {
      if (xpu::device(i) == owner) *device = i;
    }
    // CPU devices that are parts of one share its memory.
    if (*device < 0 && count > 0 && owner.is_cpu() && xpu::device(0).is_cpu()) *device = 0;
  });
}

} // extern "C"
