#pragma once

#include <string>
#include <vector>

namespace xpu_lite::xpu {

// The headers of this project that a kernel file includes, directly or not: what
// its archive must be rebuilt for. `source` and the result are relative to `root`.
std::vector<std::string> project_includes(const std::string& root, const std::string& source);

} // namespace xpu_lite::xpu
