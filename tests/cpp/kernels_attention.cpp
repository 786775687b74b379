// The blocked attention kernel against the formula, written out in double.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backend/cpu/kernels/attention.h"

namespace cpu = xpu_lite::cpu;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Case {
  int64_t batch, heads, kv_heads, queries, keys, width, value_width;
  bool causal = false, bias = false;
  double dropout = 0;
};

cpu::AttentionView view(std::vector<double>& data, int64_t heads, int64_t rows, int64_t columns) {
  return {data.data(), heads * rows * columns, rows * columns, columns, 1};
}

struct Problem {
  explicit Problem(const Case& c) : c(c) {
    std::mt19937 random(1);
    std::normal_distribution<double> normal;
    auto make = [&](int64_t n) {
      std::vector<double> v(n);
      for (double& x : v) x = normal(random);
      return v;
    };
    q = make(c.batch * c.heads * c.queries * c.width);
    k = make(c.batch * c.kv_heads * c.keys * c.width);
    v = make(c.batch * c.kv_heads * c.keys * c.value_width);
    grad = make(c.batch * c.heads * c.queries * c.value_width);
    bias = make(c.queries * c.keys);
    for (int64_t j = 0; j < c.keys; ++j) bias[j] = -kInf; // query 0 sees nothing
    out.resize(grad.size());
    lse.resize(c.batch * c.heads * c.queries);
    gq.resize(q.size());
    gk.resize(k.size());
    gv.resize(v.size());
    gbias.resize(bias.size());
  }

  cpu::AttentionShape shape() const {
    cpu::AttentionShape s;
    s.batch = c.batch, s.heads = c.heads, s.kv_heads = c.kv_heads;
    s.queries = c.queries, s.keys = c.keys, s.width = c.width, s.value_width = c.value_width;
    s.scale = 0.3, s.causal = c.causal, s.dropout = c.dropout, s.seed = 7, s.offset = 12;
    return s;
  }

  void forward() {
    cpu::AttentionForward p;
    p.shape = shape();
    p.query = view(q, c.heads, c.queries, c.width);
    p.key = view(k, c.kv_heads, c.keys, c.width);
    p.value = view(v, c.kv_heads, c.keys, c.value_width);
    if (c.bias) p.bias = {bias.data(), 0, 0, c.keys, 1};
    p.out = view(out, c.heads, c.queries, c.value_width);
    p.logsumexp = lse.data();
    ASSERT_TRUE(cpu::attention_forward(p, cpu::AttentionType::Double));
  }

  void backward() {
    cpu::AttentionBackward p;
    p.shape = shape();
    p.query = view(q, c.heads, c.queries, c.width);
    p.key = view(k, c.kv_heads, c.keys, c.width);
    p.value = view(v, c.kv_heads, c.keys, c.value_width);
    p.out = view(out, c.heads, c.queries, c.value_width);
    p.grad_out = view(grad, c.heads, c.queries, c.value_width);
    p.logsumexp = lse.data();
    p.grad_query = view(gq, c.heads, c.queries, c.width);
    p.grad_key = view(gk, c.kv_heads, c.keys, c.width);
    p.grad_value = view(gv, c.kv_heads, c.keys, c.value_width);
    if (c.bias) {
      p.bias = {bias.data(), 0, 0, c.keys, 1};
      p.grad_bias = {gbias.data(), 0, 0, c.keys, 1};
      p.bias_queries = c.queries, p.bias_keys = c.keys;
    }
    ASSERT_TRUE(cpu::attention_backward(p, cpu::AttentionType::Double));
  }

  // grad . out, with the kernel's forward: what gradients are checked against.
  double loss() {
    forward();
    double sum = 0;
    for (size_t i = 0; i < out.size(); ++i) sum += out[i] * grad[i];
    return sum;
  }

  Case c;
  std::vector<double> q, k, v, grad, bias, out, lse, gq, gk, gv, gbias;
};

void expect_formula(const Case& c) {
  Problem p(c);
  p.forward();
  const int64_t group = c.heads / c.kv_heads;
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t h = 0; h < c.heads; ++h) {
      for (int64_t i = 0; i < c.queries; ++i) {
        const int64_t kv = b * c.kv_heads + h / group, row = (b * c.heads + h) * c.queries + i;
        std::vector<double> weight(c.keys);
        double most = -kInf, sum = 0;
        for (int64_t j = 0; j < c.keys; ++j) {
          double dot = 0;
          for (int64_t d = 0; d < c.width; ++d) {
            dot += p.q[row * c.width + d] * p.k[(kv * c.keys + j) * c.width + d];
          }
          weight[j] = dot * 0.3 + (c.bias ? p.bias[i * c.keys + j] : 0);
          if (c.causal && j > i) weight[j] = -kInf;
          most = std::max(most, weight[j]);
        }
        for (double& w : weight) sum += w = most == -kInf ? 0 : std::exp(w - most);
        for (int64_t d = 0; d < c.value_width; ++d) {
          double expected = 0;
          for (int64_t j = 0; j < c.keys; ++j) {
            expected += weight[j] * p.v[(kv * c.keys + j) * c.value_width + d];
          }
          if (sum > 0) expected /= sum;
          ASSERT_NEAR(p.out[row * c.value_width + d], expected, 1e-12) << row << " " << d;
        }
        const double lse = sum > 0 ? most + std::log(sum) : kInf;
        if (sum > 0) ASSERT_NEAR(p.lse[row], lse, 1e-12);
        else ASSERT_EQ(p.lse[row], kInf);
      }
    }
  }
}

void expect_gradients(const Case& c) {
  Problem p(c);
  p.forward();
  p.backward();
  std::mt19937 random(2);
  auto check = [&](const char* name, std::vector<double>& input, const std::vector<double>& grad) {
    for (int trial = 0; trial < 6; ++trial) {
      const size_t at = random() % input.size();
      if (!std::isfinite(input[at])) continue;
      const double kept = input[at], step = 1e-5;
      input[at] = kept + step;
      const double above = p.loss();
      input[at] = kept - step;
      const double below = p.loss();
      input[at] = kept;
      EXPECT_NEAR(grad[at], (above - below) / (2 * step), 1e-6) << name << "[" << at << "]";
    }
  };
  check("query", p.q, p.gq);
  check("key", p.k, p.gk);
  check("value", p.v, p.gv);
  if (c.bias) check("bias", p.bias, p.gbias);
}

} // namespace

TEST(Attention, EqualsTheFormula) {
  expect_formula({2, 3, 3, 5, 7, 4, 4});
  expect_formula({1, 2, 2, 200, 300, 33, 17});
  expect_formula({1, 4, 2, 150, 150, 16, 16, true});
  expect_formula({1, 2, 1, 40, 290, 8, 70, true, true});
}

TEST(Attention, GradientsEqualDifferences) {
  expect_gradients({2, 2, 2, 5, 7, 4, 4});
  expect_gradients({1, 4, 2, 90, 150, 9, 5, true, true});
  expect_gradients({1, 2, 2, 90, 140, 9, 5, false, true});
}

// The mask of the backward pass must be that of the forward pass.
TEST(Attention, DropoutGradientsEqualDifferences) {
  expect_gradients({2, 2, 1, 80, 150, 6, 6, false, true, 0.4});
  expect_gradients({1, 1, 1, 150, 150, 6, 6, true, false, 0.1});
}

TEST(Attention, DropoutKeepsTheExpectedShare) {
  Case c{1, 1, 1, 300, 300, 4, 1};
  c.dropout = 0.25;
  Problem p(c);
  std::fill(p.q.begin(), p.q.end(), 0.0); // equal weights: out = kept share / 0.75
  std::fill(p.v.begin(), p.v.end(), 1.0);
  p.forward();
  double mean = 0;
  for (double x : p.out) mean += x / 300;
  EXPECT_NEAR(mean, 1.0, 0.01); // standard error 0.002
}

TEST(Attention, DropoutOfEverythingIsZero) {
  Case c{1, 1, 1, 8, 8, 4, 4};
  c.dropout = 1;
  Problem p(c);
  p.forward();
  for (double x : p.out) EXPECT_EQ(x, 0.0);
}
