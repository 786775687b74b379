#pragma once

// Names of elementwise kernels, without a format string: it is on the path of every
// operator.

#include <algorithm>
#include <string_view>

#include "backend/xpu/dtype.h"

namespace xpu_lite::xpu {

// ew_<name>_<type>
class EwKernelName {
 public:
  EwKernelName(std::string_view name, DType type) {
    const std::string_view end = suffix(type);
    name = name.substr(0, sizeof text_ - end.size() - 4);
    char* at = std::copy_n("ew_", 3, text_);
    at = std::copy(name.begin(), name.end(), at);
    *at++ = '_';
    size_ = static_cast<size_t>(std::copy(end.begin(), end.end(), at) - text_);
  }
  operator std::string_view() const { return {text_, size_}; }

 private:
  char text_[64];
  size_t size_;
};

} // namespace xpu_lite::xpu
