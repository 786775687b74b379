#include "backend/aten/sycl/pad.h"

#include <ATen/native/Padding.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>

#include "backend/aten/sycl/refuse.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/pad.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

// The geometry of `spatial` padded dimensions of a tensor of `sizes`.
xpu::PadArgs geometry(at::IntArrayRef sizes, at::IntArrayRef padding, bool reflect) {
  const auto spatial = static_cast<int64_t>(padding.size() / 2);
  const auto dims = static_cast<int64_t>(sizes.size());
  xpu::PadArgs args{};
  args.planes = 1;
  args.reflect = reflect;
  for (int64_t d = 0; d < dims - spatial; ++d) args.planes *= sizes[d];
  for (int64_t d = 0; d < 3; ++d) {
    const int64_t from_end = 3 - d; // padding starts with the last dimension
    const bool padded = from_end <= spatial;
    const int64_t size = padded ? sizes[dims - from_end] : 1;
    args.before[d] = padded ? padding[2 * (from_end - 1)] : 0;
    args.in_sizes[d] = size;
    args.out_sizes[d] =
        size + args.before[d] + (padded ? padding[2 * (from_end - 1) + 1] : 0);
  }
  return args;
}

void forward(const char* op, const Tensor& self, at::IntArrayRef padding, bool reflect,
             const Tensor& to) {
  refuse_bool(op, self.scalar_type());
  if (to.numel() == 0) return;
  const Tensor from = self.contiguous();
  const Tensor dense =
      to.is_contiguous() ? to : at::empty(to.sizes(), to.options());
  xpu::PadArgs args = geometry(self.sizes(), padding, reflect);
  args.in = in(from);
  args.out = out(dense);
  run(op, self, [&](Stream& stream) { xpu::pad(stream, self.element_size(), args); });
  if (!dense.is_same(to)) to.copy_(dense);
}

void backward(const char* op, const Tensor& grad, const Tensor& self, at::IntArrayRef padding,
              bool reflect, const Tensor& to) {
  if (to.numel() == 0) return;
  xpu::PadArgs args = geometry(self.sizes(), padding, reflect);
  at::DimVector expected(self.sizes());
  for (size_t d = 0; d < padding.size() / 2; ++d)
    expected[expected.size() - 1 - d] += padding[2 * d] + padding[2 * d + 1];
  TORCH_CHECK(grad.sizes().equals(expected), op, ": grad_output of shape ",
              at::IntArrayRef(expected), " expected, got ", grad.sizes());
  if (grad.numel() == 0) {
    to.zero_();
    return;
  }
  const Tensor from = grad.contiguous();
  const Tensor dense =
      to.is_contiguous() ? to : at::empty(to.sizes(), to.options());
  args.in = in(from);
  args.out = out(dense);
  run(op, self, [&](Stream& stream) {
    xpu::pad_backward(stream, dtype_of(op, self.scalar_type()), args);
  });
  if (!dense.is_same(to)) to.copy_(dense);
}

Tensor& backward_out(const char* op, const Tensor& grad, const Tensor& self,
                     at::IntArrayRef padding, bool reflect, Tensor& to) {
  at::native::resize_output(to, self.sizes());
  backward(op, grad, self, padding, reflect, to);
  return to;
}

Tensor gradient_like(const Tensor& self) {
  return at::empty(self.sizes(), self.options(), self.suggest_memory_format());
}

} // namespace

#define XPU_SYCL_PAD(name, reflect)                                                            \
  void structured_##name::impl(const Tensor& self, at::IntArrayRef padding, const Tensor& to) { \
    forward(#name, self, padding, reflect, to);                                                \
  }
#define XPU_SYCL_PAD_BACKWARD(name, reflect)                                         \
  void structured_##name::impl(const Tensor& grad, const Tensor& self,               \
                               at::IntArrayRef padding, const Tensor& to) {          \
    backward(#name, grad, self, padding, reflect, to);                               \
  }
#define XPU_SYCL_PAD_BACKWARD_PLAIN(name, reflect)                                          \
  Tensor& name##_out(const Tensor& grad, const Tensor& self, at::IntArrayRef padding,       \
                     Tensor& to) {                                                          \
    return backward_out(#name, grad, self, padding, reflect, to);                           \
  }                                                                                         \
  Tensor name(const Tensor& grad, const Tensor& self, at::IntArrayRef padding) {            \
    Tensor to = gradient_like(self);                                                        \
    backward(#name, grad, self, padding, reflect, to);                                      \
    return to;                                                                              \
  }
XPU_SYCL_PAD(reflection_pad1d, true)
XPU_SYCL_PAD(reflection_pad3d, true)
XPU_SYCL_PAD(replication_pad1d, false)
XPU_SYCL_PAD(replication_pad2d, false)
XPU_SYCL_PAD(replication_pad3d, false)
XPU_SYCL_PAD_BACKWARD(reflection_pad1d_backward, true)
XPU_SYCL_PAD_BACKWARD(reflection_pad3d_backward, true)
XPU_SYCL_PAD_BACKWARD(replication_pad1d_backward, false)
XPU_SYCL_PAD_BACKWARD_PLAIN(reflection_pad2d_backward, true)
XPU_SYCL_PAD_BACKWARD_PLAIN(replication_pad2d_backward, false)
XPU_SYCL_PAD_BACKWARD_PLAIN(replication_pad3d_backward, false)

Tensor& reflection_pad2d_out(const Tensor& self, at::IntArrayRef padding, Tensor& out) {
  TORCH_CHECK(padding.size() == 4, "padding size is expected to be 4");
  at::native::padding::check_valid_input<2>(self, padding);
  at::DimVector sizes(self.sizes());
  const size_t last = sizes.size() - 1;
  TORCH_CHECK(padding[0] < sizes[last] && padding[1] < sizes[last],
              "Argument #4: Padding size should be less than the corresponding input dimension, "
              "but got: padding (",
              padding[0], ", ", padding[1], ") at dimension ", last, " of input ", self.sizes());
  TORCH_CHECK(padding[2] < sizes[last - 1] && padding[3] < sizes[last - 1],
              "Argument #6: Padding size should be less than the corresponding input dimension, "
              "but got: padding (",
              padding[2], ", ", padding[3], ") at dimension ", last - 1, " of input ",
              self.sizes());
  sizes[last] += padding[0] + padding[1];
  sizes[last - 1] += padding[2] + padding[3];
  TORCH_CHECK(sizes[last] >= 1 || sizes[last - 1] >= 1, "input (", self.sizes(),
              ") is too small. Calculated output H: ", sizes[last - 1], " W: ", sizes[last]);
  at::native::resize_output(out, sizes);
  forward("reflection_pad2d", self, padding, true, out);
  return out;
}

Tensor reflection_pad2d(const Tensor& self, at::IntArrayRef padding) {
  Tensor out = at::empty({0}, self.options());
  reflection_pad2d_out(self, padding, out);
  const auto format = self.suggest_memory_format();
  return self.dim() == 4 ? out.contiguous(format) : out;
}

} // namespace xpu_lite::aten::sycl
