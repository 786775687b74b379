#pragma once

// Kernels over lists of tensors on a SYCL device. Pointers are the engine's, of
// dense memory; nothing here waits.

#include <cstdint>
#include <vector>

#include "backend/cpu/kernels/elementwise.h"
#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"

namespace xpu_lite::xpu {

struct ForeachItem {
  void* out;
  const void* a;
  const void* b;
  const void* c;
  int64_t n;
  double s;
};

// out = op(a, b, c, s) for every item; f32, f64, f16, bf16. `late`, if not null, is
// an element of type `type` on the device: s is then factor * *late.
void foreach_apply(Stream& stream, cpu::ElementwiseOp op, DType type,
                   const std::vector<ForeachItem>& items, const void* late = nullptr,
                   double factor = 1);

// Elements of `size` bytes (1, 2, 4, 8).
void foreach_zero(Stream& stream, size_t size, const std::vector<ForeachItem>& items);
void foreach_copy(Stream& stream, size_t size, const std::vector<ForeachItem>& items);

enum class ForeachReduce { SumAbs, SumSquares /* its root */, Max, AbsMax };

// Bytes of device memory that foreach_reduce needs besides.
size_t foreach_reduce_bytes(DType type, const std::vector<ForeachItem>& items);
// One element at `out` of each item from its elements at `a`.
void foreach_reduce(Stream& stream, ForeachReduce op, DType type,
                    const std::vector<ForeachItem>& items, void* scratch);

// GradScaler: data at `out` of each item, of float type `type`.
void amp_unscale(Stream& stream, DType type, const std::vector<ForeachItem>& items,
                 const float* inv_scale, float* found_inf);
void amp_update_scale(Stream& stream, float* scale, int32_t* growth_tracker,
                      const float* found_inf, double growth, double backoff, int64_t interval);

// A number of a step: where it lies on the device, or its value.
struct StepNumber {
  const void* data = nullptr;
  DType type = DType::F32;
  double value = 0;
};

// What is the same for all parameters of a step.
struct StepCommon {
  StepNumber lr, grad_scale, found_inf;
  double weight_decay = 0, eps = 0;
  double beta1 = 0, beta2 = 0;                 // Adam
  double momentum = 0, dampening = 0;          // SGD
  double lr_decay = 0;                         // Adagrad
  bool maximize = false, decoupled = false, nesterov = false, first_step = false;
};

struct StepItem {
  void* param;
  void* grad;
  void* state[3]; // null where the step has none
  DType types[5]; // of param, grad, state
  int64_t n;
  StepNumber step;
};

enum class Optimizer { Adam, Sgd, Adagrad };
void optimizer_step(Stream& stream, Optimizer optimizer, const StepCommon& common,
                    const std::vector<StepItem>& items);

} // namespace xpu_lite::xpu
