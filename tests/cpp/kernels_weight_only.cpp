// Every implementation of the weight-only products against the reference, and the
// reference against the product of the dequantised values.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "backend/cpu/gemm/weight_only.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/runtime/error.h"
#include "tests/cpp/support.h"

namespace {

using namespace xpu_lite::cpu;
using namespace xpu_lite::cpu::gemm;

struct Data {
  int bits;
  int64_t m, n, k, group, groups, lda;
  bool zeros;
  std::vector<int8_t> q;
  std::vector<float> scale, zero, a32, bias, add;
  std::vector<bfloat16> a16;
  std::vector<half> ah;
  std::unique_ptr<char, void (*)(void*)> packed{nullptr, std::free};

  Data(int bits, int64_t m, int64_t n, int64_t k, int64_t group, bool zeros)
      : bits(bits), m(m), n(n), k(k), group(group), groups((k + group - 1) / group), lda(k + 5),
        zeros(zeros) {
    std::mt19937 random(static_cast<uint32_t>(m * 10007 + n * 101 + k));
    std::uniform_int_distribution<int> code(bits == 4 ? -8 : -128, bits == 4 ? 7 : 127);
    std::uniform_real_distribution<float> real(-1, 1);
    for (int64_t i = 0; i < n * k; ++i) q.push_back(static_cast<int8_t>(code(random)));
    for (int64_t i = 0; i < n * groups; ++i) {
      scale.push_back((1 + real(random) / 2) / (bits == 4 ? 8.f : 128.f));
      zero.push_back(real(random) * 3);
    }
    for (int64_t i = 0; i < m * lda; ++i) {
      const bool inside = i % lda < k;
      a32.push_back(inside ? real(random) : NAN);  // what lies beyond k must not be used
      a16.push_back(a32.back());
      ah.push_back(a32.back());
    }
    for (int64_t j = 0; j < n; ++j) bias.push_back(real(random));
    for (int64_t i = 0; i < m * n; ++i) add.push_back(real(random));
    const size_t bytes = (weight_only_bytes(bits, n, k, group, zeros) + 63) / 64 * 64;
    packed.reset(static_cast<char*>(std::aligned_alloc(64, bytes)));
    weight_only_pack({bits, n, k, group, q.data(), scale.data(), zeros ? zero.data() : nullptr},
                     packed.get());
  }

  WeightOnlyGemm gemm(DType a, void* c) const {
    const void* data = a == DType::Float ? (const void*)a32.data()
                       : a == DType::Half ? (const void*)ah.data() : (const void*)a16.data();
    return {bits, m, n, k, group, zeros, data, lda, a, packed.get(), c, n, DType::Float};
  }
};

void expect_same(const std::string& name, WeightOnlyGemm g) {
  std::vector<float> got(static_cast<size_t>(g.m * g.n)), want = got;
  g.c = want.data();
  weight_only_reference(g);
  g.c = got.data();
  weight_only_gemm_with(name, g);
  int off = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    off += !(std::fabs(got[i] - want[i]) <= 2e-5 * (1 + std::sqrt(double(g.k)) + std::fabs(want[i])));
  }
  EXPECT_EQ(off, 0) << name << " int" << g.bits << " " << g.m << "x" << g.n << "x" << g.k
                    << " group " << g.group << " zeros " << g.zeros << " a " << int(g.a_dtype);
}

class WeightOnlyTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!weight_only_serves(GetParam())) GTEST_SKIP() << "this processor has no " << GetParam();
  }
};

TEST_P(WeightOnlyTest, RaggedShapes) {
  for (int bits : {4, 8}) {
    for (int64_t m : {1, 2, 3, 4, 5, 8, 15, 34}) {
      for (int64_t n : {1, 15, 16, 17, 33, 50}) {
        for (int64_t k : {1, 4, 7, 8, 9, 31, 64, 100}) {
          for (DType a : {DType::Float, DType::BFloat16, DType::Half}) {
            expect_same(GetParam(), Data(bits, m, n, k, 32, (m + n + k) % 2).gemm(a, nullptr));
          }
        }
      }
    }
  }
}

TEST_P(WeightOnlyTest, Groups) {
  for (int bits : {4, 8}) {
    for (int64_t group : {8, 16, 32, 64, 128, 1000}) {
      for (bool zeros : {false, true}) {
        for (DType a : {DType::Float, DType::BFloat16}) {
          expect_same(GetParam(), Data(bits, 3, 40, 200, group, zeros).gemm(a, nullptr));
        }
      }
    }
  }
}

TEST_P(WeightOnlyTest, Epilogue) {
  for (int bits : {4, 8}) {
    const Data d(bits, 5, 70, 96, 32, true);
    WeightOnlyGemm g = d.gemm(DType::BFloat16, nullptr);
    g.epilogue.bias = {d.bias.data(), DType::Float};
    g.epilogue.activation = Activation::GeluErf;
    g.epilogue.add = {d.add.data(), DType::Float, d.n};
    expect_same(GetParam(), g);
  }
}

TEST_P(WeightOnlyTest, Threads) {
  for (int bits : {4, 8}) {
    expect_same(GetParam(), Data(bits, 1, 1000, 512, 128, false).gemm(DType::BFloat16, nullptr));
    expect_same(GetParam(), Data(bits, 40, 200, 256, 64, true).gemm(DType::Float, nullptr));
  }
}

INSTANTIATE_TEST_SUITE_P(All, WeightOnlyTest, testing::ValuesIn(weight_only_implementations()),
                         [](const auto& info) { return info.param; });

TEST(WeightOnlyReference, IsTheProductOfTheDequantisedValues) {
  for (int bits : {4, 8}) {
    for (bool zeros : {false, true}) {
      const Data d(bits, 3, 20, 50, 16, zeros);
      std::vector<float> c(3 * 20);
      weight_only_reference(d.gemm(DType::Float, c.data()));
      for (int64_t i = 0; i < d.m; ++i) {
        for (int64_t j = 0; j < d.n; ++j) {
          double want = 0;
          for (int64_t p = 0; p < d.k; ++p) {
            const int64_t g = j * d.groups + p / d.group;
            want += d.a32[i * d.lda + p] * (d.q[j * d.k + p] - (zeros ? d.zero[g] : 0.)) * d.scale[g];
          }
          EXPECT_NEAR(c[i * d.n + j], want, 1e-5 * (1 + std::fabs(want)));
        }
      }
    }
  }
}

TEST(WeightOnlyPack, SaysWhatIsWrong) {
  using xpu_lite::testing::expect_contains;
  using xpu_lite::testing::message_of;
  char out[64];
  expect_contains(message_of<xpu_lite::ValueError>([&] {
    weight_only_pack({3, 1, 8, 8, nullptr, nullptr, nullptr}, out);
  }), "bits must be 4 or 8, not 3");
  expect_contains(message_of<xpu_lite::ValueError>([&] {
    weight_only_pack({4, 1, 64, 12, nullptr, nullptr, nullptr}, out);
  }), "multiple of 8");
}

} // namespace
