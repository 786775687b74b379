#pragma once

// Turns errors of the torch-free runtime into what a PyTorch user expects.

#include <c10/util/Exception.h>

#include "backend/runtime/error.h"

namespace xpu_lite::aten {

[[noreturn]] inline void rethrow_for_torch() {
  try {
    throw;
  } catch (const OutOfMemoryError& e) {
    TORCH_CHECK_WITH(OutOfMemoryError, false, e.what());
  } catch (const ValueError& e) {
    TORCH_CHECK_VALUE(false, e.what());
  } catch (const IndexError& e) {
    TORCH_CHECK_INDEX(false, e.what());
  } catch (const Error& e) {
    TORCH_CHECK(false, e.what());
  }
  throw; // c10::Error and others pass unchanged
}

// Runs fn(); a runtime error leaves it as the matching c10::Error.
template <class Fn>
decltype(auto) translate(Fn&& fn) {
  try {
    return fn();
  } catch (const Error&) {
    rethrow_for_torch();
  }
}

} // namespace xpu_lite::aten
