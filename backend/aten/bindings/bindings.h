#pragma once

// The Python module torch_xpu_lite._C, in one part per topic. All parts but
// tensor.cpp include no torch header: they build in seconds.

#include <pybind11/pybind11.h>

namespace xpu_lite::bindings {

namespace py = pybind11;

// Turns the runtime's errors into the exceptions that a PyTorch user expects.
void bind_errors(py::module_& m);
void bind_device(py::module_& m);
void bind_stream(py::module_& m);
void bind_memory(py::module_& m);
void bind_options(py::module_& m);
void bind_packing(py::module_& m);
void bind_snapshot(py::module_& m);
// Parts that need torch: generators, aliases, pinned memory, fallback counts.
void bind_tensor(py::module_& m);

// Everything that may wait for queued work, for a lock or for the system runs
// without the GIL: a worker may need it to finish.
using NoGil = py::call_guard<py::gil_scoped_release>;

} // namespace xpu_lite::bindings
