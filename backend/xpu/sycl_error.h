#pragma once

// SYCL's exceptions as errors of the runtime: what was being done, what the driver
// says, and what can be done about it.

#include <exception>
#include <string>
#include <utility>

namespace xpu_lite::xpu {

// An exception of SYCL (or any other) as Error or OutOfMemoryError; errors of the
// runtime are left as they are. `doing` begins the message: "copy of 16 bytes".
std::exception_ptr to_error(std::exception_ptr error, const std::string& doing);

// Runs `body`, whose exceptions leave as to_error() has them. doing() makes the text.
template <class Doing, class Body>
decltype(auto) with_errors(Doing&& doing, Body&& body) {
  try {
    return body();
  } catch (...) {
    std::rethrow_exception(to_error(std::current_exception(), doing()));
  }
}

} // namespace xpu_lite::xpu
