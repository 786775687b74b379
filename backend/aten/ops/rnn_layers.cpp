#include <algorithm>

#include <ATen/Context.h>
#include <ATen/ops/_thnn_fused_gru_cell.h>
#include <ATen/ops/_thnn_fused_lstm_cell.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/gru_native.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/lstm_native.h>
#include <ATen/ops/mkldnn_rnn_layer.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include "backend/aten/ops/rnn.h"

namespace xpu_lite::aten {

namespace {

using at::Tensor;

// Sizes of a stack of layers, and its parameters cell by cell.
struct Stack {
  at::TensorList params;
  bool has_biases;
  int64_t layers, directions;
  int64_t cells() const { return layers * directions; }
  const Tensor* weights(int64_t cell) const { return &params[cell * (has_biases ? 4 : 2)]; }
  std::optional<Tensor> bias(int64_t cell, int which) const {
    return has_biases ? std::optional<Tensor>(weights(cell)[2 + which]) : std::nullopt;
  }
};

// Dense tensors of one type with the sizes of a well-formed call without projections.
// Everything else goes to torch's generic layers, which serve it or say what is wrong.
bool well_formed(const Tensor& input, at::TensorList states, const Stack& stack, int64_t gates,
                 int64_t batch_dim) {
  constexpr c10::DispatchKeySet kWrappers({c10::DispatchKey::Python,
                                           c10::DispatchKey::FuncTorchBatched,
                                           c10::DispatchKey::FuncTorchGradWrapper});
  auto plain = [&](const Tensor& t) {
    return t.scalar_type() == input.scalar_type() && t.device() == input.device() &&
           !t.key_set().has_any(kWrappers) && !t._fw_grad(0).defined();
  };
  if (!plain(input) || input.dim() != 3 || input.numel() == 0) return false;
  const int64_t per_cell = stack.has_biases ? 4 : 2;
  if (static_cast<int64_t>(stack.params.size()) != stack.cells() * per_cell) return false;
  const int64_t hidden = states[0].dim() == 3 ? states[0].size(2) : -1;
  for (const Tensor& t : states) {
    if (!plain(t) || t.dim() != 3 || t.size(0) != stack.cells() ||
        t.size(1) != input.size(batch_dim) || t.size(2) != hidden) {
      return false;
    }
  }
  for (int64_t cell = 0; cell < stack.cells(); ++cell) {
    const int64_t width = cell < stack.directions ? input.size(2) : hidden * stack.directions;
    const Tensor* w = stack.weights(cell);
    for (int64_t i = 0; i < per_cell; ++i) {
      if (!plain(w[i]) || w[i].size(0) != gates * hidden) return false;
    }
    if (w[0].dim() != 2 || w[0].size(1) != width || w[1].dim() != 2 || w[1].size(1) != hidden) {
      return false;
    }
  }
  return true;
}

// Where the CPU takes oneDNN's layer: also in training, its backward is differentiable.
bool onednn_layer(const Tensor& input) {
  if (cell_kernels != nullptr) return false; // another engine's memory
  if (!at::globalContext().userEnabledMkldnn()) return false;
  return input.scalar_type() == at::kFloat ||
         (input.scalar_type() == at::kBFloat16 && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"));
}

// Runs `layer(input, cell, reverse)` for each cell and joins directions and layers.
template <class Layer>
Tensor run_stack(Tensor input, const Stack& stack, double dropout, bool train,
                 const Layer& layer) {
  for (int64_t l = 0; l < stack.layers; ++l) {
    std::vector<Tensor> outputs;
    for (int64_t d = 0; d < stack.directions; ++d) {
      outputs.push_back(layer(input, l * stack.directions + d, d > 0));
    }
    input = stack.directions == 1 ? outputs[0] : at::cat(outputs, -1);
    if (dropout != 0 && train && l + 1 < stack.layers) input = at::dropout(input, dropout, true);
  }
  return input;
}

// Runs step(input gates of one step) over time; one product makes all input gates.
template <class Step>
Tensor run_steps(const Tensor& input, const Tensor& weight, bool reverse, const Step& step) {
  const std::vector<Tensor> gates = at::linear(input, weight).unbind(0);
  std::vector<Tensor> outputs(gates.size());
  for (size_t i = 0; i < gates.size(); ++i) {
    const size_t t = reverse ? gates.size() - 1 - i : i;
    outputs[t] = step(gates[t]);
  }
  return at::stack(outputs, 0);
}

} // namespace

TensorTriple lstm(const Tensor& input_, at::TensorList hx, at::TensorList params, bool has_biases,
                  int64_t num_layers, double dropout, bool train, bool bidirectional,
                  bool batch_first) {
  const Stack stack{params, has_biases, num_layers, bidirectional ? 2 : 1};
  if (hx.size() != 2 || !well_formed(input_, hx, stack, 4, batch_first ? 0 : 1)) {
    return at::native::lstm(input_, hx, params, has_biases, num_layers, dropout, train,
                            bidirectional, batch_first);
  }
  Tensor input = batch_first ? input_.transpose(0, 1) : input_;
  std::vector<Tensor> hy, cy;
  Tensor output;
  if (onednn_layer(input)) {
    constexpr int64_t kLstm = 2;
    const Tensor h0 = hx[0].contiguous(), c0 = hx[1].contiguous();
    output = run_stack(
        input.contiguous(), stack, dropout, train, [&](const Tensor& x, int64_t cell, bool reverse) {
          const Tensor* w = stack.weights(cell);
          auto [out, h, c, workspace] = at::mkldnn_rnn_layer(
              x, w[0], w[1], has_biases ? w[2] : at::zeros_like(w[0]),
              has_biases ? w[3] : at::zeros_like(w[1]), h0[cell], c0[cell], reverse,
              /*batch_sizes=*/{}, kLstm, h0.size(2), num_layers, has_biases, bidirectional,
              batch_first, train);
          hy.push_back(std::move(h));
          cy.push_back(std::move(c));
          return out;
        });
  } else {
    output = run_stack(
        input, stack, dropout, train, [&](const Tensor& x, int64_t cell, bool reverse) {
          const Tensor* w = stack.weights(cell);
          const auto bias1 = stack.bias(cell, 0), bias2 = stack.bias(cell, 1);
          Tensor h = hx[0][cell], c = hx[1][cell];
          Tensor out = run_steps(x, w[0], reverse, [&](const Tensor& gates) {
            std::tie(h, c, std::ignore) =
                at::_thnn_fused_lstm_cell(gates, at::linear(h, w[1]), c, bias1, bias2);
            return h;
          });
          hy.push_back(std::move(h));
          cy.push_back(std::move(c));
          return out;
        });
  }
  if (batch_first) output = output.transpose(0, 1);
  return {std::move(output), at::stack(hy, 0), at::stack(cy, 0)};
}

std::tuple<Tensor, Tensor> gru(const Tensor& input_, const Tensor& hx, at::TensorList params,
                               bool has_biases, int64_t num_layers, double dropout, bool train,
                               bool bidirectional, bool batch_first) {
  const Stack stack{params, has_biases, num_layers, bidirectional ? 2 : 1};
  if (!well_formed(input_, hx, stack, 3, batch_first ? 0 : 1)) {
    return at::native::gru(input_, hx, params, has_biases, num_layers, dropout, train,
                           bidirectional, batch_first);
  }
  const Tensor input = batch_first ? input_.transpose(0, 1) : input_;
  std::vector<Tensor> hy;
  Tensor output = run_stack(
      input, stack, dropout, train, [&](const Tensor& x, int64_t cell, bool reverse) {
        const Tensor* w = stack.weights(cell);
        const auto bias1 = stack.bias(cell, 0), bias2 = stack.bias(cell, 1);
        Tensor h = hx[cell];
        Tensor out = run_steps(x, w[0], reverse, [&](const Tensor& gates) {
          h = std::get<0>(at::_thnn_fused_gru_cell(gates, at::linear(h, w[1]), h, bias1, bias2));
          return h;
        });
        hy.push_back(std::move(h));
        return out;
      });
  if (batch_first) output = output.transpose(0, 1);
  return {std::move(output), at::stack(hy, 0)};
}

} // namespace xpu_lite::aten
