// Entry point of torch_xpu_lite._C. Loading it loads libxpu_lite_torch, whose
// static registrations make the device known to PyTorch.

#include "backend/aten/bindings/bindings.h"

PYBIND11_MODULE(_C, m) {
  using namespace xpu_lite::bindings;
  m.doc() = "Native half of torch_xpu_lite; use torch.xpu_lite instead.";
  bind_errors(m);
  bind_device(m);
  bind_stream(m);
  bind_memory(m);
  bind_options(m);
  bind_tensor(m);
}
