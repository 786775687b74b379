#include "backend/xpu/ops/convolution.h"

#include <algorithm>
#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

bool convolution(Stream& stream, ConvolutionPass pass, DType type, const ConvolutionArgs& args) {
  switch (type) {
    case DType::F32: case DType::F64: case DType::F16: case DType::BF16:
    case DType::I64: case DType::I32: case DType::I16: case DType::I8: case DType::U8:
      break;
    default: return false;
  }
  auto volume = [](const int64_t* size) { return size[0] * size[1] * size[2]; };
  int64_t items = 0;
  const char* name = nullptr;
  switch (pass) {
    case ConvolutionPass::Forward:
      name = "convolution_forward_";
      items = args.batch * args.groups * args.out_channels * volume(args.out_size);
      break;
    case ConvolutionPass::BackwardData:
      name = "convolution_backward_data_";
      items = args.batch * args.groups * args.in_channels * volume(args.in_size);
      break;
    case ConvolutionPass::BackwardWeight:
      name = "convolution_backward_weight_";
      items = args.groups * args.out_channels * args.in_channels * volume(args.kernel);
      break;
  }
  if (items == 0) return true;
  // One item for each element: the kernel does not loop.
  const size_t width = std::min<size_t>(64, limits(stream.device()).max_group_size);
  launch(stream, std::string(name) + suffix(type), {(items + width - 1) / width, width}, args);
  return true;
}

} // namespace xpu_lite::xpu
