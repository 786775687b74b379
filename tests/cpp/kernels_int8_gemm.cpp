// Every implementation of the int8 product against the reference, and the reference
// against sums in double: ragged shapes, every way of quantising a, every output.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "backend/cpu/gemm/int8_gemm.h"
#include "backend/cpu/kernels/scalar_types.h"

namespace {

using namespace xpu_lite::cpu;
using namespace xpu_lite::cpu::gemm;

struct Data {
  int64_t m, n, k, lda;
  std::vector<int8_t> w;
  std::vector<uint8_t> a8;   // of u8 or s8
  std::vector<float> a32, a_scale, w_scale, bias, add, mul;
  std::vector<bfloat16> a16;
  std::vector<half> ah;
  std::vector<int32_t> a_zero, w_zero;
  std::unique_ptr<char, void (*)(void*)> packed{nullptr, std::free};

  Data(int64_t m, int64_t n, int64_t k, bool extreme) : m(m), n(n), k(k), lda(k + 3) {
    std::mt19937 random(static_cast<uint32_t>(m * 10007 + n * 101 + k));
    std::uniform_int_distribution<int> byte(0, 255);
    std::uniform_real_distribution<float> real(-2, 2);
    // The largest products of one sign are what saturating instructions get wrong.
    for (int64_t i = 0; i < n * k; ++i) w.push_back(static_cast<int8_t>(extreme ? (i / k % 2 ? 127 : -128) : byte(random) - 128));
    for (int64_t i = 0; i < m * lda; ++i) {
      a8.push_back(static_cast<uint8_t>(extreme ? 255 : byte(random)));
      a32.push_back(real(random));
      a16.push_back(a32.back());
      ah.push_back(a32.back());
    }
    for (int64_t i = 0; i < m; ++i) {
      a_scale.push_back(0.01f + 0.001f * static_cast<float>(i % 7));
      a_zero.push_back(byte(random));
    }
    for (int64_t j = 0; j < n; ++j) {
      w_scale.push_back(0.002f + 0.0001f * static_cast<float>(j % 5));
      w_zero.push_back(byte(random) % 16 - 8);
      bias.push_back(real(random));
    }
    for (int64_t i = 0; i < m * n; ++i) add.push_back(real(random)), mul.push_back(real(random));
    const size_t bytes = (int8_packed_bytes(n, k) + 63) / 64 * 64;
    packed.reset(static_cast<char*>(std::aligned_alloc(64, bytes)));
    int8_pack({n, k, w.data(), k, 1}, packed.get());
  }

  Int8Gemm gemm(Int8Input type, Int8Output c_type, void* c) const {
    Int8Gemm g{m, n, k, a8.data(), lda, type, packed.get(), c, n, c_type};
    if (type == Int8Input::Float) g.a = a32.data();
    if (type == Int8Input::BFloat16) g.a = a16.data();
    if (type == Int8Input::Half) g.a = ah.data();
    g.a_scale = a_scale.data();
    g.w_scale = w_scale.data();
    g.c_scale = 0.05f;
    g.c_zero = c_type == Int8Output::U8 ? 128 : -3;
    return g;
  }
};

double value(const void* c, Int8Output type, int64_t i) {
  switch (type) {
    case Int8Output::Float: return static_cast<const float*>(c)[i];
    case Int8Output::BFloat16: return static_cast<const bfloat16*>(c)[i];
    case Int8Output::Half: return static_cast<const half*>(c)[i];
    case Int8Output::U8: return static_cast<const uint8_t*>(c)[i];
    case Int8Output::S8: return static_cast<const int8_t*>(c)[i];
  }
  return 0;
}

// Largest difference allowed to a correct value: rounding in float and in the output.
double allowed(Int8Output type, double want) {
  const double relative = type == Int8Output::BFloat16 ? 8e-3 : type == Int8Output::Half ? 1e-3 : 1e-5;
  return type >= Int8Output::U8 ? 1 : relative * (1 + std::fabs(want));
}

void expect_same(const std::string& name, Int8Gemm g, Int8Output type) {
  std::vector<float> got(static_cast<size_t>(g.m * g.n) + 16, 77.f), want = got;
  g.c = want.data();
  int8_reference(g);
  g.c = got.data();
  int8_gemm_with(name, g);
  int off = 0, by_one = 0;
  for (int64_t i = 0; i < g.m * g.n; ++i) {
    const double x = value(got.data(), type, i), y = value(want.data(), type, i);
    off += !(std::fabs(x - y) <= allowed(type, y));
    by_one += x != y;
  }
  EXPECT_EQ(off, 0) << name << " " << g.m << "x" << g.n << "x" << g.k << " a "
                    << int(g.a_type) << " c " << int(type);
  // A tie may fall the other way, seldom.
  if (type >= Int8Output::U8) { EXPECT_LE(by_one, 2 + g.m * g.n / 100); }
  const size_t bytes = static_cast<size_t>(g.m * g.n) *
      (type == Int8Output::Float ? 4 : type >= Int8Output::U8 ? 1 : 2);
  EXPECT_EQ(std::memcmp(reinterpret_cast<char*>(got.data()) + bytes,
                        reinterpret_cast<char*>(want.data()) + bytes, 64), 0) << "wrote past c";
}

class Int8GemmTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!int8_implementation_serves(GetParam())) {
      GTEST_SKIP() << "this processor has no " << GetParam();
    }
  }
};

TEST_P(Int8GemmTest, RaggedShapes) {
  for (int64_t m : {1, 2, 3, 13, 14, 15, 31, 33}) {
    for (int64_t n : {1, 8, 31, 32, 33, 70}) {
      for (int64_t k : {1, 3, 4, 5, 63, 64, 65, 130}) {
        const Data d(m, n, k, false);
        for (Int8Input type : {Int8Input::U8, Int8Input::S8, Int8Input::Float}) {
          expect_same(GetParam(), d.gemm(type, Int8Output::Float, nullptr), Int8Output::Float);
        }
      }
    }
  }
}

TEST_P(Int8GemmTest, LargestValuesDoNotSaturate) {
  const Data d(5, 40, 300, true);
  for (Int8Input type : {Int8Input::U8, Int8Input::S8}) {
    expect_same(GetParam(), d.gemm(type, Int8Output::Float, nullptr), Int8Output::Float);
  }
}

TEST_P(Int8GemmTest, ScalesAndZeroPoints) {
  const Data d(17, 45, 77, false);
  for (int bits = 0; bits < 8; ++bits) {
    for (Int8Input type : {Int8Input::U8, Int8Input::S8, Int8Input::BFloat16}) {
      Int8Gemm g = d.gemm(type, Int8Output::Float, nullptr);
      if (bits & 1) g.a_zero = d.a_zero.data();
      if (bits & 2) g.a_per_row = true;
      if (bits & 4) g.w_zero = d.w_zero.data();
      expect_same(GetParam(), g, Int8Output::Float);
    }
  }
}

TEST_P(Int8GemmTest, OutputsAndEpilogues) {
  const Data d(18, 67, 96, false);
  for (auto type : {Int8Output::Float, Int8Output::BFloat16, Int8Output::Half, Int8Output::U8, Int8Output::S8}) {
    for (auto which : {Activation::None, Activation::ReLU, Activation::GeluErf, Activation::GeluTanh, Activation::SiLU}) {
      for (int bits = 0; bits < 8; ++bits) {
        Int8Gemm g = d.gemm(Int8Input::U8, type, nullptr);
        g.a_zero = d.a_zero.data();
        g.epilogue.activation = which;
        if (bits & 1) g.epilogue.bias = {d.bias.data(), DType::Float};
        if (bits & 2) g.epilogue.add = {d.add.data(), DType::Float, d.n};
        if (bits & 2) g.epilogue.add_first = bits & 1;
        if (bits & 4) g.epilogue.mul = {d.mul.data(), DType::Float, d.n};
        expect_same(GetParam(), g, type);
      }
    }
  }
}

TEST_P(Int8GemmTest, DynamicQuantisation) {
  const Data d(33, 64, 200, false);
  for (auto type : {Int8Input::Float, Int8Input::BFloat16, Int8Input::Half}) {
    for (bool factors : {false, true}) {
      Int8Gemm g = d.gemm(type, Int8Output::Float, nullptr);
      g.epilogue.bias = {d.bias.data(), DType::Float};
      if (factors) g.a_factor = d.add.data(); // any k numbers
      expect_same(GetParam(), g, Int8Output::Float);
    }
  }
}

TEST_P(Int8GemmTest, StaticQuantisation) {
  const Data d(33, 70, 203, false);
  for (auto type : {Int8Input::Float, Int8Input::BFloat16, Int8Input::Half}) {
    for (bool zeros : {false, true}) {
      Int8Gemm g = d.gemm(type, Int8Output::U8, nullptr);
      g.a_static = true;
      if (zeros) g.a_factor = d.add.data(); // any k numbers
      if (zeros) g.a_zero = d.a_zero.data();
      if (zeros) g.w_zero = d.w_zero.data();
      g.epilogue.bias = {d.bias.data(), DType::Float};
      expect_same(GetParam(), g, Int8Output::U8);
      g.c_type = Int8Output::Float;
      expect_same(GetParam(), g, Int8Output::Float);
    }
  }
}

// Large enough for several threads, both ways of sharing it out.
TEST_P(Int8GemmTest, Threads) {
  for (auto [m, n, k] : {std::array<int64_t, 3>{130, 96, 260}, {1000, 32, 64}, {2, 1024, 512}}) {
    const Data d(m, n, k, false);
    for (Int8Input type : {Int8Input::U8, Int8Input::S8, Int8Input::Float}) {
      Int8Gemm g = d.gemm(type, Int8Output::Float, nullptr);
      g.a_zero = d.a_zero.data();
      expect_same(GetParam(), g, Int8Output::Float);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Int8GemmTest, testing::ValuesIn(int8_implementations()),
                         [](const auto& info) { return info.param; });

// The reference against the float product that quantisation stands for.
TEST(Int8Reference, IsTheProductOfTheDequantisedValues) {
  const Data d(6, 9, 40, false);
  std::vector<float> c(6 * 9);
  Int8Gemm g = d.gemm(Int8Input::U8, Int8Output::Float, c.data());
  g.a_zero = d.a_zero.data();
  g.a_per_row = true;
  g.w_zero = d.w_zero.data();
  int8_reference(g);
  for (int64_t i = 0; i < d.m; ++i) {
    for (int64_t j = 0; j < d.n; ++j) {
      double want = 0;
      for (int64_t p = 0; p < d.k; ++p) {
        want += double(d.a_scale[i]) * (d.a8[i * d.lda + p] - d.a_zero[i]) * d.w_scale[j] *
                (d.w[j * d.k + p] - d.w_zero[j]);
      }
      EXPECT_NEAR(c[i * d.n + j], want, 1e-4 * (1 + std::fabs(want)));
    }
  }
}

TEST(Int8Reference, DynamicQuantisationKeepsTheProduct) {
  const Data d(4, 8, 512, false);
  std::vector<float> c(4 * 8);
  int8_reference(d.gemm(Int8Input::Float, Int8Output::Float, c.data()));
  for (int64_t i = 0; i < d.m; ++i) {
    for (int64_t j = 0; j < d.n; ++j) {
      double want = 0, size = 0;
      for (int64_t p = 0; p < d.k; ++p) {
        const double w = double(d.w_scale[j]) * d.w[j * d.k + p];
        want += d.a32[i * d.lda + p] * w;
        size += w * w;
      }
      // Rounding errors of 4/255/sqrt(12) each, five standard deviations.
      EXPECT_NEAR(c[i * d.n + j], want, 5 * 4. / 255 / 3.46 * std::sqrt(size));
    }
  }
}

} // namespace
