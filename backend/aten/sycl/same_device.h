#pragma once

// Operators that are neither structured nor TensorIterators have nobody who looks
// where their tensors are, and a kernel that is given host memory faults or is wrong.
// XPU_SYCL_FN(function) is TORCH_FN(function) that looks first.

#include <optional>
#include <string_view>
#include <type_traits>

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

namespace xpu_lite::aten::sycl {

// Compares the devices of one call's arguments. A CPU tensor without dimensions is a
// number, and is the operator's to judge; so are lists.
class SameDevice {
 public:
  explicit SameDevice(std::string_view op) : op_(op) {}

  void look(const at::Tensor& t) {
    ++number_;
    if (!t.defined() || (t.dim() == 0 && t.device().is_cpu())) return;
    if (first_ == 0) {
      first_ = number_;
      device_ = t.device();
    }
    TORCH_CHECK(t.device() == device_, "[", op_, "] Expected all tensors to be on the same device, "
                "but argument ", first_, " is on ", device_, " and argument ", number_, " on ",
                t.device());
  }
  void look(const std::optional<at::Tensor>& t) { look(t ? *t : at::Tensor()); }
  template <class Other>
  void look(const Other&) {
    ++number_;
  }

 private:
  std::string_view op_;
  c10::Device device_{c10::kCPU};
  int number_ = 0, first_ = 0;
};

// The name of a function without its namespaces, as the compiler spells it.
template <auto function>
constexpr std::string_view name_of() {
  std::string_view text = __PRETTY_FUNCTION__;
  constexpr std::string_view before = "function = ";
  text.remove_prefix(text.find(before) + before.size());
  text = text.substr(0, text.find_first_of(";]"));
  const size_t scope = text.rfind("::");
  return scope == std::string_view::npos ? text : text.substr(scope + 2);
}

template <auto function, class Signature = std::remove_pointer_t<decltype(function)>>
struct OnOneDevice;
template <auto function, class Result, class... Args>
struct OnOneDevice<function, Result(Args...)> {
  static Result call(Args... args) {
    SameDevice same(name_of<function>());
    (same.look(args), ...);
    return function(std::forward<Args>(args)...);
  }
};

#define XPU_SYCL_FN(function) TORCH_FN((::xpu_lite::aten::sycl::OnOneDevice<&function>::call))

} // namespace xpu_lite::aten::sycl
