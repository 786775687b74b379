#pragma once

// Operators that are not structured look here for the dtypes that no kernel of ours
// computes with: torch's CPU kernel serves them, or words the refusal.

#include <utility>

#include "backend/aten/sycl/structured.h"

namespace xpu_lite::aten::sycl {

template <class Op, auto function, class Signature = typename Op::schema>
struct RareToCpu;
template <class Op, auto function, class Result, class... Args>
struct RareToCpu<Op, function, Result(Args...)> {
  static Result call(Args... args) {
    if (C10_UNLIKELY((is_rare_tensor(args) || ...))) {
      return Op::redispatch(kRareKey, std::forward<Args>(args)...);
    }
    return function(std::forward<Args>(args)...);
  }

 private:
  static bool is_rare_tensor(const at::Tensor& t) { return is_rare(t); }
  template <class Other>
  static bool is_rare_tensor(const Other&) {
    return false;
  }
};

// For m.impl(): `op` is the name of a struct of at::_ops.
#define XPU_SYCL_NOT_RARE(op, function) \
  TORCH_FN((::xpu_lite::aten::sycl::RareToCpu<at::_ops::op, &function>::call))

} // namespace xpu_lite::aten::sycl
