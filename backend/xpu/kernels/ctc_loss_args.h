#pragma once

// Arguments of ctc_loss. A target of length L is walked as 2L + 1 states: a blank
// before, between and after its labels. Plain C++.

#include <cstdint>

#include "backend/xpu/kernel_error.h"

namespace xpu_lite::xpu {

template <class Real>
struct CtcArgs {
  const Real* log_probs;   // [time][batch][labels], dense
  const int64_t* targets;  // item b: from offsets[b] on, target_lengths[b] of them
  const int64_t* lengths;  // [3][batch]: input_lengths, target_lengths, offsets
  Real* loss;              // [batch]
  Real* alpha;             // [batch][time][states]: log of all ways to a state
  Real* beta;              // the same from a state to the end; backward only
  const Real* grad;        // [batch], `grad_stride` apart; 0: one for all
  Real* out;               // gradient of log_probs
  KernelError* error;
  int64_t grad_stride;
  int64_t time, batch, labels, states;
  int64_t blank;
  uint8_t zero_infinity;
};

} // namespace xpu_lite::xpu
