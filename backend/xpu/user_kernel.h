#pragma once

// A user's own kernel: SYCL source compiled at run time, launched in the order of
// a stream.

#include <string>
#include <vector>

#include <sycl/sycl.hpp>

#include "backend/runtime/error.h"
#include "backend/runtime/stream.h"

namespace xpu_lite::xpu {

// The compiler's own words.
class CompileError : public Error {
 public:
  using Error::Error;
};

struct UserKernel {
  sycl::kernel kernel;
  std::string name;
  size_t arguments;      // how many it takes
  size_t max_group_size; // on its device
  std::string log;       // warnings of the compiler
};

// `name` as the source has it, with its namespace if it is in one. Throws
// CompileError, or Error when the source has no such kernel.
UserKernel compile_user_kernel(int device, const std::string& source, const std::string& name,
                               const std::vector<std::string>& options);

struct UserArgument {
  const void* data; // of a pointer: the address itself
  size_t size;      // 0 for a pointer to device memory
};

// 1 to 3 dimensions; a kernel without a range (single_task_kernel) has 0.
struct UserGrid {
  int dims;
  size_t global[3], local[3];
};

void launch_user_kernel(Stream& stream, const UserKernel& kernel, const UserGrid& grid,
                        const std::vector<UserArgument>& arguments);

} // namespace xpu_lite::xpu
