#include "backend/xpu/ops/nonzero.h"

#include <algorithm>
#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {
namespace {

// The bits that make an element nonzero: all, but for the signs of floating numbers.
uint64_t mask_of(DType type) {
  switch (type) {
    case DType::F32: return 0x7fffffff;
    case DType::F64: return ~(uint64_t{1} << 63);
    case DType::F16:
    case DType::BF16: return 0x7fff;
    case DType::C64: return 0x7fffffff7fffffff;
    case DType::C128: return ~(uint64_t{1} << 63);
    case DType::C32: return 0x7fff7fff;
    case DType::F8E4M3:
    case DType::F8E5M2: return 0x7f;
    default: return ~uint64_t{0};
  }
}

int64_t pieces_of(int64_t numel) { return (numel + kNonzeroPiece - 1) / kNonzeroPiece; }

Grid grid_of(Stream& stream, int64_t numel) {
  const size_t group = std::min<size_t>(256, limits(stream.device()).max_group_size);
  return grid_for(stream.device(), static_cast<size_t>(pieces_of(numel)) * group, group);
}

} // namespace

int64_t nonzero_counts(int64_t numel) { return pieces_of(numel) + 1; }

void nonzero_count(Stream& stream, DType type, const void* data, int64_t numel,
                   int64_t* counts) {
  launch(stream, "nonzero_count_" + std::to_string(size_of(type)), grid_of(stream, numel),
         NonzeroCountArgs{data, counts, numel, mask_of(type)});
  const size_t group = std::min<size_t>(256, limits(stream.device()).max_group_size);
  launch(stream, "nonzero_scan", Grid{1, group}, NonzeroScanArgs{counts, pieces_of(numel)});
}

void nonzero_write(Stream& stream, DType type, NonzeroWriteArgs args) {
  args.mask = mask_of(type);
  launch(stream, "nonzero_write_" + std::to_string(size_of(type)), grid_of(stream, args.numel),
         args);
}

} // namespace xpu_lite::xpu
