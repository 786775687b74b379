// Each implementation of attention against the blocked kernel in double.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backend/cpu/attention/attention.h"
#include "backend/cpu/gemm/packed_gemm.h"
#include "backend/cpu/kernels/scalar_types.h"

namespace cpu = xpu_lite::cpu;
namespace attention = xpu_lite::cpu::attention;
using cpu::AttentionType;

namespace {

struct Case {
  int64_t batch, heads, kv_heads, queries, keys, width, value_width;
  bool causal = false, bias = false;
  double dropout = 0;
};

constexpr Case kCases[] = {
    {2, 3, 3, 128, 128, 64, 64},
    {1, 2, 2, 70, 131, 64, 64, true},
    {1, 2, 2, 65, 200, 33, 47, false, true},
    {2, 8, 2, 45, 150, 32, 32, true},
    {1, 70, 1, 3, 40, 16, 16, true},
    {1, 2, 1, 200, 300, 64, 96, false, true, 0.2},
    {1, 1, 1, 1, 1, 8, 8},
    {2, 4, 4, 129, 129, 80, 80, true, false, 0.1},
    {1, 2, 2, 100, 40, 64, 64, true},
    {1, 2, 2, 40, 300, 64, 64, true},
};
constexpr Case kDecodeCases[] = {
    {1, 8, 2, 1, 1000, 64, 64},          {2, 4, 4, 1, 77, 64, 96},
    {1, 6, 2, 1, 300, 128, 128, false, true}, {1, 3, 1, 2, 511, 32, 32},
    {3, 8, 8, 2, 128, 64, 64, false, true},   {1, 1, 1, 1, 4097, 96, 96},
    {1, 5, 1, 3, 1, 64, 64},             {2, 7, 1, 2, 260, 64, 64, true},
};

template <class T>
std::vector<T> random_values(int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<T> v(n);
  for (T& x : v) x = T(normal(random));
  return v;
}

template <class T>
std::vector<double> widened(const std::vector<T>& v) {
  std::vector<double> out(v.size());
  for (size_t i = 0; i < v.size(); ++i) out[i] = static_cast<double>(static_cast<float>(v[i]));
  return out;
}

// Rows of all heads side by side, as a projection leaves them, or head after head.
template <class T>
cpu::AttentionView view(std::vector<T>& data, int64_t heads, int64_t rows, int64_t columns,
                        bool by_row) {
  if (by_row) return {data.data(), heads * rows * columns, columns, heads * columns, 1};
  return {data.data(), heads * rows * columns, rows * columns, columns, 1};
}

cpu::AttentionShape shape_of(const Case& c) {
  cpu::AttentionShape s;
  s.batch = c.batch, s.heads = c.heads, s.kv_heads = c.kv_heads;
  s.queries = c.queries, s.keys = c.keys, s.width = c.width, s.value_width = c.value_width;
  s.scale = 0.2, s.causal = c.causal, s.dropout = c.dropout, s.seed = 7, s.offset = 12;
  return s;
}

template <class T, class Sum>
struct Problem {
  Problem(const Case& c, bool by_row) : c(c), by_row(by_row) {
    q = random_values<T>(c.batch * c.heads * c.queries * c.width, 1);
    k = random_values<T>(c.batch * c.kv_heads * c.keys * c.width, 2);
    v = random_values<T>(c.batch * c.kv_heads * c.keys * c.value_width, 3);
    grad = random_values<T>(c.batch * c.heads * c.queries * c.value_width, 4);
    bias = random_values<T>(c.queries * c.keys, 5);
    for (int64_t j = 0; j < c.keys; ++j) bias[j] = T(-std::numeric_limits<float>::infinity());
    size();
  }
  template <class Other, class OtherSum>
  explicit Problem(const Problem<Other, OtherSum>& o)
      : c(o.c), by_row(o.by_row), q(widened(o.q)), k(widened(o.k)), v(widened(o.v)),
        grad(widened(o.grad)), bias(widened(o.bias)) {
    size();
  }
  void size() {
    out.resize(grad.size());
    lse.resize(c.batch * c.heads * c.queries);
    gq.resize(q.size()), gk.resize(k.size()), gv.resize(v.size());
  }
  template <class P>
  void inputs(P& p) {
    p.shape = shape_of(c);
    p.query = view(q, c.heads, c.queries, c.width, by_row);
    p.key = view(k, c.kv_heads, c.keys, c.width, by_row);
    p.value = view(v, c.kv_heads, c.keys, c.value_width, by_row);
    if (c.bias) p.bias = {bias.data(), 0, 0, c.keys, 1};
    p.out = view(out, c.heads, c.queries, c.value_width, by_row);
    p.logsumexp = lse.data();
  }
  cpu::AttentionForward forward() {
    cpu::AttentionForward p;
    inputs(p);
    return p;
  }
  cpu::AttentionBackward backward() {
    cpu::AttentionBackward p;
    inputs(p);
    p.grad_out = view(grad, c.heads, c.queries, c.value_width, by_row);
    p.grad_query = view(gq, c.heads, c.queries, c.width, by_row);
    p.grad_key = view(gk, c.kv_heads, c.keys, c.width, by_row);
    p.grad_value = view(gv, c.kv_heads, c.keys, c.value_width, by_row);
    return p;
  }
  Case c;
  bool by_row;
  std::vector<T> q, k, v, grad, bias, out, gq, gk, gv;
  std::vector<Sum> lse;
};

template <class T>
void expect_close(const char* what, const std::vector<T>& got, const std::vector<double>& want,
                  double tolerance) {
  double most = 0.01; // what is small by itself is rounding
  for (double x : want) {
    if (std::isfinite(x)) most = std::max(most, std::abs(x));
  }
  for (size_t i = 0; i < got.size(); ++i) {
    const double x = static_cast<double>(static_cast<float>(got[i]));
    if (std::isinf(want[i])) {
      ASSERT_EQ(x, want[i]) << what << " at " << i;
    } else { // not what a NaN passes
      ASSERT_TRUE(std::abs(x - want[i]) <= tolerance * (most + std::abs(want[i])))
          << what << " at " << i << ": " << x << ", expected " << want[i];
    }
  }
}

template <class T>
constexpr AttentionType type_of() {
  if (std::is_same_v<T, float>) return AttentionType::Float;
  return std::is_same_v<T, cpu::bfloat16> ? AttentionType::BFloat16 : AttentionType::Half;
}
template <class T>
constexpr double tolerance_of() {
  return std::is_same_v<T, float> ? 1e-5 : std::is_same_v<T, cpu::half> ? 2e-3 : 1.2e-2;
}

template <class T>
void check(const std::string& name, const Case& c, bool by_row, bool with_backward) {
  SCOPED_TRACE(name + ", " + std::to_string(c.queries) + " queries, " + std::to_string(c.keys) +
               " keys, width " + std::to_string(c.width));
  Problem<T, float> problem(c, by_row);
  Problem<double, double> exact(problem);
  ASSERT_TRUE(cpu::attention_forward(exact.forward(), AttentionType::Double));
  ASSERT_TRUE(attention::forward_with(name, problem.forward(), type_of<T>()));
  expect_close("out", problem.out, exact.out, tolerance_of<T>());
  expect_close("logsumexp", problem.lse, exact.lse, 1e-5);
  if (!with_backward) return;
  ASSERT_TRUE(cpu::attention_backward(exact.backward(), AttentionType::Double));
  ASSERT_TRUE(attention::backward_with(name, problem.backward(), type_of<T>()));
  expect_close("grad_query", problem.gq, exact.gq, tolerance_of<T>());
  expect_close("grad_key", problem.gk, exact.gk, tolerance_of<T>());
  expect_close("grad_value", problem.gv, exact.gv, tolerance_of<T>());
}

bool pairs_here() {
  return cpu::gemm::implementation_serves("avx512_bf16", cpu::DType::BFloat16);
}

TEST(AttentionList, Float) {
  for (const Case& c : kCases) check<float>("gemm_f32", c, c.batch == 2, true);
}
TEST(AttentionList, BFloat16InPairs) {
  if (!pairs_here()) GTEST_SKIP() << "no AVX512_BF16";
  for (const Case& c : kCases) check<cpu::bfloat16>("gemm_bf16", c, c.batch == 2, true);
}
TEST(AttentionList, SixteenBitsWidened) {
  for (const Case& c : kCases) {
    check<cpu::bfloat16>("gemm_f32", c, c.batch == 2, true);
    check<cpu::half>("gemm_f32", c, c.batch == 2, true);
  }
}
TEST(AttentionList, Decode) {
  for (const Case& c : kDecodeCases) {
    for (bool by_row : {false, true}) {
      check<float>("decode", c, by_row, false);
      check<cpu::bfloat16>("decode", c, by_row, false);
      check<cpu::half>("decode", c, by_row, false);
    }
  }
}
TEST(AttentionList, NansAreKept) {
  for (const Case& c : {kDecodeCases[0], kCases[0]}) {
    Problem<float, float> problem(c, false);
    problem.q[0] = std::numeric_limits<float>::quiet_NaN();
    ASSERT_TRUE(attention::forward(problem.forward(), AttentionType::Float));
    EXPECT_TRUE(std::isnan(problem.out[0]));
    EXPECT_FALSE(std::isnan(problem.out.back()));
  }
}
TEST(AttentionList, RefusesWhatItDoesNotTake) {
  Problem<float, float> problem(kCases[0], false);
  EXPECT_ANY_THROW(attention::forward_with("gemm_bf16", problem.forward(), AttentionType::Float));
  EXPECT_ANY_THROW(attention::forward_with("decode", problem.forward(), AttentionType::Float));
  EXPECT_ANY_THROW(attention::forward_with("nonsense", problem.forward(), AttentionType::Float));
}

} // namespace
