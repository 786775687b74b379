#pragma once

// Launching a kernel of ours by name, in the order of a stream.
//
// A kernel is a function of backend/xpu/kernels/, shipped as SPIR-V; it takes one
// struct of arguments by value and a one-dimensional range. It is built for the
// device of the stream at its first use (program.h). Nothing here waits.

#include <cstddef>
#include <string_view>
#include <type_traits>

#include "backend/runtime/stream.h"

namespace xpu_lite::xpu {

struct Grid {
  size_t groups;     // work-groups
  size_t group_size; // work-items of each; at most limits().max_group_size
};

// What host code needs to choose a grid; from the device, never a constant.
struct Limits {
  size_t max_group_size;   // of the device
  size_t local_memory;     // bytes per work-group
  size_t sub_group_size;   // the preferred one
  size_t compute_units;    // GPU: Xe cores' vector engines or cores of the CPU device
  bool is_cpu;
  bool has_fp64, has_fp16, has_atomic64;
};
const Limits& limits(int device);

// Throws Error that names the kernel when there is none of that name, when the
// device lacks what it needs (fp64, fp16), or when it does not build.
// `args` is copied before the call returns.
void launch(Stream& stream, std::string_view kernel, Grid grid, const void* args, size_t bytes);

template <class Args>
void launch(Stream& stream, std::string_view kernel, Grid grid, const Args& args) {
  static_assert(std::is_trivially_copyable_v<Args>);
  launch(stream, kernel, grid, &args, sizeof args);
}

// A grid of at least `items` work-items for a kernel that loops with a grid
// stride: no more groups than keep the device busy.
Grid grid_for(int device, size_t items, size_t group_size = 0);

// Copies and fills in stream order (device_pointer() is applied inside). Host
// memory of copy_async must stay as it is until the stream has passed the copy.
void copy_async(Stream& stream, void* dst, const void* src, size_t bytes);
void fill_async(Stream& stream, void* dst, unsigned char value, size_t bytes);

} // namespace xpu_lite::xpu
