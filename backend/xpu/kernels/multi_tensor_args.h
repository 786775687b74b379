#pragma once

// Arguments of kernels that walk many tensors in one launch. The tensors are cut
// into chunks, and one work-group does one chunk. Both tables lie in pinned memory
// (backend/xpu/table.h), which kernels read.

#include <cstdint>

namespace xpu_lite::xpu {

constexpr int64_t kChunkElements = 32768;
constexpr int kReduceLanes = 64; // most work-items of a group that reduces

struct TensorChunk {
  uint32_t tensor;
  uint32_t part; // elements [part * kChunkElements, ...) of the tensor
};

// A number that a kernel reads when it runs, where it is not known before: `data`
// of type f32, or, if null, `value`.
template <class Real>
struct LateNumber {
  const void* data;
  int32_t type; // a DType: f32, f64, f16, bf16, i64, i32
  Real value;
};

template <class Real>
struct ForeachTensor {
  void* out;
  const void* a;
  const void* b;
  const void* c;
  int64_t n;
  Real s;
};

template <class Real>
struct ForeachArgs {
  const ForeachTensor<Real>* tensors;
  const TensorChunk* chunks;
  const void* late; // null, or an element that replaces s, times factor
  Real factor;
};

// Raw elements: zero and copy.
struct ForeachMoveArgs {
  const ForeachTensor<float>* tensors;
  const TensorChunk* chunks;
};

template <class Real>
struct ForeachReduceArgs {
  const ForeachTensor<Real>* tensors; // out: of the finished result
  const TensorChunk* chunks;
  const uint32_t* first_chunk; // of each tensor, and the end
  Real* partial;               // one for each chunk
};

// Gradients in `a`, unscaled in place.
struct UnscaleArgs {
  const ForeachTensor<float>* tensors;
  const TensorChunk* chunks;
  const float* inv_scale;
  float* found_inf;
};

struct UpdateScaleArgs {
  float* scale;
  int32_t* growth_tracker;
  const float* found_inf;
  float growth, backoff;
  int32_t interval;
};

// One parameter of an optimizer step; every state has the parameter's layout.
template <class Real>
struct StepTensor {
  void* param;
  void* grad;
  void* state0; // Adam: exp_avg; SGD: momentum buffer or null; Adagrad: state_sum
  void* state1; // Adam: exp_avg_sq
  void* state2; // Adam: max_exp_avg_sq or null
  int64_t n;
  LateNumber<Real> step; // already counted up
  uint8_t types[5];      // DType of each pointer
};

template <class Real>
struct OptimizerArgs {
  const StepTensor<Real>* tensors;
  const TensorChunk* chunks;
  LateNumber<Real> lr, grad_scale, found_inf;
  // Adam: ln of the betas; Adagrad: lr_decay in a.
  Real a, b;
  Real beta2, weight1, weight2; // beta2, 1 - beta1, 1 - beta2
  Real momentum, intake;        // SGD: momentum, 1 - dampening
  Real weight_decay, eps;
  uint8_t maximize, decoupled, nesterov, first_step;
  uint8_t first_state, third_state; // whether state0 and state2 are there
};

} // namespace xpu_lite::xpu
