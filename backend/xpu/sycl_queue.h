#pragma once

// The SYCL objects behind devices and streams, for host code of this engine and of
// backend/aten/sycl. Valid only where the SYCL engine was chosen.

#include <sycl/sycl.hpp>

#include "backend/runtime/stream.h"

namespace xpu_lite::xpu {

// The one context of all devices of the engine.
const sycl::context& context();
const sycl::device& device(int index);
// The in-order queue of a stream. What is submitted to it is ordered with all other
// work of the stream.
sycl::queue& queue_of(Stream& stream);

} // namespace xpu_lite::xpu
