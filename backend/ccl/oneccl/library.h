#pragma once

// oneCCL, found and loaded at run time: nothing here needs it to build, and it can be
// installed later. Its C interface (the one that looks like NCCL's) is declared in the
// words of its documentation, as far as it is used.

#include <cstddef>
#include <cstdint>
#include <string>

#include "backend/ccl/types.h"

namespace xpu_lite::ccl::oneccl {

struct UniqueId {
  char bytes[4096];
};
using Comm = struct onecclComm*;

// onecclDataType_t and onecclRedOp_t.
enum class Type : int {
  Int8 = 0, UInt8 = 1, Int32 = 2, UInt32 = 3, Int64 = 4, UInt64 = 5,
  Float16 = 6, Float32 = 7, Float64 = 8, BFloat16 = 9,
};
enum class Op : int { Sum = 0, Product = 1, Max = 2, Min = 3 };

// Every function returns 0 or an error code. `queue` is a sycl::queue*, or null for
// buffers in host memory.
struct Functions {
  int (*get_version)(int* version);
  int (*get_unique_id)(UniqueId*);
  int (*comm_init)(Comm*, size_t ranks, UniqueId, int rank, const void* config);
  int (*comm_destroy)(Comm);
  const char* (*error_string)(int);
  int (*all_reduce)(void* in, void* out, size_t count, Type, Op, Comm, void* queue);
  int (*reduce)(const void* in, void* out, size_t count, Type, Op, int root, Comm, void* queue);
  int (*broadcast)(const void* in, void* out, size_t count, Type, int root, Comm, void* queue);
  int (*all_gather)(const void* in, void* out, size_t count, Type, Comm, void* queue);
  int (*all_to_all)(const void* in, void* out, size_t count, Type, Comm, void* queue);
};

struct Library {
  Functions call{};
  std::string version; // "2022.1.0"
  std::string path;    // of libccl.so.2
};

// Loads it, once in a process. Throws Error with what is missing, and the command
// that installs it.
const Library& library();
// Before the first communicator is made: `interface` is what leads to the other
// hosts (empty: oneCCL finds one). Sets only what the user has not.
void set_interface(const std::string& interface);

} // namespace xpu_lite::ccl::oneccl
