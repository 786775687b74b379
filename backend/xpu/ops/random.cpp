#include "backend/xpu/ops/random.h"

#include <cmath>
#include <string>

#include "backend/cpu/kernels/random_math.h"
#include "backend/xpu/device_pointer.h"
#include "backend/xpu/kernels/dropout_args.h"
#include "backend/xpu/kernels/random_args.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/ops/grid.h"

namespace xpu_lite::xpu {

namespace {

constexpr const char* kDistribution[] = {"uniform",     "normal", "log_normal",
                                         "exponential", "cauchy", "geometric"};

std::string kernel(std::string name, DType type) {
  return name.append("_").append(suffix(type));
}

// Kernels that only store: by size, where one bit pattern serves all types.
const char* bits_suffix(DType type) {
  switch (size_of(type)) {
    case 1: return "u8";
    case 2: return "u16";
    case 4: return "u32";
    default: return "u64";
  }
}
uint64_t bits_of_one(DType type) {
  switch (type) {
    case DType::F16: return 0x3c00;
    case DType::BF16: return 0x3f80;
    case DType::F32: return 0x3f800000;
    case DType::F64: return 0x3ff0000000000000;
    default: return 1;
  }
}

// The last draw that counts as one with probability p, and whether any does.
struct Threshold {
  uint32_t last;
  bool any;
  explicit Threshold(double p) {
    const auto count = static_cast<uint64_t>(std::ceil(p * 4294967296.0));
    last = static_cast<uint32_t>(count - 1);
    any = count != 0;
  }
};

template <class Args>
void run(Stream& stream, const std::string& name, int64_t items, const Args& args) {
  if (items > 0) {
    launch(stream, name, grid_of_each(stream.device(), items), args);
  }
}

// The kernel's parameters in double, before they are narrowed.
struct Parameters {
  double a, b, c;
};

Parameters parameters(Distribution distribution, double a, double b) {
  switch (distribution) {
    case Distribution::Uniform: return {a, b, b - a};
    case Distribution::Exponential: return {1.0 / a, 0, 0};
    case Distribution::Geometric: {
      // p below 2^-53 is no different from 2^-53.
      const double log1m = cpu::log_of(1.0 - a);
      return {1.0 / (log1m < -0x1p-53 ? log1m : -0x1p-53), 0, 0};
    }
    default: return {a, b, 0};
  }
}

template <class Real>
void fill_as(Stream& stream, const std::string& name, void* out, int64_t n, int64_t blocks,
             const PhiloxStream& philox, const Parameters& p) {
  run(stream, name, blocks,
      RandomFillArgs<Real>{device_pointer(out), n, philox, static_cast<Real>(p.a),
                           static_cast<Real>(p.b), static_cast<Real>(p.c)});
}

} // namespace

void random_fill(Stream& stream, Distribution distribution, void* out, DType type, int64_t n,
                 const PhiloxStream& philox, double a, double b) {
  std::string name = std::string("random_") + kDistribution[static_cast<int>(distribution)];
  const Parameters p = parameters(distribution, a, b);
  const bool in_double = type == DType::F64 || distribution == Distribution::LogNormal ||
                         distribution == Distribution::Geometric;
  const bool two = type == DType::F64 || distribution == Distribution::Geometric;
  const int64_t blocks = two ? (n + 1) / 2 : (n + 3) / 4;
  if (in_double && (type == DType::F64 || limits(stream.device()).has_fp64)) {
    if (distribution == Distribution::LogNormal || distribution == Distribution::Geometric) {
      name += "_f64";
    }
    fill_as<double>(stream, kernel(name, type), out, n, blocks, philox, p);
  } else {
    fill_as<float>(stream, kernel(name, type), out, n, blocks, philox, p);
  }
}

void random_integers(Stream& stream, void* out, DType type, int64_t n,
                     const PhiloxStream& philox, uint64_t range, int64_t base) {
  const bool power = range != 0 && (range & (range - 1)) == 0;
  const bool narrow =
      range != 0 && (range <= (1u << 24) || (power && range <= (uint64_t{1} << 32)));
  std::string name = narrow ? "random_integers32_" : "random_integers64_";
  name += is_floating(type) ? suffix(type) : bits_suffix(type);
  run(stream, name, narrow ? (n + 3) / 4 : (n + 1) / 2,
      RandomIntegersArgs{device_pointer(out), n, philox, range, static_cast<uint64_t>(base)});
}

void random_bernoulli(Stream& stream, void* out, DType type, int64_t n,
                      const PhiloxStream& philox, double p) {
  const Threshold threshold(p);
  run(stream, std::string("random_bernoulli_") + bits_suffix(type), (n + 3) / 4,
      BernoulliArgs{device_pointer(out), n, philox, threshold.any ? bits_of_one(type) : 0,
                    threshold.last});
}

void random_bernoulli_each(Stream& stream, void* out, DType type, int64_t n,
                           const PhiloxStream& philox, const void* p, bool p_is_double,
                           const char* op) {
  run(stream,
      std::string("random_bernoulli_each_") + (p_is_double ? "f64_" : "f32_") +
          bits_suffix(type),
      (n + 3) / 4,
      BernoulliEachArgs{device_pointer(out), n, philox, bits_of_one(type), device_pointer(p),
                        kernel_error(stream), op,
                        "Expected p_in >= 0 && p_in <= 1 to be true, but got false."});
}

void random_keys_fill(Stream& stream, Distribution distribution, void* out, DType type,
                      const uint64_t* keys, int64_t count, int64_t each, double a, double b) {
  const std::string name = kernel(
      std::string("random_keys_") + kDistribution[static_cast<int>(distribution)], type);
  const Parameters p = parameters(distribution, a, b);
  if (type == DType::F64) {
    run(stream, name, count * ((each + 1) / 2),
        RandomKeysArgs<double>{device_pointer(out), device_pointer(keys), count, each, p.a, p.b,
                               p.c});
  } else {
    run(stream, name, count * ((each + 3) / 4),
        RandomKeysArgs<float>{device_pointer(out), device_pointer(keys), count, each,
                              static_cast<float>(p.a), static_cast<float>(p.b),
                              static_cast<float>(p.c)});
  }
}

void random_derive_keys(Stream& stream, uint64_t* out, const uint64_t* keys, int64_t count,
                        int64_t splits, uint64_t first) {
  run(stream, "random_derive_keys", count * splits,
      DeriveKeysArgs{device_pointer(out), device_pointer(keys), count, splits, first});
}

void random_dropout_numbers(Stream& stream, float* out, int64_t rows, int64_t width,
                            const PhiloxStream& philox) {
  run(stream, "random_dropout_numbers", rows * ((width + 3) / 4),
      DropoutNumbersArgs{device_pointer(out), rows, width, philox});
}

void dropout_forward(Stream& stream, void* out, uint8_t* mask, const void* in, DType type,
                     int64_t n, const PhiloxStream& philox, double keep, double scale) {
  const Threshold threshold(keep);
  const auto submit = [&](auto factor) {
    run(stream, kernel("dropout_forward", type), (n + 3) / 4,
        DropoutArgs<decltype(factor)>{device_pointer(out), device_pointer(mask),
                                      device_pointer(in), n, philox, threshold.last,
                                      static_cast<uint8_t>(threshold.any), factor});
  };
  type == DType::F64 ? submit(scale) : submit(static_cast<float>(scale));
}

void masked_scale(Stream& stream, void* out, const void* in, const uint8_t* mask, DType type,
                  int64_t n, double scale) {
  const auto submit = [&](auto factor) {
    run(stream, kernel("masked_scale", type), n,
        MaskedScaleArgs<decltype(factor)>{device_pointer(out), device_pointer(in),
                                          device_pointer(mask), n, factor});
  };
  type == DType::F64 ? submit(scale) : submit(static_cast<float>(scale));
}

} // namespace xpu_lite::xpu
