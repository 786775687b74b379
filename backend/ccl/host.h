#pragma once

// Which machine this process is on. Two processes with the same text can share
// memory: same boot of the same kernel, same process and network namespaces.

#include <string>
#include <vector>

#include "backend/ccl/store.h"

namespace xpu_lite::ccl {

// XPU_LITE_CCL_HOST_ID replaces it (tests make several hosts out of one).
std::string host_identity();
// Every rank's identity, exchanged through the store.
std::vector<std::string> gather_hosts(const Group& group);

} // namespace xpu_lite::ccl
