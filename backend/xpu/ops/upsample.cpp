#include "backend/xpu/ops/upsample.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "backend/xpu/device_pointer.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/ops/grid.h"

namespace xpu_lite::xpu {

namespace {

bool is_nearest(Resample mode) {
  return mode == Resample::Nearest || mode == Resample::NearestExact;
}

template <class Real>
ResampleAxis<Real> axis_of(const Resampling& how, const PoolShape& shape, int d) {
  const PoolAxis& size = shape.axes[d];
  ResampleAxis<Real> axis{};
  axis.in = size.in;
  axis.out = size.out;
  axis.align_corners = how.align_corners;
  axis.mode = d < 3 - how.dims ? Resample::Identity : how.mode;
  const double given = how.scales[d];
  if (how.align_corners) {
    axis.scale = size.out > 1 ? static_cast<Real>(size.in - 1) / static_cast<Real>(size.out - 1) : 0;
  } else if (given > 0) {
    axis.scale = static_cast<Real>(1.0 / given);
  } else {
    axis.scale = static_cast<Real>(size.in) / static_cast<Real>(size.out);
  }
  switch (axis.mode) {
    case Resample::Linear: axis.taps = 2; break;
    case Resample::Cubic: axis.taps = 4; break;
    case Resample::LinearSmooth:
    case Resample::CubicSmooth: {
      const double half = axis.mode == Resample::LinearSmooth ? 1 : 2;
      const double support = half * std::max(1.0, static_cast<double>(axis.scale));
      axis.taps = static_cast<int32_t>(std::ceil(support)) * 2 + 1;
      break;
    }
    default: axis.taps = 1;
  }
  return axis;
}

// The tables lie one after the other, weights first.
template <class Real>
size_t lay_out(const Resampling& how, const PoolShape& shape, void* tables,
               ResampleAxis<Real>* axes) {
  char* at = static_cast<char*>(tables);
  for (int d = 0; d < 3; ++d) {
    axes[d] = axis_of<Real>(how, shape, d);
    axes[d].weights = reinterpret_cast<Real*>(at);
    at += axes[d].out * axes[d].taps * static_cast<int64_t>(sizeof(Real));
  }
  for (int d = 0; d < 3; ++d) {
    axes[d].first = reinterpret_cast<int32_t*>(at);
    at += axes[d].out * static_cast<int64_t>(sizeof(int32_t));
  }
  return static_cast<size_t>(at - static_cast<char*>(tables));
}

// The elements of both sides; sets `narrow`.
std::pair<int64_t, int64_t> planes_of(PoolShape& shape) {
  int64_t in = shape.batch * shape.channels, out = in;
  for (const PoolAxis& axis : shape.axes) in *= axis.in, out *= axis.out;
  shape.narrow = in < (int64_t{1} << 31) && out < (int64_t{1} << 31);
  return {in, out};
}

template <class Real>
void submit(Stream& stream, const std::string& name, const Resampling& how, void* out,
            const void* in, const PoolShape& shape, int64_t items, void* tables) {
  ResampleTableArgs<Real> table{};
  lay_out<Real>(how, shape, device_pointer(tables), table.axes);
  const int64_t longest =
      std::max({shape.axes[0].out, shape.axes[1].out, shape.axes[2].out});
  launch(stream, std::string("upsample_table_") + (sizeof(Real) == 8 ? "f64" : "f32"),
         grid_for(stream.device(), static_cast<size_t>(longest)), table);
  const auto fill = [&](auto& args) {
    args.out = device_pointer(out);
    args.in = device_pointer(in);
    args.items = items;
    args.shape = shape;
    for (int d = 0; d < 3; ++d) {
      args.axes[d].first = table.axes[d].first;
      args.axes[d].in = table.axes[d].in;
      args.axes[d].out = table.axes[d].out;
      args.axes[d].taps = table.axes[d].taps;
    }
    launch(stream, name, grid_of_each(stream.device(), items), args);
  };
  if (name.find("nearest") != std::string::npos) { // needs no weights
    ResampleArgs<float> args{};
    fill(args);
  } else {
    ResampleArgs<Real> args{};
    for (int d = 0; d < 3; ++d) args.axes[d].weights = table.axes[d].weights;
    fill(args);
  }
}

void run(Stream& stream, const std::string& name, const Resampling& how, DType type, void* out,
         const void* in, const PoolShape& shape, int64_t items, void* tables) {
  if (items == 0) return;
  type == DType::F64 ? submit<double>(stream, name, how, out, in, shape, items, tables)
                     : submit<float>(stream, name, how, out, in, shape, items, tables);
}

} // namespace

size_t resample_bytes(const Resampling& how, DType type, const PoolShape& shape) {
  ResampleAxis<double> wide[3];
  ResampleAxis<float> narrow[3];
  return type == DType::F64 ? lay_out<double>(how, shape, nullptr, wide)
                            : lay_out<float>(how, shape, nullptr, narrow);
}

void resample(Stream& stream, const Resampling& how, DType type, void* out, const void* in,
              PoolShape shape, void* tables) {
  const auto [inputs, outputs] = planes_of(shape);
  static constexpr const char* sizes[] = {"", "u8", "u16", "", "u32", "", "", "", "u64"};
  const std::string name = is_nearest(how.mode)
                               ? std::string("upsample_nearest_") + sizes[size_of(type)]
                               : std::string("upsample_forward_") + suffix(type);
  run(stream, name, how, type, out, in, shape, outputs, tables);
}

void resample_backward(Stream& stream, const Resampling& how, DType type, void* out,
                       const void* in, PoolShape shape, void* tables) {
  const auto [inputs, outputs] = planes_of(shape);
  run(stream, std::string("upsample_backward_") + suffix(type), how, type, out, in, shape,
      inputs, tables);
}

} // namespace xpu_lite::xpu
