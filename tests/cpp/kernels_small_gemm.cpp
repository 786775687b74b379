// The small matrix product against three nested loops in double, for every way
// that its operands may be stored.

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

#include "backend/cpu/kernels/small_gemm.h"

namespace {

using xpu_lite::cpu::SmallGemm;

struct Case {
  int64_t m, n, k;
  bool a_transposed, b_transposed, bias;
};

class SmallGemmTest : public testing::TestWithParam<Case> {};

TEST_P(SmallGemmTest, MatchesTheDefinition) {
  const Case c = GetParam();
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> a(c.m * c.k), b(c.k * c.n), bias(c.n), out(c.m * c.n, -7.f);
  for (auto* v : {&a, &b, &bias}) {
    for (float& x : *v) x = uniform(random);
  }
  SmallGemm g{a.data(), b.data(), out.data(), c.bias ? bias.data() : nullptr, c.m, c.n, c.k,
              c.a_transposed ? 1 : c.k, c.a_transposed ? c.m : 1,
              c.b_transposed ? 1 : c.n, c.b_transposed ? c.k : 1};
  xpu_lite::cpu::small_gemm(g);
  for (int64_t i = 0; i < c.m; ++i) {
    for (int64_t j = 0; j < c.n; ++j) {
      double want = c.bias ? bias[j] : 0;
      for (int64_t p = 0; p < c.k; ++p) {
        want += double(a[i * g.a_row + p * g.a_column]) * b[p * g.b_row + j * g.b_column];
      }
      EXPECT_NEAR(out[i * c.n + j], want, 1e-5) << i << ", " << j;
    }
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (auto [m, n, k] : {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {4, 16, 16}, {16, 16, 16},
                         {8, 64, 64}, {5, 33, 17}, {2, 70, 3}, {9, 31, 40}}) {
    for (int bits = 0; bits < 8; ++bits) {
      const bool at = bits & 1, bt = bits & 2;
      if (at && bt && m != 1 && k != 1) continue; // not offered
      all.push_back({m, n, k, at, bt, (bits & 4) != 0});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Shapes, SmallGemmTest, testing::ValuesIn(cases()));

} // namespace
