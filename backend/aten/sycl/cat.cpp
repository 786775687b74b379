#include "backend/aten/sycl/cat.h"

#include <ATen/ops/cat.h>

#include "backend/aten/sycl/index_walk.h"

namespace xpu_lite::aten::sycl {

void structured_cat::impl(const at::ITensorListRef& tensors, int64_t dim, int64_t /*valid*/,
                          bool /*all_contiguous*/, bool /*all_same_dtype*/,
                          bool /*all_same_sizes_and_stride*/, at::MemoryFormat /*format*/,
                          const at::Tensor& out) {
  if (out.numel() == 0) return;
  int64_t at = 0;
  for (const at::Tensor& t : tensors) {
    // An empty vector may stand among tensors of any shape.
    if (t.dim() == 1 && t.numel() == 0) continue;
    const int64_t length = t.size(dim);
    if (t.numel()) {
      const at::Tensor to = out.narrow(dim, at, length);
      if (t.scalar_type() == out.scalar_type() && !t.is_conj() && !t.is_neg() &&
          t.device() == out.device() && t.dim() <= xpu::kMaxWalkDims) {
        IndexArgs walk = walk_over("cat", t.sizes());
        set_dst(walk, to);
        set_src(walk, t);
        get_indexed(out, out.element_size(), walk);
      } else {
        to.copy_(t);
      }
    }
    at += length;
  }
}

at::Tensor roll(const at::Tensor& self, at::IntArrayRef shifts, at::IntArrayRef dims) {
  if (dims.size() != 1 || shifts.size() != 1) {
    TORCH_CHECK(!shifts.empty(), "`shifts` required");
    if (dims.empty() && shifts.size() == 1)
      return sycl::roll(self.contiguous().view(-1), shifts, at::IntArrayRef{0}).view(self.sizes());
    TORCH_CHECK(shifts.size() == dims.size(), "shifts and dimensions must align. shifts: ",
                shifts.size(), ", dims:", dims.size());
    at::Tensor rolled = self;
    for (size_t i = 0; i < dims.size(); ++i) rolled = sycl::roll(rolled, shifts[i], dims[i]);
    return rolled;
  }
  if (self.numel() == 0) return self.clone(at::MemoryFormat::Preserve);
  const int64_t dim = dims[0], size = self.size(dim);
  const int64_t shift = ((shifts[0] % size) + size) % size;
  return at::cat({self.narrow(dim, size - shift, shift), self.narrow(dim, 0, size - shift)}, dim);
}

} // namespace xpu_lite::aten::sycl
