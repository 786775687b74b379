#include "backend/aten/ops/rnn.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "backend/aten/core/launch.h"
#include "backend/cpu/kernels/rnn_cells.h"

namespace xpu_lite::aten {

const CellKernels* cell_kernels = nullptr;

namespace {

using at::Tensor;

cpu::CellType cell_type(const char* op, const Tensor& t) {
  switch (t.scalar_type()) {
    case at::kFloat: return cpu::CellType::Float;
    case at::kDouble: return cpu::CellType::Double;
    case at::kBFloat16: return cpu::CellType::BFloat16;
    case at::kHalf: return cpu::CellType::Half;
    default:
      TORCH_CHECK_NOT_IMPLEMENTED(false, "\"", op, "\" not implemented for '", t.scalar_type(), "'");
  }
}

bool has_value_of(const std::optional<Tensor>& t) { return t.has_value() && t->defined(); }

// [batch, columns] with dense rows.
Tensor with_dense_rows(const Tensor& t) {
  return t.stride(1) == 1 || t.size(1) <= 1 ? t : t.contiguous();
}

void check_matrix(const char* op, const char* name, const Tensor& t, int64_t rows,
                  int64_t columns, const Tensor& like) {
  TORCH_CHECK(t.dim() == 2 && t.size(0) == rows && t.size(1) == columns, "[", op, "] expected ",
              name, " of shape [", rows, ", ", columns, "], got ", t.sizes());
  TORCH_CHECK(t.scalar_type() == like.scalar_type() && t.device() == like.device(), "[", op,
              "] expected ", name, " to be ", like.scalar_type(), " on ", like.device(), ", got ",
              t.scalar_type(), " on ", t.device());
}

// What both forward cells need; fills all but the outputs and the workspace.
cpu::CellForward check_cell(const char* op, int64_t gates, Tensor& input_gates,
                            Tensor& hidden_gates, Tensor& state,
                            const std::optional<Tensor>& input_bias,
                            const std::optional<Tensor>& hidden_bias, Tensor& bias1,
                            Tensor& bias2) {
  TORCH_CHECK(state.dim() == 2, "[", op, "] expected a state [batch, hidden], got ",
              state.sizes());
  const int64_t batch = state.size(0), hidden = state.size(1);
  check_matrix(op, "input_gates", input_gates, batch, gates * hidden, state);
  check_matrix(op, "hidden_gates", hidden_gates, batch, gates * hidden, state);
  TORCH_CHECK(has_value_of(input_bias) == has_value_of(hidden_bias), "[", op,
              "] expected both biases or neither");
  input_gates = with_dense_rows(input_gates);
  hidden_gates = with_dense_rows(hidden_gates);
  state = with_dense_rows(state);
  cpu::CellForward p;
  if (has_value_of(input_bias)) {
    for (const Tensor* b : {&*input_bias, &*hidden_bias}) {
      TORCH_CHECK(b->numel() == gates * hidden && b->scalar_type() == state.scalar_type() &&
                      b->device() == state.device(),
                  "[", op, "] expected a bias of ", gates * hidden, " elements of ",
                  state.scalar_type(), " on ", state.device(), ", got ", b->sizes(), " ",
                  b->scalar_type(), " on ", b->device());
    }
    bias1 = input_bias->contiguous();
    bias2 = hidden_bias->contiguous();
    p.input_bias = bias1.const_data_ptr();
    p.hidden_bias = bias2.const_data_ptr();
  } else {
    bias1 = bias2 = state; // something to keep alive
  }
  p.batch = batch, p.hidden = hidden;
  p.input_gates = input_gates.const_data_ptr(), p.input_stride = input_gates.stride(0);
  p.hidden_gates = hidden_gates.const_data_ptr(), p.hidden_stride = hidden_gates.stride(0);
  p.state = state.const_data_ptr(), p.state_stride = state.stride(0);
  return p;
}

} // namespace

TensorTriple fused_lstm_cell(const Tensor& input_gates_, const Tensor& hidden_gates_,
                             const Tensor& cx_, const std::optional<Tensor>& input_bias,
                             const std::optional<Tensor>& hidden_bias) {
  constexpr const char* op = "_thnn_fused_lstm_cell";
  Tensor input_gates = input_gates_, hidden_gates = hidden_gates_, cx = cx_, bias1, bias2;
  cpu::CellForward p =
      check_cell(op, 4, input_gates, hidden_gates, cx, input_bias, hidden_bias, bias1, bias2);
  const cpu::CellType type = cell_type(op, cx);
  Tensor hy = at::empty_like(cx, at::MemoryFormat::Contiguous);
  Tensor cy = at::empty_like(cx, at::MemoryFormat::Contiguous);
  Tensor workspace = at::empty({p.batch, 4 * p.hidden}, cx.options());
  p.out = hy.data_ptr(), p.cell = cy.data_ptr(), p.workspace = workspace.data_ptr();
  if (cell_kernels != nullptr) {
    cell_kernels->lstm_forward(op, hy, p, type);
  } else {
    launch(op, {input_gates, hidden_gates, cx, bias1, bias2, hy, cy, workspace},
           [p, type] { cpu::lstm_cell_forward(p, type); });
  }
  return {std::move(hy), std::move(cy), std::move(workspace)};
}

TensorTriple fused_lstm_cell_backward(const std::optional<Tensor>& grad_hy,
                                      const std::optional<Tensor>& grad_cy, const Tensor& cx_,
                                      const Tensor& cy_, const Tensor& workspace_, bool has_bias) {
  constexpr const char* op = "_thnn_fused_lstm_cell_backward_impl";
  if (!has_value_of(grad_hy) && !has_value_of(grad_cy)) return {};
  TORCH_CHECK(cx_.dim() == 2, "[", op, "] expected cx [batch, hidden], got ", cx_.sizes());
  cpu::LstmBackward p;
  p.batch = cx_.size(0), p.hidden = cx_.size(1);
  check_matrix(op, "cy", cy_, p.batch, p.hidden, cx_);
  check_matrix(op, "workspace", workspace_, p.batch, 4 * p.hidden, cx_);
  const Tensor cx = with_dense_rows(cx_), cy = with_dense_rows(cy_);
  const Tensor workspace = workspace_.contiguous();
  Tensor gh = cx, gc = cx; // something to keep alive
  if (has_value_of(grad_hy)) {
    check_matrix(op, "grad_hy", *grad_hy, p.batch, p.hidden, cx);
    gh = with_dense_rows(*grad_hy);
    p.grad_out = gh.const_data_ptr(), p.grad_out_stride = gh.stride(0);
  }
  if (has_value_of(grad_cy)) {
    check_matrix(op, "grad_cy", *grad_cy, p.batch, p.hidden, cx);
    gc = with_dense_rows(*grad_cy);
    p.grad_cell = gc.const_data_ptr(), p.grad_cell_stride = gc.stride(0);
  }
  Tensor grad_gates = at::empty({p.batch, 4 * p.hidden}, cx.options());
  Tensor grad_cx = at::empty_like(cx, at::MemoryFormat::Contiguous);
  p.state = cx.const_data_ptr(), p.state_stride = cx.stride(0);
  p.cell = cy.const_data_ptr(), p.cell_stride = cy.stride(0);
  p.workspace = workspace.const_data_ptr();
  p.grad_gates = grad_gates.data_ptr(), p.grad_state = grad_cx.data_ptr();
  const cpu::CellType type = cell_type(op, cx);
  if (cell_kernels != nullptr) {
    cell_kernels->lstm_backward(op, grad_cx, p, type);
  } else {
    launch(op, {gh, gc, cx, cy, workspace, grad_gates, grad_cx},
           [p, type] { cpu::lstm_cell_backward(p, type); });
  }
  Tensor grad_bias = has_bias ? grad_gates.sum(0) : Tensor();
  return {std::move(grad_gates), std::move(grad_cx), std::move(grad_bias)};
}

std::tuple<Tensor, Tensor> fused_gru_cell(const Tensor& input_gates_, const Tensor& hidden_gates_,
                                          const Tensor& hx_,
                                          const std::optional<Tensor>& input_bias,
                                          const std::optional<Tensor>& hidden_bias) {
  constexpr const char* op = "_thnn_fused_gru_cell";
  Tensor input_gates = input_gates_, hidden_gates = hidden_gates_, hx = hx_, bias1, bias2;
  cpu::CellForward p =
      check_cell(op, 3, input_gates, hidden_gates, hx, input_bias, hidden_bias, bias1, bias2);
  const cpu::CellType type = cell_type(op, hx);
  Tensor hy = at::empty_like(hx, at::MemoryFormat::Contiguous);
  Tensor workspace = at::empty({p.batch, 5 * p.hidden}, hx.options());
  p.out = hy.data_ptr(), p.workspace = workspace.data_ptr();
  if (cell_kernels != nullptr) {
    cell_kernels->gru_forward(op, hy, p, type);
  } else {
    launch(op, {input_gates, hidden_gates, hx, bias1, bias2, hy, workspace},
           [p, type] { cpu::gru_cell_forward(p, type); });
  }
  return {std::move(hy), std::move(workspace)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> fused_gru_cell_backward(
    const Tensor& grad_hy_, const Tensor& workspace_, bool has_bias) {
  constexpr const char* op = "_thnn_fused_gru_cell_backward";
  TORCH_CHECK(workspace_.dim() == 2 && workspace_.size(1) % 5 == 0, "[", op,
              "] expected a workspace [batch, 5 * hidden], got ", workspace_.sizes());
  cpu::GruBackward p;
  p.batch = workspace_.size(0), p.hidden = workspace_.size(1) / 5;
  check_matrix(op, "grad_hy", grad_hy_, p.batch, p.hidden, workspace_);
  const Tensor grad_hy = with_dense_rows(grad_hy_), workspace = workspace_.contiguous();
  Tensor grad_input = at::empty({p.batch, 3 * p.hidden}, workspace.options());
  Tensor grad_hidden = at::empty({p.batch, 3 * p.hidden}, workspace.options());
  Tensor grad_hx = at::empty({p.batch, p.hidden}, workspace.options());
  p.grad_out = grad_hy.const_data_ptr(), p.grad_out_stride = grad_hy.stride(0);
  p.workspace = workspace.const_data_ptr();
  p.grad_input_gates = grad_input.data_ptr(), p.grad_hidden_gates = grad_hidden.data_ptr();
  p.grad_state = grad_hx.data_ptr();
  const cpu::CellType type = cell_type(op, workspace);
  if (cell_kernels != nullptr) {
    cell_kernels->gru_backward(op, grad_hx, p, type);
  } else {
    launch(op, {grad_hy, workspace, grad_input, grad_hidden, grad_hx},
           [p, type] { cpu::gru_cell_backward(p, type); });
  }
  Tensor input_bias = has_bias ? grad_input.sum(0) : Tensor();
  Tensor hidden_bias = has_bias ? grad_hidden.sum(0) : Tensor();
  return {std::move(grad_input), std::move(grad_hidden), std::move(grad_hx),
          std::move(input_bias), std::move(hidden_bias)};
}

} // namespace xpu_lite::aten
