// Entry point of torch_xpu_lite._C. Loading it loads libxpu_lite_torch, whose
// static registrations make the device known to PyTorch, and installs the operators
// of the engine in use.

#include "backend/aten/bindings/bindings.h"
#include "backend/aten/core/install.h"
#include "backend/runtime/blocking.h"

namespace {

// Operators that Python's own dispatch calls (DTensor) run with Python's lock held.
void* let_go_of_python() {
  if (!Py_IsInitialized() || !PyGILState_Check()) return nullptr;
  return PyEval_SaveThread();
}

void take_python_again(void* state) {
  PyEval_RestoreThread(static_cast<PyThreadState*>(state));
}

} // namespace

PYBIND11_MODULE(_C, m) {
  using namespace xpu_lite::bindings;
  m.doc() = "Native half of torch_xpu_lite; use torch.xpu_lite instead.";
  xpu_lite::set_blocking_hooks({let_go_of_python, take_python_again});
  xpu_lite::aten::install_operators();
  m.def("_sycl_operators", &xpu_lite::aten::sycl_operators);
  bind_errors(m);
  bind_device(m);
  bind_stream(m);
  bind_memory(m);
  bind_options(m);
  bind_packing(m);
  bind_snapshot(m);
  bind_tensor(m);
}
