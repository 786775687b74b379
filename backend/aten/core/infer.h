#pragma once

// What an operator will return, without running it: for work that is queued.

#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace xpu_lite::aten {

struct TensorMeta {
  bool defined = false;
  c10::SmallVector<int64_t, 5> sizes, strides;
  at::ScalarType dtype = at::kFloat;
};
using InferredResults = std::vector<TensorMeta>; // one for each return

// Asks the meta kernel of `op` about the arguments on top of `stack`. Null where
// it cannot say: results that depend on data, results that are no tensors, an
// out= argument to be resized, arguments that it refuses (the CPU kernel words
// the error). Answers are kept by shapes, dtypes and numbers: some meta kernels
// of torch are written in Python and slower than the work itself.
std::shared_ptr<const InferredResults> infer_results(const c10::OperatorHandle& op,
                                                     const torch::jit::Stack& stack);

// The overload that writes the results of the functional `op` into arguments of
// its own, given after those of `op`; none if torch has none.
std::optional<c10::OperatorHandle> out_variant(const c10::OperatorHandle& op);

} // namespace xpu_lite::aten
