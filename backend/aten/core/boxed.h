#pragma once

// Walking the tensors in boxed arguments.

#include <optional>

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

namespace xpu_lite::aten {

// The value with fn(tensor) in the place of every tensor in it.
template <class Fn>
c10::IValue map_tensors(const c10::IValue& value, Fn&& fn) {
  if (value.isTensor()) return fn(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& t : value.toTensorVector()) list.push_back(fn(t));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& t : value.toOptionalTensorList()) {
      list.push_back(t ? std::optional<at::Tensor>(fn(*t)) : std::nullopt);
    }
    return list;
  }
  return value;
}

} // namespace xpu_lite::aten
