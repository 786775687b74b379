#pragma once

// Errors of the runtime. They carry no torch type, so that the runtime builds
// without it; backend/aten turns each kind into the exception a PyTorch user
// expects (OutOfMemoryError -> torch.OutOfMemoryError, ValueError -> ValueError,
// IndexError -> IndexError,
// Error -> RuntimeError).

#include <sstream>
#include <stdexcept>
#include <string>

namespace xpu_lite {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A user passed a value that cannot be accepted (unknown option, bad index).
class ValueError : public Error {
 public:
  using Error::Error;
};

// An index outside of the dimension it counts in.
class IndexError : public Error {
 public:
  using Error::Error;
};

class OutOfMemoryError : public Error {
 public:
  using Error::Error;
};

// Joins its arguments into one message: message("device ", 3, " of ", n).
template <class... Parts>
std::string message(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

} // namespace xpu_lite
