#pragma once

// c10d's store as the one that transports know.

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "backend/ccl/store.h"

namespace xpu_lite::ccl {

// Shares the connection of `store`: a TCPStore lets one call through at a time, so
// only the threads that make groups may wait here, as they do in torch itself.
// (A connection for each group is not free: one in some twenty took five seconds.)
std::shared_ptr<Store> adapt_store(const c10::intrusive_ptr<c10d::Store>& store);

} // namespace xpu_lite::ccl
