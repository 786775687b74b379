#pragma once

// c10d's store as the one that transports know.

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "backend/ccl/store.h"

namespace xpu_lite::ccl {

// Uses a connection of its own, so that a call that waits here keeps nobody else
// from the store.
std::shared_ptr<Store> adapt_store(const c10::intrusive_ptr<c10d::Store>& store);

} // namespace xpu_lite::ccl
