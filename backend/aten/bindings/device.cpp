// Devices: count, current device, properties, initialisation, synchronisation.

#include <pybind11/stl.h>

#include "backend/aten/bindings/bindings.h"
#include "backend/runtime/cpu_features.h"
#include "backend/runtime/device.h"
#include "backend/runtime/engines.h"
#include "backend/runtime/stream.h"
#include "backend/runtime/tile_permission.h"

namespace xpu_lite::bindings {
namespace {

py::dict properties_dict(int device) {
  const DeviceProperties& properties = device_properties(device);
  py::dict result;
  result["name"] = properties.name;
  result["vendor"] = properties.vendor;
  result["engine"] = properties.engine;
  result["isa"] = properties.isa;
  result["total_memory"] = properties.total_memory;
  result["cores"] = properties.cores;
  result["core_ids"] = properties.core_ids;
  result["major"] = properties.major;
  result["minor"] = properties.minor;
  result["has_fp64"] = properties.has_fp64;
  result["has_fp16"] = properties.has_fp16;
  result["has_bf16"] = properties.has_bf16;
  return result;
}

// What `engine().supports` says, by name, for torch.xpu_lite.supports().
py::dict features() {
  const Engine& chosen = engine();
  py::dict result;
  result["host_readable_memory"] = chosen.supports(Feature::HostReadableMemory);
  result["host_tasks"] = chosen.supports(Feature::HostTasks);
  result["core_sets"] = chosen.supports(Feature::CoreSets);
  result["priorities"] = chosen.supports(Feature::Priorities);
  return result;
}

// What the drivers of engines see, for `xpu-lite info`. May load them.
py::list describe_engines() {
  std::vector<std::string> lines;
  {
    py::gil_scoped_release no_gil;
    for (const EngineEntry& entry : engine_entries())
      if (entry.describe)
        for (std::string& line : entry.describe()) lines.push_back(std::move(line));
  }
  py::list result;
  for (const std::string& line : lines) result.append(line);
  return result;
}

bool can_access_peer(int device, int peer) {
  check_device(device);
  check_device(peer);
  return engine().can_access_peer(device, peer);
}

} // namespace

void bind_device(py::module_& m) {
  m.def("_device_count", &device_count);
  m.def("_current_device", &current_device);
  m.def("_set_device", &set_device, py::arg("device"));
  m.def("_exchange_device", &exchange_device, py::arg("device"));
  m.def("_maybe_exchange_device", &maybe_exchange_device, py::arg("device"));
  m.def("_check_device", &check_device, py::arg("device"));
  m.def("_device_properties", &properties_dict, py::arg("device"));
  m.def("_can_access_peer", &can_access_peer, py::arg("device"), py::arg("peer"));
  m.def("_engine_kind", [] { return std::string(engine().kind()); });
  m.def("_features", &features);
  m.def("_describe_engines", &describe_engines);

  m.def("_initialize", &initialize, NoGil());
  m.def("_is_initialized", &is_initialized);
  m.def("_in_bad_fork", &in_bad_fork);
  m.def("_synchronize", &synchronize_device, py::arg("device"), NoGil());

  m.def("_cpu_name", &cpu_name);
  m.def("_isa", [] { return std::string(isa_name(isa())); });
  m.def("_no_tiles_because", [] { return tile_support().reason; });
  m.def("_hardware_isa", [] { return std::string(isa_name(hardware_isa())); });
}

} // namespace xpu_lite::bindings
