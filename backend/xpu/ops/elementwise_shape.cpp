#include "backend/xpu/ops/elementwise_shape.h"

namespace xpu_lite::xpu {

void coalesce(int& dims, int64_t* size, EwOperand* const* operands, int count) {
  int last = -1;
  for (int d = 0; d < dims; ++d) {
    if (size[d] == 1) continue;
    bool merges = last >= 0;
    for (int k = 0; merges && k < count; ++k) {
      const EwOperand& o = *operands[k];
      merges = o.constant || o.stride[d] == o.stride[last] * size[last];
    }
    if (merges) {
      size[last] *= size[d];
      continue;
    }
    ++last;
    size[last] = size[d];
    for (int k = 0; k < count; ++k) operands[k]->stride[last] = operands[k]->stride[d];
  }
  dims = last + 1;
}

int64_t pack(int dims, const int64_t* size, const EwOperand& like, bool whole, size_t item,
             int64_t* stride) {
  int64_t n = 1;
  for (int d = 0; d < dims; ++d) {
    const bool still = !whole && like.stride[d] == 0;
    stride[d] = still ? 0 : n * static_cast<int64_t>(item);
    if (!still) n *= size[d];
  }
  return n;
}

} // namespace xpu_lite::xpu
