#pragma once

// Arguments of the negative log likelihood kernels. The input is (batch, classes,
// positions), dense; targets are (batch, positions).

#include <cstdint>

#include "backend/xpu/kernel_error.h"

namespace xpu_lite::xpu {

struct NllLossArgs {
  void* out;           // none: a value for each target; else the loss
  void* total_weight;  // of the input's type
  void* partial;       // (sum of losses, sum of weights) for each group; not for none
  const void* in;
  const void* target;
  const void* weight;  // null: ones
  int64_t targets;     // batch * positions
  int64_t positions, classes;
  int64_t ignore;
  int64_t parts;       // groups that wrote to `partial`
  KernelError* error;
  const char* op;
  uint8_t byte_target; // uint8 instead of int64
  uint8_t mean;
};

struct NllLossBackwardArgs {
  void* grad_in;          // zeros; one element for each target is written
  const void* grad_out;   // none: of each target; else one element
  const void* target;
  const void* weight;
  const void* total_weight;
  int64_t targets;
  int64_t positions, classes;
  int64_t ignore;
  KernelError* error;
  const char* op;
  uint8_t byte_target;
  uint8_t mean, each;     // each: no reduction
};

constexpr int kNllLanes = 64;

} // namespace xpu_lite::xpu
