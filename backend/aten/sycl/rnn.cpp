// The kernels behind the recurrent cells (ops/rnn.cpp).

#include "backend/aten/ops/rnn.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/rnn.h"

namespace xpu_lite::aten::sycl {

namespace {

using xpu::device_pointer;

xpu::DType type_of(cpu::CellType type) {
  switch (type) {
    case cpu::CellType::Double: return xpu::DType::F64;
    case cpu::CellType::Half: return xpu::DType::F16;
    case cpu::CellType::BFloat16: return xpu::DType::BF16;
    default: return xpu::DType::F32;
  }
}

xpu::CellArgs arguments(const cpu::CellForward& p) {
  return {p.batch, p.hidden, device_pointer(p.input_gates), device_pointer(p.hidden_gates),
          p.input_stride, p.hidden_stride, device_pointer(p.input_bias),
          device_pointer(p.hidden_bias), device_pointer(p.state), p.state_stride,
          device_pointer(p.out), device_pointer(p.cell), device_pointer(p.workspace)};
}

void lstm_forward(const char* op, const at::Tensor& any, const cpu::CellForward& p,
                  cpu::CellType type) {
  run(op, any, [&](Stream& s) { xpu::lstm_forward(s, type_of(type), arguments(p)); });
}

void lstm_backward(const char* op, const at::Tensor& any, const cpu::LstmBackward& p,
                   cpu::CellType type) {
  const xpu::LstmGradArgs args{
      p.batch, p.hidden, device_pointer(p.grad_out), device_pointer(p.grad_cell),
      p.grad_out_stride, p.grad_cell_stride, device_pointer(p.state), device_pointer(p.cell),
      device_pointer(p.workspace), p.state_stride, p.cell_stride, device_pointer(p.grad_gates),
      device_pointer(p.grad_state)};
  run(op, any, [&](Stream& s) { xpu::lstm_backward(s, type_of(type), args); });
}

void gru_forward(const char* op, const at::Tensor& any, const cpu::CellForward& p,
                 cpu::CellType type) {
  run(op, any, [&](Stream& s) { xpu::gru_forward(s, type_of(type), arguments(p)); });
}

void gru_backward(const char* op, const at::Tensor& any, const cpu::GruBackward& p,
                  cpu::CellType type) {
  const xpu::GruGradArgs args{
      p.batch, p.hidden, device_pointer(p.grad_out), device_pointer(p.workspace),
      p.grad_out_stride, device_pointer(p.grad_input_gates),
      device_pointer(p.grad_hidden_gates), device_pointer(p.grad_state)};
  run(op, any, [&](Stream& s) { xpu::gru_backward(s, type_of(type), args); });
}

constexpr CellKernels kCellKernels{lstm_forward, lstm_backward, gru_forward, gru_backward};
[[maybe_unused]] const bool cells_installed = [] {
  cell_kernels = &kCellKernels;
  return true;
}();

} // namespace
} // namespace xpu_lite::aten::sycl
