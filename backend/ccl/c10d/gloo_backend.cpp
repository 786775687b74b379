// torch's gloo backend, made through the Python module that knows how.

#include <pybind11/chrono.h>
#include <torch/csrc/utils/pybind.h>

#include <cstdlib>
#include <sstream>

#include "backend/ccl/c10d/gloo_transport.h"
#include "backend/runtime/options.h"

namespace xpu_lite::ccl {
namespace {

namespace py = pybind11;

// The first interface that this host has of those in XPU_LITE_CCL_INTERFACE. None:
// torch chooses, by GLOO_SOCKET_IFNAME or the host's name.
py::object device_of(const py::object& gloo) {
  const std::string names = read_environment().ccl_interface;
  if (names.empty() || std::getenv("GLOO_SOCKET_IFNAME")) return py::none();
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ',');) {
    try {
      return gloo.attr("create_device")(py::arg("interface") = name);
    } catch (const py::error_already_set&) {
      // Hosts may name their interfaces differently.
    }
  }
  throw ValueError(
      message("XPU_LITE_CCL_INTERFACE=", names, ": this host has no such interface"));
}

} // namespace

MakeGloo gloo_of_torch() {
  return [](const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
            std::chrono::milliseconds timeout) {
    py::gil_scoped_acquire gil;
    try {
      const py::object gloo =
          py::module_::import("torch._C._distributed_c10d").attr("ProcessGroupGloo");
      const py::object device = device_of(gloo);
      // The constructor gives the GIL back while it connects.
      if (device.is_none())
        return gloo(store, rank, size, timeout).cast<c10::intrusive_ptr<c10d::Backend>>();
      const py::object options = gloo.attr("_Options")();
      options.attr("_devices") = py::make_tuple(device);
      options.attr("_timeout") = timeout;
      return gloo(store, rank, size, options).cast<c10::intrusive_ptr<c10d::Backend>>();
    } catch (const py::error_already_set& error) {
      throw PeerError(message("gloo could not connect the ranks: ", error.what()));
    }
  };
}

} // namespace xpu_lite::ccl
