// Gradients of filters: every implementation that this processor runs, against sums in
// double, for windows, layouts, dtypes, ragged blocks, and chunks of pixels.

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/conv/weight_gradient.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/runtime/error.h"

namespace {

namespace conv = xpu_lite::cpu::conv;
using conv::Layout;
using conv::Window;
using xpu_lite::cpu::bfloat16;
using xpu_lite::cpu::DType;
using xpu_lite::cpu::half;

constexpr DType kDTypes[] = {DType::Float, DType::BFloat16, DType::Half};

class Values {
 public:
  Values(DType dtype, int64_t n, int seed)
      : dtype_(dtype), bytes_(static_cast<size_t>(n * xpu_lite::cpu::dtype_size(dtype)), 0x7f) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (int64_t i = 0; i < n; ++i) set(i, uniform(engine));
  }
  char* data() { return bytes_.data(); }
  double get(int64_t i) const {
    const char* p = bytes_.data();
    if (dtype_ == DType::Float) return reinterpret_cast<const float*>(p)[i];
    if (dtype_ == DType::BFloat16) return reinterpret_cast<const bfloat16*>(p)[i];
    return reinterpret_cast<const half*>(p)[i];
  }
  void set(int64_t i, float x) {
    char* p = bytes_.data();
    if (dtype_ == DType::Float) reinterpret_cast<float*>(p)[i] = x;
    if (dtype_ == DType::BFloat16) reinterpret_cast<bfloat16*>(p)[i] = bfloat16(x);
    if (dtype_ == DType::Half) reinterpret_cast<half*>(p)[i] = half(x);
  }

 private:
  DType dtype_;
  std::vector<char> bytes_; // exactly as many as there are: sanitizers see what is beyond
};

struct Case {
  DType dtype = DType::Float;
  int64_t batch = 2, channels = 17, height = 7, width = 9, out_channels = 33;
  Window v{3, 1, 1, 1}, h{3, 1, 1, 1};
  Layout in = Layout::ChannelsLast, grad = Layout::ChannelsLast;
  DType result_dtype = DType::Float;
  int order = 0; // of the result: contiguous, channels last, outputs last

  static int64_t out_size(int64_t in, const Window& w) {
    return std::max<int64_t>(0, (in + 2 * w.pad - w.dilation * (w.size - 1) - 1) / w.stride + 1);
  }

  void check(const std::string& name) const {
    const int64_t oh = out_size(height, v), ow = out_size(width, h), taps = v.size * h.size;
    Values x(dtype, batch * channels * height * width, 1);
    Values dy(dtype, batch * out_channels * oh * ow, 2);
    Values dw(result_dtype, out_channels * channels * taps, 3);
    conv::WeightGradient g{dtype, batch, channels, height, width, out_channels, oh, ow, v, h,
                           x.data(), in, dy.data(), grad, dw.data(), result_dtype,
                           {channels * taps, taps, h.size, 1}};
    const int64_t orders[3][4] = {{channels * taps, taps, h.size, 1},
                                  {channels * taps, 1, h.size * channels, channels},
                                  {1, out_channels, h.size * channels * out_channels,
                                   channels * out_channels}};
    std::copy_n(orders[order], 4, g.strides);
    conv::weight_gradient_with(name, g);
    const auto at = [](Layout l, int64_t n, int64_t c, int64_t y, int64_t x, int64_t channels,
                       int64_t height, int64_t width) {
      return l == Layout::ChannelsLast ? ((n * height + y) * width + x) * channels + c
                                       : ((n * channels + c) * height + y) * width + x;
    };
    const double unit = result_dtype == DType::Float ? 2e-6
        : result_dtype == DType::BFloat16            ? 4.1e-3
                                                     : 5.1e-4;
    const double terms = std::sqrt(double(batch * oh * ow) + 1);
    for (int64_t o = 0; o < out_channels; ++o) {
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t t = 0; t < taps; ++t) {
          const int64_t ky = t / h.size, kx = t % h.size;
          double sum = 0;
          for (int64_t n = 0; n < batch; ++n) {
            for (int64_t p = 0; p < oh * ow; ++p) {
              const int64_t iy = p / ow * v.stride - v.pad + ky * v.dilation;
              const int64_t ix = p % ow * h.stride - h.pad + kx * h.dilation;
              if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
              sum += x.get(at(in, n, c, iy, ix, channels, height, width)) *
                  dy.get(at(grad, n, o, p / ow, p % ow, out_channels, oh, ow));
            }
          }
          const double got = dw.get(o * g.strides[0] + c * g.strides[1] + ky * g.strides[2] +
                                    kx * g.strides[3]);
          ASSERT_NEAR(got, sum, unit * std::max(1., std::abs(sum)) + 2e-6 * terms)
              << name << " " << int(dtype) << " o " << o << " c " << c << " tap " << t
              << " of a window of " << v.size << "x" << h.size << ", stride " << v.stride
              << ", padding " << v.pad << ", dilation " << v.dilation << ", layouts " << int(in)
              << int(grad) << ", order " << order << ", channels " << channels << ", " << batch
              << " x " << height << " x " << width;
        }
      }
    }
  }
};

class FilterGradient : public testing::TestWithParam<std::string> {
 protected:
  std::vector<DType> dtypes() const {
    std::vector<DType> all;
    for (DType dtype : kDTypes) {
      if (conv::gradient_implementation_serves(GetParam(), dtype)) all.push_back(dtype);
    }
    return all;
  }
  void SetUp() override {
    omp_set_num_threads(1);
    if (dtypes().empty()) GTEST_SKIP() << GetParam() << " is not for this processor";
  }
};

TEST_P(FilterGradient, WindowsAndLayouts) {
  for (DType dtype : dtypes()) {
    int turn = 0;
    for (int64_t size : {1, 2, 3, 5}) {
      for (int64_t stride : {1, 2, 3}) {
        for (int64_t pad : {0, 1, 3}) {
          for (int64_t dilation : {1, 2}) {
            Case c{dtype};
            c.channels = 3, c.out_channels = 5, c.height = 8 + turn % 2;
            c.v = {size, stride, pad, dilation}, c.h = c.v;
            c.in = turn & 1 ? Layout::ChannelsFirst : Layout::ChannelsLast;
            c.grad = turn & 2 ? Layout::ChannelsFirst : Layout::ChannelsLast;
            c.order = turn++ % 3;
            c.check(GetParam());
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_P(FilterGradient, RowsAndBlocksOfEveryLength) {
  for (DType dtype : dtypes()) {
    for (int64_t n = 1; n <= 34; ++n) {
      Case c{dtype};
      c.batch = 1, c.height = 3, c.width = n, c.channels = n, c.out_channels = 35 - n;
      c.in = n & 1 ? Layout::ChannelsFirst : Layout::ChannelsLast;
      c.grad = n & 2 ? Layout::ChannelsFirst : Layout::ChannelsLast;
      c.order = n % 3;
      c.check(GetParam());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(FilterGradient, WindowsThatDifferInTheTwoDirections) {
  for (DType dtype : dtypes()) {
    for (const auto& [v, h] : {std::pair<Window, Window>{{1, 1, 0, 1}, {3, 1, 1, 1}},
                               {{3, 2, 1, 1}, {1, 1, 0, 1}}, {{1, 2, 3, 1}, {5, 3, 2, 2}},
                               {{4, 1, 0, 2}, {1, 3, 2, 1}}}) {
      for (int layouts = 0; layouts < 4; ++layouts) {
        Case c{dtype};
        c.v = v, c.h = h;
        c.in = layouts & 1 ? Layout::ChannelsFirst : Layout::ChannelsLast;
        c.grad = layouts & 2 ? Layout::ChannelsFirst : Layout::ChannelsLast;
        c.check(GetParam());
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(FilterGradient, OnePixelWindowsAndResultsOfOtherDTypes) {
  for (DType dtype : dtypes()) {
    for (DType result : kDTypes) {
      for (int64_t width : {7, 8}) {
        for (int64_t batch : {1, 3, 4}) {
          Case c{dtype};
          c.batch = batch, c.width = width, c.v = {1, 1, 0, 1}, c.h = {1, 1, 0, 1};
          c.result_dtype = result;
          c.in = batch == 3 ? Layout::ChannelsFirst : Layout::ChannelsLast;
          c.grad = width == 8 ? c.in : Layout::ChannelsLast;
          c.check(GetParam());
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_P(FilterGradient, ChunksOfPixelsAndThreads) {
  if (GetParam() == "reference") GTEST_SKIP() << "has none";
  for (DType dtype : dtypes()) {
    for (int threads : {1, 2, 3}) {
      omp_set_num_threads(threads);
      Case c{dtype};
      c.batch = 3, c.height = 60, c.width = 61, c.channels = 15, c.out_channels = 2;
      c.in = threads == 2 ? Layout::ChannelsFirst : Layout::ChannelsLast;
      c.check(GetParam());
      c = Case{dtype};
      c.channels = 100, c.out_channels = 70, c.height = c.width = 4, c.order = threads % 2;
      c.check(GetParam());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(FilterGradient, OfNothingIsZero) {
  Case c;
  if (!conv::gradient_implementation_serves(GetParam(), c.dtype)) GTEST_SKIP();
  c.batch = 0;
  c.check(GetParam());
  c = Case{};
  c.channels = 0;
  c.check(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Implementations, FilterGradient,
                         testing::ValuesIn(conv::gradient_implementations()),
                         [](const auto& info) { return info.param; });

TEST(FilterGradientChoice, BadWindowsAndNamesAreReported) {
  conv::WeightGradient g{DType::Float, 1, 1, 1, 1, 1, 1, 1, {1, 0, 0, 1}, {}, nullptr, {},
                         nullptr, {}, nullptr, DType::Float, {1, 1, 1, 1}};
  EXPECT_THROW(conv::weight_gradient(g), xpu_lite::ValueError);
  g.vertical.stride = 1;
  EXPECT_THROW(conv::weight_gradient_with("none such", g), xpu_lite::ValueError);
  EXPECT_TRUE(conv::gradient_implementation_serves(
      conv::chosen_gradient_implementation(DType::BFloat16), DType::BFloat16));
}

} // namespace
