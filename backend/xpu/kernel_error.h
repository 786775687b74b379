#pragma once

// Note [Errors of kernels]
// What only a kernel can see (an index outside of its dimension) it writes into a
// word of pinned memory that belongs to the stream, and goes on without touching
// memory it must not touch. Whoever next waits for the stream gets it as an
// exception that names the operator and the values. Only the first one is kept.

#include <cstdint>
#include <exception>

namespace xpu_lite {
class Queue;
class Stream;
} // namespace xpu_lite

namespace xpu_lite::xpu {

enum class KernelFault : int32_t {
  None = 0,
  Index, // `index` is not in [-size, size) of dimension `dim`
  IndexRuntime, // the same, for operators whose error is not an IndexError on the CPU
  Range, // `index` is not in [0, size); `what` names it
  Value, // `what` says in words what was wrong
};

// Written by kernels through kernels/fault.h.
struct KernelError {
  int32_t fault;
  int32_t dim;
  int64_t index;
  int64_t size;
  const char* op;   // string literals of the host: kernels only carry them
  const char* what;
};

// The error word of `stream`, to be put into the arguments of its kernels; lives
// as long as the process.
KernelError* kernel_error(Stream& stream);

// For engines: the error that a finished kernel of `queue` left, as IndexError or
// Error, or null; clears it. The queue must be idle.
std::exception_ptr take_kernel_error(const Queue& queue) noexcept;

} // namespace xpu_lite::xpu
