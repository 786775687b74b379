// Streams by their id, as Note [Stream ids] of backend/runtime/stream.h defines
// them. The Python objects are torch.Stream and torch.Event, which reach the
// runtime through the device guard; what those two cannot say is here.

#include <pybind11/stl.h>

#include <chrono>

#include "backend/aten/bindings/bindings.h"
#include "backend/runtime/device.h"
#include "backend/runtime/error.h"
#include "backend/runtime/stream.h"

namespace xpu_lite::bindings {
namespace {

// A negative priority is a high one, as torch.cuda has it. Streams with cores
// of their own are made for the caller; others come from the pool.
StreamId make_stream(int device, int priority, std::vector<int> cores) {
  check_device(device);
  if (cores.empty()) {
    return pool_stream(device, priority < 0).id();
  }
  return new_stream(device, priority, std::move(cores)).id();
}

// Keeps `device`'s current stream busy for `nanoseconds` of wall-clock time.
void busy(int device, int64_t nanoseconds) {
  current_stream(device).launch("_sleep", [nanoseconds] {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::nanoseconds(nanoseconds);
    while (Clock::now() < end) {
    }
  });
}

// Queues a task that fails: tests use it to see how errors travel.
void queue_failure(int device, StreamId id, const std::string& text) {
  stream_from_id(device, id).launch("_queue_failure", [text] { throw Error(text); });
}

} // namespace

void bind_stream(py::module_& m) {
  m.def("_make_stream", &make_stream, py::arg("device"), py::arg("priority"),
        py::arg("cores"), NoGil());
  m.def("_default_stream", [](int device) { return default_stream(device).id(); });
  m.def("_current_stream", [](int device) { return current_stream(device).id(); });
  m.def("_set_current_stream", [](int device, StreamId id) {
    set_current_stream(stream_from_id(device, id));
  });
  m.def("_stream_priority",
        [](int device, StreamId id) { return stream_from_id(device, id).priority(); });
  m.def("_stream_cores",
        [](int device, StreamId id) { return stream_from_id(device, id).cores(); });
  m.def("_sleep", &busy, py::arg("device"), py::arg("nanoseconds"), NoGil());
  m.def("_queue_failure", &queue_failure, py::arg("device"), py::arg("stream"),
        py::arg("text"), NoGil());
}

} // namespace xpu_lite::bindings
