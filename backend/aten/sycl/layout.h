#pragma once

// Outputs for kernels that write one layout: the tensor itself where it has it, else
// memory of that layout that finish() copies.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

namespace xpu_lite::aten::sycl {

class Written {
 public:
  Written(const at::Tensor& target, at::MemoryFormat format)
      : target_(target),
        memory_(target.is_contiguous(format)
                    ? target
                    : at::empty(target.sizes(), target.options().memory_format(format))) {}
  const at::Tensor& get() const { return memory_; }
  void finish() const {
    if (!memory_.is_same(target_)) target_.copy_(memory_);
  }

 private:
  const at::Tensor& target_;
  at::Tensor memory_;
};

} // namespace xpu_lite::aten::sycl
