#include "backend/aten/ops/byte_pool.h"

#include <ATen/EmptyTensor.h>
#include <ATen/native/Pool.h>
#include <ATen/ops/max_pool2d.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/cpu/kernels/byte_pool.h"

namespace xpu_lite::aten {
namespace {

constexpr const char* kBytePool = "xpu_lite::byte_max_pool2d";

void check_bytes(const at::Tensor& input) {
  TORCH_CHECK(input.dim() == 4 &&
                  (input.scalar_type() == at::kByte || input.scalar_type() == at::kChar),
              "[", kBytePool, "] input must be uint8 or int8 of [batch, channels, height, width], ",
              "got ", input.scalar_type(), " of ", input.sym_sizes());
}

} // namespace

at::Tensor byte_max_pool2d_composed(XPU_LITE_BYTE_POOL_ARGUMENTS) {
  check_bytes(input);
  // Bytes are exact in float, which pools everywhere.
  return at::max_pool2d(input.to(at::kFloat), kernel_size, stride, padding, dilation, ceil_mode)
      .to(input.scalar_type())
      .contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor byte_max_pool2d_host(XPU_LITE_BYTE_POOL_ARGUMENTS) {
  check_bytes(input);
  const auto of = [](at::IntArrayRef list, size_t i) { return list.size() == 1 ? list[0] : list[i]; };
  bool here = is_host_operand(input) && input.numel() > 0 && stream_of(input).runs_inline();
  for (at::IntArrayRef list : {kernel_size, stride, padding, dilation}) {
    here = here && (list.size() == 1 || list.size() == 2);
  }
  cpu::BytePool p;
  int64_t sizes[4] = {input.size(0), input.size(1), 0, 0};
  for (size_t i = 0; here && i < 2; ++i) {
    cpu::BytePool::Window& w = i ? p.horizontal : p.vertical;
    w = {of(kernel_size, i), of(stride, i), of(padding, i), of(dilation, i)};
    // Less padding than half of a window: each sees the image.
    here = w.size >= 1 && w.stride >= 1 && w.dilation >= 1 && w.pad >= 0 && 2 * w.pad <= w.size;
    if (!here) break;
    sizes[2 + i] = at::native::pooling_output_shape<int64_t>(input.size(2 + i), w.size, w.pad,
                                                             w.stride, w.dilation, ceil_mode);
    here = sizes[2 + i] > 0 && (w.dilation == 1 || w.pad == 0);
  }
  if (!here) {
    return byte_max_pool2d_composed(input, kernel_size, stride, padding, dilation, ceil_mode);
  }
  const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor out = at::detail::empty_generic(sizes, device_allocator(),
                                             c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                             x.scalar_type(), at::MemoryFormat::ChannelsLast);
  p.batch = sizes[0], p.channels = sizes[1], p.height = x.size(2), p.width = x.size(3);
  p.out_height = sizes[2], p.out_width = sizes[3];
  p.is_signed = x.scalar_type() == at::kChar;
  p.input = x.const_data_ptr();
  p.output = out.mutable_data_ptr();
  note_route(1, kBytePool);
  KernelSpan span(kBytePool, stream_of(input));
  cpu::byte_max_pool(p);
  return out;
}

} // namespace xpu_lite::aten
