#include "backend/xpu/ops/gemm.h"

#include <algorithm>
#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

bool gemm(Stream& stream, DType type, const GemmArgs& args) {
  switch (type) {
    case DType::F32: case DType::F64: case DType::F16: case DType::BF16:
    case DType::I64: case DType::I32: case DType::I16: case DType::I8: case DType::U8:
    case DType::C64: case DType::C128:
      break;
    default: return false;
  }
  if (args.m == 0 || args.n == 0 || args.batch == 0) return true;
  const Limits& limit = limits(stream.device());
  size_t width = std::min<size_t>(64, limit.max_group_size);
  while (width > limit.sub_group_size && width / 2 >= static_cast<size_t>(args.n)) width /= 2;
  const size_t columns = (args.n + width - 1) / width;
  const size_t rows = (args.m + kGemmRows - 1) / kGemmRows;
  launch(stream, std::string("gemm_") + suffix(type), {columns * rows * args.batch, width}, args);
  return true;
}

} // namespace xpu_lite::xpu
