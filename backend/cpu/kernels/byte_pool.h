#pragma once

// Max pooling of quantised images: torch's own kernel takes no bytes.

#include "backend/cpu/dispatch.h"

namespace xpu_lite::cpu {

struct BytePool { // images with channels last, dense
  int64_t batch = 0, channels = 0, height = 0, width = 0, out_height = 0, out_width = 0;
  struct Window {
    int64_t size = 1, stride = 1, pad = 0, dilation = 1;
  } vertical, horizontal;
  bool is_signed = false;
  const void* input = nullptr;
  void* output = nullptr;
};

} // namespace xpu_lite::cpu

// Each window has at least one pixel of the image.
XPU_LITE_DECLARE_KERNEL(byte_max_pool, void(const BytePool&));
