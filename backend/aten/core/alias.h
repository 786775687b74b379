#pragma once

// Note [CPU aliases]
// The host engine's memory is ordinary memory, so every CPU kernel of torch can
// run on it. A *CPU alias* of a device tensor is a TensorImpl with CPU dispatch
// keys and the same memory; what a CPU kernel returns is turned back ("retagged")
// into a device tensor without a copy, because while an OpScope is open the CPU
// allocator of this thread is the device's caching allocator.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

// An owning CPU alias: same memory, sizes and strides; keeps the storage alive.
// For use outside the operator routes (bindings, serialization, IPC).
at::Tensor cpu_alias(const at::Tensor& device_tensor);

// Runs fn() with the CPU allocator of this thread replaced by the allocator of
// `device` (current stream), below autograd and autocast.
class OpScope {
 public:
  OpScope(int device, const char* name);
  ~OpScope();
  OpScope(const OpScope&) = delete;
  OpScope& operator=(const OpScope&) = delete;
 private:
  struct State;
  alignas(16) unsigned char state_[96];
};

// Turns a CPU tensor that a kernel made under an OpScope into a device tensor.
// Without a copy when its memory came from the device's allocator.
at::Tensor to_device_tensor(at::Tensor cpu_tensor, int device);

} // namespace xpu_lite::aten
