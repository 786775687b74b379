#pragma once

// One convolution as oneDNN computes it, and how its operands get into the layouts
// that oneDNN chose.
//
// Weights always have a layout of oneDNN's choice: with plain weights it has only its
// reference loops. Data that is channels last stays as it is; contiguous data does
// where oneDNN reads it well (float32 on CPUs), and is reordered elsewhere.

#include <memory>

#include "backend/xpu/onednn/operand.h"

namespace xpu_lite::xpu::onednn {

struct ConvolutionEntry {
  dnnl::primitive primitive;
  Operand src, weight, dst;
  dnnl::memory::desc bias, scratch;
  size_t scratch_bytes = 0;
  int64_t weight_layout = 0; // WeightForms::find
};

std::shared_ptr<const ConvolutionEntry> make_convolution(int device, Direction direction,
                                                         const Convolution& call);

} // namespace xpu_lite::xpu::onednn
