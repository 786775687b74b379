// torch_xpu_lite._ccl: the process group as Python sees it. Loaded when a group is
// made, not at import.

#include <torch/csrc/distributed/c10d/Store.hpp>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/utils/pybind.h>

#include <pybind11/chrono.h>

#include "backend/ccl/c10d/gloo_transport.h"
#include "backend/ccl/c10d/process_group.h"

namespace py = pybind11;

namespace xpu_lite::ccl {
namespace {

using PyGroup = ProcessGroupXpuLite;
using GroupOptions = ProcessGroupXpuLite::Options;

c10::intrusive_ptr<GroupOptions> copy_options(const GroupOptions& from) {
  auto copy = c10::make_intrusive<GroupOptions>(from.timeout);
  copy->group_name = from.group_name;
  copy->group_desc = from.group_desc;
  copy->global_ranks_in_group = from.global_ranks_in_group;
  return copy;
}

c10d::ReduceOp make_premul_sum(const py::object& factor) {
  if (THPVariable_Check(factor.ptr())) {
    const at::Tensor t = factor.cast<at::Tensor>();
    TORCH_CHECK_VALUE(t.numel() == 1, "make_premul_sum: the factor must be a number or a "
                      "tensor of one element, and has ", t.numel());
    return c10d::makePreMulSum(t);
  }
  return c10d::makePreMulSum(factor.cast<double>());
}

} // namespace
} // namespace xpu_lite::ccl

PYBIND11_MODULE(_ccl, m) {
  using namespace xpu_lite::ccl;
  m.doc() = "The process group \"xpulite\" of torch.distributed.";
  // The base classes are registered by torch's own module.
  py::module_::import("torch._C._distributed_c10d");

  py::class_<PyGroup, c10d::Backend, c10::intrusive_ptr<PyGroup>> group(m, "ProcessGroupXpuLite");
  group
      .def(py::init([](const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                       c10::intrusive_ptr<GroupOptions> options) {
             py::gil_scoped_release released;
             return c10::make_intrusive<PyGroup>(store, rank, size, std::move(options));
           }),
           py::arg("store"), py::arg("rank"), py::arg("size"), py::arg("options"))
      .def_property_readonly("transport", &PyGroup::transport_name,
                             "What moves the data: 'shm', 'oneccl', 'gloo' or a pair of them.")
      // new_group() calls it on the ranks that are not members of the new group.
      .def("perform_nocolor_split", [](PyGroup&, const py::object&) {}, py::arg("device"))
      .def("describe", &PyGroup::describe, "One line on the transport and its parameters.")
      .def_property_readonly(
          "options",
          [](PyGroup& self) {
            return c10::static_intrusive_pointer_cast<GroupOptions>(self.getBackendOptions());
          },
          "The group's options.");

  py::class_<GroupOptions, c10d::Backend::Options, c10::intrusive_ptr<GroupOptions>>(group,
                                                                                     "Options")
      .def(py::init([](std::chrono::milliseconds timeout) {
             return c10::make_intrusive<GroupOptions>(timeout);
           }),
           py::arg("timeout") = kBackendDefaultTimeout)
      .def("__copy__", [](const GroupOptions& self) { return copy_options(self); })
      .def("__deepcopy__",
           [](const GroupOptions& self, const py::dict&) { return copy_options(self); });

  py::module_::import("atexit").attr("register")(
      py::cpp_function(&PyGroup::shutdown_all));

  m.def("make_premul_sum", &make_premul_sum, py::arg("factor"),
        "ReduceOp that multiplies every input by `factor` before it adds.");
}
