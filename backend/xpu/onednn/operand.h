#pragma once

// An operand of a primitive: its layout in our tensor, the one that oneDNN chose, and the way
// between the two.

#include <memory>

#include "backend/xpu/onednn/context.h"

namespace xpu_lite::xpu::onednn {

struct Operand {
  dnnl::memory::desc ours, wanted;
  dnnl::reorder reorder; // into `wanted` for what is read, from it for what is written
  bool same = true;
  size_t bytes = 0; // of `wanted`
};

// The same shape and type, in a layout of oneDNN's choice.
dnnl::memory::desc free_layout(const dnnl::memory::desc& desc);

// Fills in all but `ours`; `wanted` is what the primitive chose.
void finish(Operand& operand, const dnnl::memory::desc& wanted, bool written,
            const dnnl::engine& engine);

// From our layout into the wanted one; with `written`, back.
void reorder(Stream& stream, const Operand& operand, void* from, void* to, bool written);

// A weight in the wanted layout, in memory of its own, used on `stream` only.
std::shared_ptr<const void> reordered(Stream& stream, const Operand& weight, void* data);

// The number of a weight's layout (WeightForms::find). What a transposed convolution calls
// the outputs is what another calls the inputs.
int64_t number_of(dnnl::memory::desc layout, bool transposed);

} // namespace xpu_lite::xpu::onednn
