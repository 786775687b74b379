#pragma once

// What the operators over lists of tensors share: when the kernels may walk the
// memory of several lists side by side, and how such a kernel is launched.

#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "backend/aten/core/launch.h"
#include "backend/cpu/kernels/elementwise.h"

namespace xpu_lite::aten {

// The type of the host kernels, or nothing for types that they lack.
std::optional<cpu::DType> floating_dtype(at::ScalarType type);

// Throws, in the words of torch's own foreach operators, unless the lists are as
// long as the first, which must not be empty.
void check_lists(std::initializer_list<at::TensorList> lists);

// True when tensor i of every list has the device, dtype, sizes and strides of
// tensor i of the first list, on this device, dense and without overlap, and all
// of the first list share one dtype: element k of one is element k of the other.
bool lists_match(std::initializer_list<at::TensorList> lists);
bool same_dense_layout(const at::Tensor& a, const at::Tensor& b);

// Autograd bumps the versions of single tensors, not of lists: without this a
// saved tensor, or a packed weight, could be stale without anyone noticing.
void bump_versions(at::TensorList written);

// A one-element tensor that a kernel reads when it runs: in stream order if it
// is on the device, now if it is on the CPU.
class LateScalar {
 public:
  explicit LateScalar(double value) : value_(value) {}
  // `what` names operator and argument for the error.
  LateScalar(const at::Tensor& tensor, const char* what);
  double read() const;
  // Where it lies on the device, or null for value().
  const void* data() const { return data_; }
  at::ScalarType type() const { return type_; }
  double value() const { return value_; }

 private:
  const void* data_ = nullptr;
  at::ScalarType type_ = at::ScalarType::Double;
  double value_ = 0;
};

// launch() for lists: the tensors are only collected when the work is queued.
template <class Body>
void launch_lists(const char* name, std::initializer_list<at::TensorList> lists,
                  Body&& body) {
  Stream& stream = stream_of((*lists.begin())[0]);
  if (C10_LIKELY(stream.runs_inline())) {
    KernelSpan span(name, stream);
    body();
    return;
  }
  std::vector<at::Tensor> keep;
  for (at::TensorList list : lists) keep.insert(keep.end(), list.begin(), list.end());
  launch_queued(name, stream, std::move(keep), std::forward<Body>(body));
}

} // namespace xpu_lite::aten
