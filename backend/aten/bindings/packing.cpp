// What is kept of weights (Note [Forms of weights]): statistics, clearing, and a watch on
// a tensor's memory for the tests of Note [Written since].

#include <torch/csrc/utils/pybind.h>

#include "backend/aten/bindings/bindings.h"
#include "backend/aten/core/weight_casts.h"
#include "backend/aten/core/write_watch.h"
#include "backend/aten/ops/packed_weights.h"
#include "backend/runtime/options.h"

namespace xpu_lite::bindings {
namespace {

py::dict form_stats(const aten::FormStats& stats) {
  py::dict result;
  result["kept"] = stats.kept;
  result["bytes"] = stats.bytes;
  result["hits"] = stats.hits;
  result["made"] = stats.made;
  result["once"] = stats.once;
  result["written"] = stats.written;
  result["evicted"] = stats.evicted;
  return result;
}

} // namespace

void bind_packing(py::module_& m) {
  m.def("_packing_stats", [] {
    py::dict result;
    result["packed"] = form_stats(aten::packed_weights().stats());
    result["cast"] = form_stats(aten::weight_casts().stats());
    return result;
  });
  m.def("_clear_packed_weights", [](bool all) {
    aten::packed_weights().clear(all);
    aten::weight_casts().clear(all);
  });
  m.def("_set_packing", [](bool on, size_t limit) {
    options().pack_weights = on;
    options().pack_limit = limit;
  });

  py::class_<aten::Watch, std::shared_ptr<aten::Watch>>(m, "_Watch")
      .def("unchanged", &aten::Watch::unchanged)
      .def("expired", &aten::Watch::expired);
  // For memory whose address is given away.
  m.def("_never_watch", [](const at::Tensor& tensor) {
    if (tensor.has_storage()) aten::never_watch(tensor.storage().unsafeGetStorageImpl());
  });
  // None where the memory cannot be watched.
  m.def("_watch", [](const at::Tensor& tensor) {
    return std::const_pointer_cast<aten::Watch>(aten::watch(tensor.storage()));
  });
}

} // namespace xpu_lite::bindings
