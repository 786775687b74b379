#pragma once

// How an operator of the SYCL engine submits its kernels: on the current stream of
// its device, counted as route 1, seen by the profiler. Nothing here waits.

#include <ATen/core/Tensor.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/core/launch.h"
#include "backend/aten/core/routes.h"
#include "backend/aten/profiler/span.h"
#include "backend/runtime/stream.h"
#include "backend/xpu/device_pointer.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/launch.h"

namespace xpu_lite::aten::sycl {

// NotImplemented error that names `op` for a type no kernel has (quantized).
xpu::DType dtype_of(const char* op, at::ScalarType type);

// The device address of the first element.
inline const void* in(const at::Tensor& t) { return xpu::device_pointer(t.const_data_ptr()); }
inline void* out(const at::Tensor& t) { return xpu::device_pointer(t.mutable_data_ptr()); }

// body(Stream&) submits kernels; it must not call the dispatcher. `op` must be a
// string literal.
template <class Body>
void run(const char* op, const at::Tensor& any, Body&& body) {
  Stream& stream = stream_of(any);
  note_route(1, op);
  KernelSpan span(op, stream);
  translate([&] { body(stream); });
}

} // namespace xpu_lite::aten::sycl
