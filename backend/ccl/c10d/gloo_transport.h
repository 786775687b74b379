#pragma once

// The transport for where oneCCL is missing: torch's own gloo backend moves the
// bytes. The wheel ships no gloo header, so the backend is made by torch's Python
// module and used through c10d's interface.

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "backend/ccl/transport.h"

namespace xpu_lite::ccl {

// Connects the ranks; throws when they are not all there after `timeout`.
using MakeGloo = std::function<c10::intrusive_ptr<c10d::Backend>(
    const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
    std::chrono::milliseconds timeout)>;

// torch._C._distributed_c10d.ProcessGroupGloo. Takes the GIL while it is made.
MakeGloo gloo_of_torch();
TransportFactory gloo_factory(MakeGloo make);

} // namespace xpu_lite::ccl
