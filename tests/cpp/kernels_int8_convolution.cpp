// int8 convolutions: the reference against loops over the filter itself, and every
// implementation against the reference: windows, layouts, inputs, outputs, what is added.

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/conv/int8_convolution.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/runtime/error.h"

namespace {

namespace conv = xpu_lite::cpu::conv;
namespace gemm = xpu_lite::cpu::gemm;
using conv::Layout;
using conv::Window;
using gemm::Int8Input;
using gemm::Int8Output;
using xpu_lite::cpu::bfloat16;
using xpu_lite::cpu::DType;
using xpu_lite::cpu::half;

struct Problem {
  int64_t batch = 2, channels = 20, height = 6, width = 9, out_channels = 37;
  Window v{3, 1, 1, 1}, h{3, 1, 1, 1};
  Layout layout = Layout::ChannelsLast;
  Int8Input in = Int8Input::U8;
  Int8Output out = Int8Output::Float;
  gemm::Activation activation = gemm::Activation::None;
  bool add = false, filter_last = false;
  Int8Output add_type = Int8Output::U8;

  static int64_t size(int64_t in, const Window& w) {
    return std::max<int64_t>(0, (in + 2 * w.pad - w.dilation * (w.size - 1) - 1) / w.stride + 1);
  }
};

double value(const void* data, Int8Output type, int64_t i) {
  switch (type) {
    case Int8Output::Float: return static_cast<const float*>(data)[i];
    case Int8Output::BFloat16: return static_cast<const bfloat16*>(data)[i];
    case Int8Output::Half: return static_cast<const half*>(data)[i];
    case Int8Output::U8: return static_cast<const uint8_t*>(data)[i];
    case Int8Output::S8: return static_cast<const int8_t*>(data)[i];
  }
  return 0;
}

template <class T>
void put(std::vector<char>& bytes, int64_t i, T x) {
  std::memcpy(bytes.data() + i * static_cast<int64_t>(sizeof(T)), &x, sizeof(T));
}

// The operands of a problem, and its convolution without an output.
struct Operands {
  std::vector<char> input, added;
  std::vector<int8_t> filter;
  std::vector<float> scale, bias;
  std::unique_ptr<char, void (*)(void*)> packed{nullptr, std::free};
  conv::Int8Convolution c{};
  int64_t strides[4];

  explicit Operands(const Problem& p) {
    std::mt19937 random(static_cast<uint32_t>(p.channels * 31 + p.v.size));
    std::uniform_int_distribution<int> byte(0, 255);
    const int64_t taps = p.v.size * p.h.size;
    const int64_t pixels = Problem::size(p.height, p.v) * Problem::size(p.width, p.h);
    const int64_t inputs = p.batch * p.channels * p.height * p.width;
    const int64_t outputs = p.batch * p.out_channels * pixels;
    input.resize(inputs * 4), added.resize(outputs * 4 + 4);
    for (int64_t i = 0; i < inputs; ++i) {
      const int q = byte(random);
      const float real = (static_cast<float>(q) - 100.3f) * 0.02f;
      if (p.in <= Int8Input::S8) put(input, i, static_cast<uint8_t>(q));
      if (p.in == Int8Input::Float) put(input, i, real);
      if (p.in == Int8Input::BFloat16) put(input, i, bfloat16(real));
      if (p.in == Int8Input::Half) put(input, i, half(real));
    }
    for (int64_t i = 0; i < outputs; ++i) {
      const int q = byte(random);
      if (p.add_type >= Int8Output::U8) put(added, i, static_cast<uint8_t>(q));
      if (p.add_type == Int8Output::Float) put(added, i, static_cast<float>(q) * 0.02f - 2);
      if (p.add_type == Int8Output::BFloat16) put(added, i, bfloat16(static_cast<float>(q)));
      if (p.add_type == Int8Output::Half) put(added, i, half(static_cast<float>(q)));
    }
    for (int64_t i = 0; i < p.out_channels * p.channels * taps; ++i) {
      filter.push_back(static_cast<int8_t>(byte(random) - 128));
    }
    for (int64_t o = 0; o < p.out_channels; ++o) {
      scale.push_back(0.002f + 0.0001f * static_cast<float>(o % 5));
      bias.push_back(static_cast<float>(byte(random)) * 0.02f - 2);
    }
    strides[0] = p.channels * taps, strides[1] = taps, strides[2] = p.h.size, strides[3] = 1;
    if (p.filter_last) strides[1] = 1, strides[2] = p.h.size * p.channels, strides[3] = p.channels;
    const conv::Int8Filter f{p.out_channels, p.channels, p.v.size, p.h.size, filter.data(),
                             {strides[0], strides[1], strides[2], strides[3]}};
    const size_t bytes = (conv::int8_packed_bytes(f) + 63) / 64 * 64;
    packed.reset(static_cast<char*>(std::aligned_alloc(64, bytes)));
    std::memset(packed.get(), 0x5a, bytes);
    conv::int8_pack(f, packed.get());
    c = {p.batch, p.channels, p.height, p.width, p.out_channels, Problem::size(p.height, p.v),
         Problem::size(p.width, p.h), p.v, p.h, input.data(), p.layout, p.in, 0.02f,
         p.in == Int8Input::S8 ? -17 : 100, packed.get(), scale.data(), nullptr, p.out};
    c.output_scale = 0.11f, c.output_zero = p.out == Int8Output::U8 ? 120 : -4;
    c.bias = {bias.data(), DType::Float};
    c.activation = p.activation;
    if (p.add) c.add = {added.data(), p.add_type, 0.03f, p.add_type == Int8Output::U8 ? 90 : 3};
  }
};

void expect_like_the_reference(const std::string& name, const Problem& p) {
  Operands o(p);
  const int64_t n = p.batch * p.out_channels * o.c.out_height * o.c.out_width;
  std::vector<float> want(static_cast<size_t>(n) + 16, 77.f), got = want;
  o.c.output = want.data();
  conv::int8_reference_convolution(o.c);
  o.c.output = got.data();
  conv::int8_convolution_with(name, o.c);
  const bool quantised = p.out >= Int8Output::U8;
  const double unit = p.out == Int8Output::BFloat16 ? 8e-3 : p.out == Int8Output::Half ? 1e-3 : 1e-5;
  int64_t off = 0, by_one = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double x = value(got.data(), p.out, i), y = value(want.data(), p.out, i);
    off += !(std::abs(x - y) <= (quantised ? 1 : unit * (1 + std::abs(y))));
    by_one += x != y;
  }
  EXPECT_EQ(off, 0) << name << ": " << p.channels << " channels " << p.v.size << "x" << p.h.size
                    << " stride " << p.v.stride << " pad " << p.v.pad << " dilation "
                    << p.v.dilation << " in " << int(p.in) << " out " << int(p.out);
  if (quantised) { EXPECT_LE(by_one, 2 + n / 50); } // ties, seldom
  const size_t bytes = static_cast<size_t>(n) *
      (p.out == Int8Output::Float ? 4 : quantised ? 1 : 2);
  EXPECT_EQ(std::memcmp(reinterpret_cast<char*>(got.data()) + bytes,
                        reinterpret_cast<char*>(want.data()) + bytes, 64), 0) << "wrote past it";
}

TEST(Int8Convolution, TheReferenceIsTheConvolution) {
  for (int64_t channels : {3, 17, 20}) {
    for (int64_t size : {1, 3}) {
      Problem p;
      p.channels = channels, p.v = p.h = {size, 2, 1, 1};
      Operands o(p);
      const int64_t oh = o.c.out_height, ow = o.c.out_width;
      std::vector<float> y(p.batch * p.out_channels * oh * ow);
      o.c.output = y.data();
      conv::int8_reference_convolution(o.c);
      for (size_t i = 0; i < y.size(); ++i) {
        const int64_t channel = i % p.out_channels, pixel = i / p.out_channels;
        const int64_t n = pixel / (oh * ow), row = pixel / ow % oh, column = pixel % ow;
        double sum = 0;
        for (int64_t t = 0; t < size * size; ++t) {
          const int64_t iy = row * 2 - 1 + t / size, ix = column * 2 - 1 + t % size;
          if (iy < 0 || iy >= p.height || ix < 0 || ix >= p.width) continue;
          for (int64_t k = 0; k < channels; ++k) {
            const auto q = static_cast<uint8_t>(
                o.input[((n * p.height + iy) * p.width + ix) * channels + k]);
            sum += (q - 100) * o.filter[channel * o.strides[0] + k * o.strides[1] + t];
          }
        }
        const double real = sum * 0.02f * o.scale[channel] + o.bias[channel];
        ASSERT_NEAR(y[i], real, 1e-4) << channels << " " << size << " at " << i;
      }
    }
  }
}

class Int8Convolutions : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    omp_set_num_threads(1);
    if (!conv::int8_implementation_serves(GetParam())) {
      GTEST_SKIP() << "this processor has no " << GetParam();
    }
  }
};

TEST_P(Int8Convolutions, WindowsLayoutsAndInputs) {
  for (const auto& [v, h] : {std::pair<Window, Window>{{1, 1, 0, 1}, {1, 1, 0, 1}},
                             {{1, 2, 0, 1}, {1, 2, 0, 1}},
                             {{3, 1, 1, 1}, {3, 1, 1, 1}},
                             {{3, 2, 1, 2}, {3, 2, 1, 2}},
                             {{5, 2, 7, 1}, {1, 1, 1, 1}},
                             {{1, 1, 0, 1}, {4, 3, 2, 1}},
                             {{2, 1, 8, 3}, {3, 1, 1, 1}}}) {
    for (int64_t channels : {1, 3, 4, 15, 18, 20, 64}) {
      for (Int8Input in : {Int8Input::U8, Int8Input::S8, Int8Input::Float}) {
        for (Layout layout : {Layout::ChannelsLast, Layout::ChannelsFirst}) {
          Problem p;
          p.v = v, p.h = h, p.channels = channels, p.in = in, p.layout = layout;
          p.filter_last = channels % 2 == 0, p.out_channels = 33;
          expect_like_the_reference(GetParam(), p);
        }
      }
    }
  }
}

TEST_P(Int8Convolutions, RowsOfEveryLength) {
  for (int64_t width = 1; width <= 34; ++width) {
    Problem p;
    p.batch = 1, p.width = width, p.height = 3, p.out_channels = 31 + width % 3;
    expect_like_the_reference(GetParam(), p);
    p.v = p.h = {1, 1, 0, 1};
    expect_like_the_reference(GetParam(), p);
  }
}

TEST_P(Int8Convolutions, WhatFollows) {
  using gemm::Activation;
  for (Int8Output out : {Int8Output::Float, Int8Output::BFloat16, Int8Output::Half,
                         Int8Output::U8, Int8Output::S8}) {
    for (Activation activation : {Activation::None, Activation::ReLU, Activation::GeluErf,
                                  Activation::GeluTanh, Activation::SiLU}) {
      for (Int8Output added : {Int8Output::Float, Int8Output::BFloat16, Int8Output::Half,
                               Int8Output::U8, Int8Output::S8}) {
        Problem p;
        p.in = out == Int8Output::Half ? Int8Input::Half : Int8Input::BFloat16;
        p.batch = 1, p.out = out, p.activation = activation, p.add = true, p.add_type = added;
        p.v = p.h = {1, 1, 0, 1};
        expect_like_the_reference(GetParam(), p);
      }
    }
  }
}

TEST_P(Int8Convolutions, BandsAndThreads) {
  if (GetParam() == "reference") return; // has neither
  for (int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    for (int64_t size : {1, 3}) {
      Problem p;
      p.batch = 3, p.channels = 256, p.height = 24, p.width = 40, p.out_channels = 40;
      p.v = p.h = {size, 1, size / 2, 1};
      p.out = Int8Output::U8;
      expect_like_the_reference(GetParam(), p);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Implementations, Int8Convolutions,
                         testing::ValuesIn(conv::int8_implementations()),
                         [](const auto& info) { return info.param; });

TEST(Int8Convolution, BadArgumentsAreRefused) {
  conv::Int8Convolution c{};
  c.vertical.stride = 0;
  EXPECT_THROW(conv::int8_convolution(c), xpu_lite::ValueError);
  c.vertical.stride = 1;
  c.input_zero = 256;
  EXPECT_THROW(conv::int8_convolution(c), xpu_lite::ValueError);
  c.input_zero = 0;
  EXPECT_NO_THROW(conv::int8_convolution(c)); // of nothing
  EXPECT_THROW(conv::int8_convolution_with("none", c), xpu_lite::ValueError);
}

} // namespace
