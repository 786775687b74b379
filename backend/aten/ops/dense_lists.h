#pragma once

// Tensors of any layout for kernels that need dense ones: those that do not fit
// are copied before the kernel and, if it writes them, back after it.

#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include "backend/aten/ops/tensor_lists.h"

namespace xpu_lite::aten {

class DenseList {
 public:
  // Element k of tensor i of the result is element k of like[i], which is dense.
  DenseList(at::TensorList tensors, at::TensorList like, bool written)
      : originals_(tensors), written_(written) {
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (same_dense_layout(like[i], tensors[i])) continue;
      if (copies_.empty()) copies_ = tensors.vec();
      copies_[i] = at::empty_like(like[i], tensors[i].options());
      copies_[i].copy_(tensors[i]);
    }
  }

  at::TensorList get() const { return copies_.empty() ? originals_ : copies_; }

  // Call once, after the launch: what was written becomes visible in the originals.
  void finish() const {
    if (!written_) return;
    bump_versions(originals_);
    for (size_t i = 0; i < copies_.size(); ++i) {
      if (!copies_[i].is_same(originals_[i])) originals_[i].copy_(copies_[i]);
    }
  }

 private:
  at::TensorList originals_;
  std::vector<at::Tensor> copies_; // empty, or as long as originals_
  bool written_;
};

} // namespace xpu_lite::aten
