#pragma once

// Arguments of reflection and replication padding of up to three dimensions. Tensors are
// contiguous: planes, then the padded dimensions. Plain C++.

#include <cstdint>

namespace xpu_lite::xpu {

struct PadArgs {
  const void* in;
  void* out;
  int64_t planes;
  int64_t in_sizes[3];  // outermost first; unused ones are 1
  int64_t out_sizes[3];
  int64_t before[3];    // padding at the front; negative ones cut
  int32_t reflect;      // else replicate the border
};

} // namespace xpu_lite::xpu
