#pragma once

// Route 3: any operator that no other route serves runs boxed, on CPU aliases.
// Each use is counted by operator and can be printed or forbidden
// (XPU_LITE_FALLBACK=allow|warn|error).

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "backend/runtime/stream.h"

namespace xpu_lite::aten {

// Calls since the start or the last reset, most frequent first.
std::vector<std::pair<std::string, int64_t>> fallback_counts();
void reset_fallback_counts();

// Counts one use, and warns or throws as the policy says.
void count_fallback(const c10::OperatorHandle& op);

// Runs the CPU kernel of `op` on the arguments on top of `stack`, on this thread
// and now, and replaces them by its results as device tensors.
void run_boxed_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack);

// The device of the first device tensor (or device argument) among the
// arguments of `op`; the current device if there is none.
int device_of_arguments(const c10::OperatorHandle& op, const torch::jit::Stack& stack);

} // namespace xpu_lite::aten
