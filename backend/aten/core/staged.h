#pragma once

// Route 3 where the host cannot reach the device's memory: arguments are copied to
// host memory, the CPU kernel runs on the copies, and what it made or changed is
// copied back.

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace xpu_lite::aten {

// As run_boxed_on_cpu(); the device's current stream is idle.
void run_boxed_staged(const c10::OperatorHandle& op, torch::jit::Stack* stack, int device);

} // namespace xpu_lite::aten
