#pragma once

// From tensors and TensorIterators to reductions of the SYCL engine.

#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>

#include "backend/xpu/ops/reduce.h"

namespace xpu_lite::aten::sycl {

struct ReduceOptions {
  const char* kernel;
  int32_t flag = 0;
  double number = 0;
};

// Runs the kernel over iter's input, into its one or two outputs.
void reduce(const char* op, at::TensorIteratorBase& iter, const ReduceOptions& options);

// One dimension of `self` is reduced (or none of a scalar's); value and index, each
// may be undefined, have self's sizes without that dimension, or with it as 1.
void reduce_dim_with_index(const char* op, const at::Tensor& self, int64_t dim, bool least,
                           const at::Tensor& value, const at::Tensor& index);

// All of `self` into one element of `out`.
void reduce_all(const char* op, const at::Tensor& self, const at::Tensor& out,
                const ReduceOptions& options);

} // namespace xpu_lite::aten::sycl
