// torch's gloo backend, made through the Python module that knows how.

#include <pybind11/chrono.h>
#include <torch/csrc/utils/pybind.h>

#include "backend/ccl/c10d/gloo_transport.h"

namespace xpu_lite::ccl {

MakeGloo gloo_of_torch() {
  return [](const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
            std::chrono::milliseconds timeout) {
    pybind11::gil_scoped_acquire gil;
    try {
      const auto module = pybind11::module_::import("torch._C._distributed_c10d");
      // Its constructor gives the GIL back while it connects.
      return module.attr("ProcessGroupGloo")(store, rank, size, timeout)
          .cast<c10::intrusive_ptr<c10d::Backend>>();
    } catch (const pybind11::error_already_set& error) {
      throw PeerError(message("gloo could not connect the ranks: ", error.what()));
    }
  };
}

} // namespace xpu_lite::ccl
