#pragma once

// Arguments of the elementwise half of an LSTM or GRU step: all gates of a cell in one
// pass over memory.
//
// Gates are [batch, gates * hidden], rows of their own stride. LSTM: input, forget,
// cell, output; the workspace [batch, 4 * hidden] holds them after their activations.
// GRU: reset, update, new; the workspace [batch, 5 * hidden] holds reset, update, new,
// the previous state, and the hidden part of `new` with its bias.

#include <cstdint>

namespace xpu_lite::xpu {

struct CellArgs {
  int64_t batch, hidden;
  const void *input_gates, *hidden_gates;
  int64_t input_stride, hidden_stride;    // elements between rows
  const void *input_bias, *hidden_bias;   // both or none
  const void* state;                      // LSTM: cx; GRU: hx
  int64_t state_stride;
  void *out, *cell, *workspace;           // contiguous; cell (cy) of the LSTM only
};

struct LstmGradArgs {
  int64_t batch, hidden;
  const void *grad_out, *grad_cell; // either may be null
  int64_t grad_out_stride, grad_cell_stride;
  const void *state, *cell, *workspace;
  int64_t state_stride, cell_stride;
  void *grad_gates, *grad_state; // contiguous
};

struct GruGradArgs {
  int64_t batch, hidden;
  const void *grad_out, *workspace;
  int64_t grad_out_stride;
  void *grad_input_gates, *grad_hidden_gates, *grad_state; // contiguous
};

} // namespace xpu_lite::xpu
