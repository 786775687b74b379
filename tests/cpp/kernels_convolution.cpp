// Convolutions with packed filters: every implementation that this processor runs,
// against loops in double, for ragged shapes, windows, layouts, dtypes and epilogues.

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/conv/convolution.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/runtime/error.h"

namespace {

namespace conv = xpu_lite::cpu::conv;
namespace gemm = xpu_lite::cpu::gemm;
using conv::Layout;
using conv::Window;
using xpu_lite::cpu::bfloat16;
using xpu_lite::cpu::DType;
using xpu_lite::cpu::dtype_size;
using xpu_lite::cpu::half;

constexpr DType kDTypes[] = {DType::Float, DType::BFloat16, DType::Half};

class Numbers {
 public:
  Numbers(DType dtype, int64_t n, int seed) : dtype_(dtype), bytes_(n * dtype_size(dtype) + 64) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (int64_t i = 0; i < n; ++i) set(i, uniform(engine));
  }
  void* data() { return bytes_.data(); }
  double get(int64_t i) const {
    const char* p = bytes_.data() + i * dtype_size(dtype_);
    if (dtype_ == DType::Float) return *reinterpret_cast<const float*>(p);
    if (dtype_ == DType::BFloat16) return *reinterpret_cast<const bfloat16*>(p);
    return *reinterpret_cast<const half*>(p);
  }
  void set(int64_t i, double x) {
    char* p = bytes_.data() + i * dtype_size(dtype_);
    const float value = static_cast<float>(x);
    if (dtype_ == DType::Float) *reinterpret_cast<float*>(p) = value;
    if (dtype_ == DType::BFloat16) *reinterpret_cast<bfloat16*>(p) = bfloat16(value);
    if (dtype_ == DType::Half) *reinterpret_cast<half*>(p) = half(value);
  }

 private:
  DType dtype_;
  std::vector<char> bytes_;
};

struct Problem {
  DType dtype = DType::Float;
  int64_t batch = 1, channels = 5, height = 9, width = 11, out_channels = 33;
  Window v{3, 1, 1, 1}, h{3, 1, 1, 1};
  Layout in = Layout::ChannelsLast, out = Layout::ChannelsLast;
  DType out_dtype = dtype;
  bool filter_last = false, turned = false; // filter strides: channels last; turned around
  bool bias = false, add = false;
  gemm::Activation activation = gemm::Activation::None;

  static int64_t out_size(int64_t in, const Window& w) {
    return std::max<int64_t>(0, (in + 2 * w.pad - w.dilation * (w.size - 1) - 1) / w.stride + 1);
  }

  std::string text() const {
    std::string s;
    for (int64_t x : {int64_t(dtype), batch, channels, height, width, out_channels, v.size,
                      v.stride, v.pad, v.dilation, h.size, h.stride, h.pad, h.dilation,
                      int64_t(in), int64_t(out)}) {
      s += std::to_string(x) + " ";
    }
    return s;
  }

  void check(const std::string& name) const {
    const int64_t oh = out_size(height, v), ow = out_size(width, h), pixels = oh * ow;
    const int64_t taps = v.size * h.size;
    Numbers x(dtype, batch * channels * height * width, 1);
    Numbers w(dtype, out_channels * channels * taps, 2);
    Numbers y(out_dtype, batch * out_channels * pixels, 3), b(DType::Float, out_channels, 4);
    Numbers more(out_dtype, batch * out_channels * pixels, 5);
    conv::Filter filter{dtype, out_channels, channels, v.size, h.size, w.data(), dtype,
                        {channels * taps, taps, h.size, 1}};
    if (filter_last) {
      filter.strides[1] = 1, filter.strides[2] = h.size * channels, filter.strides[3] = channels;
    }
    int64_t origin = 0;
    if (turned) {
      origin = (v.size - 1) * filter.strides[2] + (h.size - 1) * filter.strides[3];
      filter.data = static_cast<char*>(w.data()) + origin * dtype_size(dtype);
      filter.strides[2] = -filter.strides[2], filter.strides[3] = -filter.strides[3];
    }
    std::vector<char> panels(conv::packed_bytes(filter) + 64, char(0x7f));
    char* packed = panels.data() + (64 - reinterpret_cast<uintptr_t>(panels.data()) % 64);
    conv::pack(filter, packed);
    conv::Convolution c{dtype, batch, channels, height, width, out_channels, oh, ow, v, h,
                        x.data(), in, packed, y.data(), out, out_dtype};
    if (bias) c.epilogue.bias = {b.data(), DType::Float};
    c.epilogue.activation = activation;
    c.epilogue.add_first = true;
    if (add) c.epilogue.add = {more.data(), out_dtype, out_channels};
    conv::convolution_with(name, c);

    const double sum_size = std::sqrt(double(channels * taps)) / 2;
    const double unit = out_dtype == DType::Float ? 2e-6
        : out_dtype == DType::BFloat16            ? 4.1e-3
                                                  : 5.1e-4;
    for (int64_t n = 0; n < batch; ++n) {
      for (int64_t o = 0; o < out_channels; ++o) {
        for (int64_t p = 0; p < pixels; ++p) {
          double sum = bias ? b.get(o) : 0;
          for (int64_t t = 0; t < taps; ++t) {
            const int64_t iy = p / ow * v.stride - v.pad + t / h.size * v.dilation;
            const int64_t ix = p % ow * h.stride - h.pad + t % h.size * h.dilation;
            if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
            for (int64_t i = 0; i < channels; ++i) {
              const int64_t at = in == Layout::ChannelsLast
                  ? ((n * height + iy) * width + ix) * channels + i
                  : ((n * channels + i) * height + iy) * width + ix;
              sum += x.get(at) *
                  w.get(origin + o * filter.strides[0] + i * filter.strides[1] +
                        t / h.size * filter.strides[2] + t % h.size * filter.strides[3]);
            }
          }
          const int64_t at = out == Layout::ChannelsLast
              ? (n * pixels + p) * out_channels + o
              : (n * out_channels + o) * pixels + p;
          if (add) sum += more.get(at);
          if (activation == gemm::Activation::ReLU) sum = std::max(0., sum);
          ASSERT_NEAR(y.get(at), sum, unit * std::max(1., std::abs(sum)) + 6e-6 * sum_size)
              << name << " " << text() << " at " << n << ", " << o << ", " << p;
        }
      }
    }
  }
};

class PackedConvolution : public testing::TestWithParam<std::string> {
 protected:
  std::string name() const { return GetParam(); }
  std::vector<DType> dtypes() const {
    std::vector<DType> all;
    for (DType dtype : kDTypes) {
      if (conv::implementation_serves(name(), dtype)) all.push_back(dtype);
    }
    return all;
  }
  void SetUp() override {
    omp_set_num_threads(1);
    if (dtypes().empty()) GTEST_SKIP() << name() << " is not for this processor";
  }
};

TEST_P(PackedConvolution, RowsOfEveryLength) {
  for (DType dtype : dtypes()) {
    for (int64_t width = 1; width <= 33; ++width) {
      Problem p{dtype};
      p.width = width, p.height = 3, p.channels = 1 + width % 4, p.out_channels = 31 + width % 3;
      p.check(name());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(PackedConvolution, WindowsAndLayouts) {
  for (DType dtype : dtypes()) {
    for (int64_t size : {1, 2, 3, 7}) {
      for (int64_t stride : {1, 2, 3}) {
        for (int64_t pad : {0, 1, 3}) {
          for (int64_t dilation : {1, 2}) {
            for (int layouts = size % 2 ? 0 : 2; layouts < 4; ++layouts) {
              Problem p{dtype};
              constexpr int64_t kChannels[] = {3, 5, 4, 32};
              p.batch = 2, p.channels = kChannels[layouts], p.out_channels = 3;
              p.v = {size, stride, pad, dilation}, p.h = {size, stride, pad, dilation};
              if (Problem::out_size(p.height, p.v) == 0) continue;
              p.in = layouts & 1 ? Layout::ChannelsFirst : Layout::ChannelsLast;
              p.out = layouts & 2 ? Layout::ChannelsFirst : Layout::ChannelsLast;
              p.filter_last = stride == 2, p.turned = pad == 1;
              p.bias = true;
              p.check(name());
              if (HasFatalFailure()) return;
            }
          }
        }
      }
    }
  }
}

TEST_P(PackedConvolution, WindowsThatDifferInTheTwoDirections) {
  for (DType dtype : dtypes()) {
    Problem p{dtype};
    p.channels = 16;
    for (const auto& [v, h] : {std::pair<Window, Window>{{1, 1, 0, 1}, {3, 1, 1, 1}},
                               {{5, 2, 2, 1}, {1, 1, 0, 1}},
                               {{1, 2, 1, 1}, {1, 3, 2, 1}},
                               {{2, 1, 8, 3}, {4, 2, 9, 2}}}) { // rows of padding only
      p.v = v, p.h = h, p.bias = true;
      p.check(name());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(PackedConvolution, EpiloguesAndResultsOfOtherDTypes) {
  for (DType dtype : dtypes()) {
    for (DType out_dtype : kDTypes) {
      for (int64_t size : {1, 3}) {
        Problem p{dtype};
        p.batch = 2, p.out_dtype = out_dtype, p.bias = p.add = true;
        p.v = p.h = {size, 1, size / 2, 1};
        p.activation = gemm::Activation::ReLU;
        p.check(name());
        if (HasFatalFailure()) return;
      }
    }
  }
}

// So many channels that taps are taken in groups, and images that share a band.
TEST_P(PackedConvolution, GroupsOfTapsAndBands) {
  if (name() == "reference") return; // has neither
  for (DType dtype : dtypes()) {
    for (Layout out : {Layout::ChannelsLast, Layout::ChannelsFirst}) {
      Problem p{dtype};
      p.batch = 3, p.channels = dtype == DType::Float ? 700 : 1400, p.out = out;
      p.height = 3, p.width = 4, p.bias = true;
      p.check(name());
      if (HasFatalFailure()) return;
      Problem wide{dtype};
      wide.channels = 64, wide.height = 30, wide.width = 80, wide.out_channels = 8, wide.out = out;
      wide.check(name());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(PackedConvolution, AnyNumberOfThreads) {
  for (DType dtype : dtypes()) {
    for (int threads = 1; threads <= 4; ++threads) {
      omp_set_num_threads(threads);
      Problem p{dtype};
      p.batch = 2, p.channels = 40, p.height = 20, p.width = 15, p.out_channels = 70;
      p.check(name());
      p.v = p.h = {1, 2, 0, 1};
      p.check(name());
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Implementations, PackedConvolution,
                         testing::ValuesIn(conv::implementations()),
                         [](const auto& info) { return info.param; });

// What padding multiplies is zero, not what lies beside it in memory.
TEST(Convolution, NonFiniteValuesReachTheirNeighboursOnly) {
  std::vector<float> x(3 * 8 * 8, 1), w(40 * 3 * 9, 1), y(40 * 64);
  x[(3 * 8 + 4) * 3] = INFINITY;
  const conv::Filter filter{DType::Float, 40, 3, 3, 3, w.data(), DType::Float, {27, 9, 3, 1}};
  std::vector<float> panels(conv::packed_bytes(filter) / 4);
  conv::pack(filter, panels.data());
  conv::convolution({DType::Float, 1, 3, 8, 8, 40, 8, 8, {3, 1, 1, 1}, {3, 1, 1, 1}, x.data(),
                     Layout::ChannelsLast, panels.data(), y.data(), Layout::ChannelsLast,
                     DType::Float});
  for (int64_t p = 0; p < 64; ++p) {
    const bool near = std::abs(p / 8 - 3) <= 1 && std::abs(p % 8 - 4) <= 1;
    for (int64_t o = 0; o < 40; ++o) EXPECT_EQ(std::isfinite(y[p * 40 + o]), !near) << p;
  }
}

TEST(Convolution, BadArgumentsAreRefused) {
  conv::Convolution c{};
  c.dtype = c.output_dtype = DType::Float;
  c.vertical.stride = 0;
  EXPECT_THROW(conv::convolution(c), xpu_lite::ValueError);
  c.vertical.stride = 1;
  c.dtype = DType::Double;
  EXPECT_THROW(conv::convolution(c), xpu_lite::ValueError);
  c.dtype = DType::Float;
  EXPECT_NO_THROW(conv::convolution(c)); // of nothing
  EXPECT_THROW(conv::convolution_with("none", c), xpu_lite::ValueError);
}

} // namespace
