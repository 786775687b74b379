#pragma once

// Operators whose arguments are checked and prepared the same way for every engine,
// and only the kernel at the end differs: random numbers, dropout, lists of
// tensors. The host engine's kernels serve unless another engine's library has put
// its own here when it was loaded.

#include <vector>

#include <ATen/core/Tensor.h>

#include "backend/aten/ops/tensor_lists.h"
#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/kernels/fused_optimizers.h"
#include "backend/cpu/kernels/philox.h"

namespace xpu_lite::aten {

// What to draw; see Note [Philox layout].
struct Draw {
  enum Kind { Uniform, Normal, LogNormal, Exponential, Cauchy, Geometric, Integers, Bernoulli };
  Kind kind;
  double a = 0, b = 0;  // the distribution's parameters in the order of the operator's
  uint64_t range = 0;   // Integers: base + [0, range), 0 standing for 2^64
  int64_t base = 0;
};

// All tensors are dense and in row-major (dropout: equal) order. `op` is a string
// literal.
struct RandomKernels {
  void (*fill)(const char* op, const at::Tensor& out, const Draw&, const cpu::PhiloxStream&);
  // p: float or double, of the same sizes.
  void (*bernoulli_each)(const char* op, const at::Tensor& out, const at::Tensor& p,
                         const cpu::PhiloxStream&);
  // keys (count, 2): each fills out.numel() / count elements.
  void (*fill_by_key)(const char* op, const at::Tensor& out, const at::Tensor& keys,
                      const Draw&);
  // out (splits, *keys): key derived with first, first + 1, ...
  void (*derive_keys)(const char* op, const at::Tensor& out, const at::Tensor& keys,
                      int64_t splits, uint64_t first);
  void (*dropout_numbers)(const char* op, const at::Tensor& out, const cpu::PhiloxStream&);
  void (*dropout)(const char* op, const at::Tensor& out, const at::Tensor& mask,
                  const at::Tensor& in, const cpu::PhiloxStream&, double keep, double scale);
  void (*masked_scale)(const char* op, const at::Tensor& out, const at::Tensor& in,
                       const at::Tensor& mask, double scale);
};

// What a fused step reads late: on the device, or on the CPU now.
struct StepScalars {
  LateScalar lr, grad_scale, found_inf;
  std::vector<LateScalar> steps; // of each parameter; empty for SGD
};

// All lists match (lists_match); `any` is a tensor of the device.
struct ListKernels {
  // out = op(a, b, c, s), s one value or one per tensor; or, where `late` is
  // given, factor * *late.
  void (*apply)(const char* op, cpu::ElementwiseOp, at::TensorList out, at::TensorList a,
                at::TensorList b, at::TensorList c, const std::vector<double>& s,
                const at::Tensor* late, double factor);
  // One element for each tensor; SumSquares: the root of it.
  void (*reduce)(const char* op, cpu::ReduceOp, at::TensorList out, at::TensorList self);
  void (*zero)(const char* op, at::TensorList self);
  void (*copy)(const char* op, at::TensorList self, at::TensorList src);
  void (*unscale)(const char* op, at::TensorList grads, const at::Tensor& found_inf,
                  const at::Tensor& inv_scale);
  void (*update_scale)(const char* op, const at::Tensor& scale, const at::Tensor& tracker,
                       const at::Tensor& found_inf, double growth, double backoff,
                       int64_t interval);
  void (*adam)(const char* op, const at::Tensor& any, const std::vector<cpu::AdamStep>&,
               const std::vector<int64_t>& numels, const StepScalars&);
  void (*sgd)(const char* op, const at::Tensor& any, const std::vector<cpu::SgdStep>&,
              const std::vector<int64_t>& numels, const StepScalars&);
  void (*adagrad)(const char* op, const at::Tensor& any, const std::vector<cpu::AdagradStep>&,
                  const std::vector<int64_t>& numels, const StepScalars&);
};

// Null: the host engine's.
extern const RandomKernels* random_kernels;
extern const ListKernels* list_kernels;

} // namespace xpu_lite::aten
