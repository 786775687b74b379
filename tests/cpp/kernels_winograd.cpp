// Winograd's convolution against convolution() and loops in double, for ragged images,
// paddings, layouts, epilogues and numbers of threads.

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <random>
#include <vector>

#include "backend/cpu/conv/winograd.h"
#include "backend/runtime/cpu_features.h"
#include "backend/runtime/error.h"

namespace {

namespace conv = xpu_lite::cpu::conv;
namespace gemm = xpu_lite::cpu::gemm;
using conv::Layout;
using xpu_lite::cpu::DType;

std::vector<float> numbers(int64_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> all(static_cast<size_t>(n));
  for (float& x : all) x = normal(engine);
  return all;
}

// Of n images: pixels x channels to channels x pixels.
std::vector<float> turned_around(const std::vector<float>& from, int64_t n, int64_t pixels,
                                 int64_t channels) {
  std::vector<float> to(from.size());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t j = 0; j < channels; ++j) {
        to[static_cast<size_t>((i * channels + j) * pixels + p)] =
            from[static_cast<size_t>((i * pixels + p) * channels + j)];
      }
    }
  }
  return to;
}

struct Problem {
  int64_t batch = 2, channels = 32, height = 9, width = 11, out_channels = 48;
  int64_t pad_y = 1, pad_x = 1;
  bool filter_last = false, turned = false, bias = false, add = false, add_first = false;
  gemm::Activation activation = gemm::Activation::None;
  Layout input_layout = Layout::ChannelsLast, output_layout = Layout::ChannelsLast;
  int64_t oh() const { return height + 2 * pad_y - 2; }
  int64_t ow() const { return width + 2 * pad_x - 2; }

  struct Errors {
    double winograd = 0, direct = 0;
  };

  conv::Convolution shape() const {
    conv::Convolution c{};
    c.dtype = c.output_dtype = DType::Float;
    c.batch = batch, c.channels = channels, c.height = height, c.width = width;
    c.out_channels = out_channels, c.out_height = oh(), c.out_width = ow();
    c.vertical = {3, 1, pad_y, 1}, c.horizontal = {3, 1, pad_x, 1};
    c.input_layout = input_layout, c.output_layout = output_layout;
    return c;
  }

  Errors run(std::vector<float>* result = nullptr) const {
    const int64_t pixels = oh() * ow(), outputs = batch * pixels * out_channels;
    const auto x = numbers(batch * height * width * channels, 1);
    auto w = numbers(out_channels * channels * 9, 2);
    for (float& v : w) v /= std::sqrt(9.f * channels);
    const auto b = numbers(out_channels, 3), more = numbers(outputs, 4);
    conv::Filter f{DType::Float, out_channels, channels, 3, 3, w.data(), DType::Float,
                   {channels * 9, 9, 3, 1}};
    if (filter_last) f.strides[1] = 1, f.strides[2] = 3 * channels, f.strides[3] = channels;
    int64_t origin = 0;
    if (turned) {
      origin = 2 * f.strides[2] + 2 * f.strides[3];
      f.data = w.data() + origin;
      f.strides[2] = -f.strides[2], f.strides[3] = -f.strides[3];
    }
    std::vector<float> direct_form(conv::packed_bytes(f) / 4);
    std::vector<float> winograd_form(conv::winograd_packed_bytes(f) / 4, NAN);
    conv::pack(f, direct_form.data());
    conv::winograd_pack(f, winograd_form.data());
    std::vector<float> y(static_cast<size_t>(outputs), NAN), z = y;
    conv::Convolution c = shape();
    const auto planes = turned_around(x, batch, height * width, channels);
    c.input = input_layout == Layout::ChannelsLast ? x.data() : planes.data();
    if (bias) c.epilogue.bias = {b.data(), DType::Float};
    if (add) c.epilogue.add = {more.data(), DType::Float, out_channels};
    c.epilogue.add_first = add_first, c.epilogue.activation = activation;
    c.packed = winograd_form.data(), c.output = y.data();
    conv::winograd_convolution(c);
    c.packed = direct_form.data(), c.output = z.data();
    conv::convolution(c);
    if (output_layout == Layout::ChannelsFirst) {
      y = turned_around(y, batch, out_channels, pixels);
      z = turned_around(z, batch, out_channels, pixels);
    }
    Errors errors;
    for (int64_t i = 0; i < outputs; ++i) {
      const int64_t o = i % out_channels, p = i / out_channels % pixels;
      const int64_t n = i / out_channels / pixels;
      double sum = bias ? b[o] : 0;
      for (int64_t t = 0; t < 9; ++t) {
        const int64_t iy = p / ow() - pad_y + t / 3, ix = p % ow() - pad_x + t % 3;
        if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
        for (int64_t j = 0; j < channels; ++j) {
          sum += double(x[((n * height + iy) * width + ix) * channels + j]) *
              double(w[origin + o * f.strides[0] + j * f.strides[1] + t / 3 * f.strides[2] +
                       t % 3 * f.strides[3]]);
        }
      }
      if (add && add_first) sum += more[i];
      if (activation == gemm::Activation::ReLU) sum = std::max(0., sum);
      if (add && !add_first) sum += more[i];
      if (!std::isfinite(y[i])) ADD_FAILURE() << "not written: " << i;
      errors.winograd = std::max(errors.winograd, std::abs(y[i] - sum));
      errors.direct = std::max(errors.direct, std::abs(z[i] - sum));
    }
    if (result) *result = y;
    return errors;
  }
};

class Winograd : public testing::Test {
 protected:
  void SetUp() override {
    if (xpu_lite::isa() < xpu_lite::Isa::Avx512) GTEST_SKIP() << "needs AVX-512";
    omp_set_num_threads(2);
  }
};

constexpr double kBound = 1e-5; // of sums near 1

TEST_F(Winograd, RaggedImagesAndPadding) {
  for (int64_t pad : {0, 1, 2}) {
    for (int64_t size = 3; size <= 10; ++size) {
      Problem p;
      p.channels = 16, p.out_channels = 16, p.height = size, p.width = 13 - size;
      p.pad_y = pad, p.pad_x = 2 - pad, p.filter_last = pad == 1, p.turned = pad == 2;
      EXPECT_LT(p.run().winograd, kBound) << pad << " " << size;
    }
  }
}

TEST_F(Winograd, ChannelsFirst) {
  for (int kind = 1; kind < 4; ++kind) {
    for (int64_t size = 3; size <= 10; ++size) {
      Problem p;
      if (kind & 1) p.input_layout = Layout::ChannelsFirst;
      if (kind & 2) p.output_layout = Layout::ChannelsFirst;
      p.batch = 3, p.height = size, p.width = 2 * size - 3;
      p.pad_y = size % 3, p.pad_x = 2 - size % 3, p.bias = size & 1;
      if (size & 2) p.activation = gemm::Activation::ReLU;
      EXPECT_LT(p.run().winograd, kBound) << kind << " " << size;
    }
  }
}

TEST_F(Winograd, OfTheSameResultsInAnyLayout) {
  Problem p;
  p.batch = 3, p.height = 30, p.width = 21, p.bias = true;
  std::vector<float> last, first;
  p.run(&last);
  p.input_layout = p.output_layout = Layout::ChannelsFirst;
  p.run(&first);
  EXPECT_EQ(last, first);
}

TEST_F(Winograd, Epilogues) {
  for (int kind = 0; kind < 16; ++kind) {
    Problem p;
    p.bias = kind & 1, p.add = kind & 2, p.add_first = kind & 4;
    if (kind & 8) p.activation = gemm::Activation::ReLU;
    EXPECT_LT(p.run().winograd, kBound) << kind;
  }
}

TEST_F(Winograd, ErrorsStayNearThoseOfTheDirectSum) {
  for (int64_t channels : {64, 256}) {
    Problem p;
    p.channels = channels, p.out_channels = 64, p.height = p.width = 14;
    const auto errors = p.run();
    RecordProperty("ratio_" + std::to_string(channels),
                   std::to_string(errors.winograd / errors.direct));
    EXPECT_LT(errors.winograd, 4 * errors.direct) << channels;
  }
}

TEST_F(Winograd, TheSameForAnyNumberOfThreads) {
  Problem p;
  p.batch = 3, p.height = 30, p.width = 21;
  std::vector<float> one, other;
  omp_set_num_threads(1);
  p.run(&one);
  for (int threads : {2, 3, 5}) {
    omp_set_num_threads(threads);
    p.run(&other);
    EXPECT_EQ(one, other) << threads;
  }
}

TEST_F(Winograd, WhatItDoesNotServeIsRefused) {
  const conv::Convolution fine = Problem{}.shape();
  EXPECT_TRUE(conv::winograd_serves(fine));
  std::vector<conv::Convolution> others(6, fine);
  others[0].vertical.stride = 2;
  others[1].horizontal.dilation = 2;
  others[2].channels = 33;
  others[3].dtype = DType::BFloat16;
  others[4].output_layout = Layout::ChannelsFirst, others[4].epilogue.add.data = &fine;
  others[5].epilogue.activation = gemm::Activation::SiLU;
  for (const conv::Convolution& c : others) {
    EXPECT_FALSE(conv::winograd_serves(c));
    EXPECT_FALSE(conv::prefers_winograd(c, false));
    EXPECT_THROW(conv::winograd_convolution(c), xpu_lite::ValueError);
  }
}

} // namespace
