#pragma once

// Recurrent cells, and layers of them: what torch's generic layers would do, but the
// input's product is one for all steps, and oneDNN's LSTM is used where the CPU uses it.

#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>

#include "backend/cpu/kernels/rnn_cells.h"

namespace xpu_lite::aten {

// Where the checked arguments of a cell go; `any` is a tensor of the device, `op` a
// string literal.
struct CellKernels {
  void (*lstm_forward)(const char* op, const at::Tensor& any, const cpu::CellForward&,
                       cpu::CellType);
  void (*lstm_backward)(const char* op, const at::Tensor& any, const cpu::LstmBackward&,
                        cpu::CellType);
  void (*gru_forward)(const char* op, const at::Tensor& any, const cpu::CellForward&,
                      cpu::CellType);
  void (*gru_backward)(const char* op, const at::Tensor& any, const cpu::GruBackward&,
                       cpu::CellType);
};
// Null: the host engine's. Another engine's library puts its own here.
extern const CellKernels* cell_kernels;

using TensorTriple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

// Gates [batch, 4 * hidden], cx [batch, hidden]; returns hy, cy and a workspace of
// the activated gates for the backward pass. Biases: both or neither.
TensorTriple fused_lstm_cell(const at::Tensor& input_gates, const at::Tensor& hidden_gates,
                             const at::Tensor& cx, const std::optional<at::Tensor>& input_bias,
                             const std::optional<at::Tensor>& hidden_bias);

// Gradients of the gates (input and hidden alike), of cx, and of a bias.
TensorTriple fused_lstm_cell_backward(const std::optional<at::Tensor>& grad_hy,
                                      const std::optional<at::Tensor>& grad_cy,
                                      const at::Tensor& cx, const at::Tensor& cy,
                                      const at::Tensor& workspace, bool has_bias);

// Gates [batch, 3 * hidden]; returns hy and the workspace.
std::tuple<at::Tensor, at::Tensor> fused_gru_cell(const at::Tensor& input_gates,
                                                  const at::Tensor& hidden_gates,
                                                  const at::Tensor& hx,
                                                  const std::optional<at::Tensor>& input_bias,
                                                  const std::optional<at::Tensor>& hidden_bias);

// Gradients of input gates, hidden gates, hx, input bias, hidden bias.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> fused_gru_cell_backward(
    const at::Tensor& grad_hy, const at::Tensor& workspace, bool has_bias);

// nn.LSTM and nn.GRU on padded sequences. Differentiable: registered for autograd too.
TensorTriple lstm(const at::Tensor& input, at::TensorList hx, at::TensorList params,
                  bool has_biases, int64_t num_layers, double dropout, bool train,
                  bool bidirectional, bool batch_first);
std::tuple<at::Tensor, at::Tensor> gru(const at::Tensor& input, const at::Tensor& hx,
                                       at::TensorList params, bool has_biases,
                                       int64_t num_layers, double dropout, bool train,
                                       bool bidirectional, bool batch_first);

} // namespace xpu_lite::aten
