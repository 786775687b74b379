// The elementwise, reduction, unscale and optimizer kernels against plain loops,
// in every type, at sizes around the vector and block lengths.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backend/cpu/kernels/fused_optimizers.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/cpu/multi_tensor.h"

namespace xpu_lite::cpu {
namespace {

template <class T>
struct Type;
template <>
struct Type<float> {
  static constexpr DType dtype = DType::Float;
  static constexpr double tolerance = 1e-6;
};
template <>
struct Type<double> {
  static constexpr DType dtype = DType::Double;
  static constexpr double tolerance = 1e-14;
};
template <>
struct Type<bfloat16> {
  static constexpr DType dtype = DType::BFloat16;
  static constexpr double tolerance = 1.0 / 256;
};
template <>
struct Type<half> {
  static constexpr DType dtype = DType::Half;
  static constexpr double tolerance = 1.0 / 2048;
};

template <class T>
T make(double value) {
  return T(static_cast<accumulate_t<T>>(value));
}
template <class T>
double value(T x) {
  return static_cast<double>(static_cast<accumulate_t<T>>(x));
}

template <class T>
std::vector<T> numbers(int64_t n, int seed) {
  std::vector<T> out(n);
  uint32_t state = 12345u + seed;
  for (T& x : out) {
    state = state * 1664525u + 1013904223u;
    x = make<T>(0.25 + (state >> 8) / double(1 << 24) * (seed % 2 ? 2 : -2));
  }
  return out;
}

const int64_t kSizes[] = {0, 1, 7, 8, 15, 33, 1023, 1024, 1025, 4099};

template <class T>
class Elementwise : public ::testing::Test {};
using Types = ::testing::Types<float, double, bfloat16, half>;
TYPED_TEST_SUITE(Elementwise, Types);

struct Case {
  ElementwiseOp op;
  double (*reference)(double, double, double, double);
};
const Case kCases[] = {
    {ElementwiseOp::Add, [](double a, double b, double, double s) { return a + s * b; }},
    {ElementwiseOp::Sub, [](double a, double b, double, double s) { return a - s * b; }},
    {ElementwiseOp::Mul, [](double a, double b, double, double) { return a * b; }},
    {ElementwiseOp::Div, [](double a, double b, double, double) { return a / b; }},
    {ElementwiseOp::Maximum, [](double a, double b, double, double) { return a > b ? a : b; }},
    {ElementwiseOp::AddScalar, [](double a, double, double, double s) { return a + s; }},
    {ElementwiseOp::DivScalar, [](double a, double, double, double s) { return a / s; }},
    {ElementwiseOp::Addcmul,
     [](double a, double b, double c, double s) { return a + s * b * c; }},
    {ElementwiseOp::Addcdiv,
     [](double a, double b, double c, double s) { return a + s * b / c; }},
    {ElementwiseOp::LerpScalar,
     [](double a, double b, double, double s) { return a + s * (b - a); }},
    {ElementwiseOp::Sqrt, [](double a, double, double, double) { return std::sqrt(a); }},
    {ElementwiseOp::Neg, [](double a, double, double, double) { return -a; }},
    {ElementwiseOp::Relu, [](double a, double, double, double) { return a > 0 ? a : 0; }},
    {ElementwiseOp::Frac, [](double a, double, double, double) { return a - std::trunc(a); }},
};

TYPED_TEST(Elementwise, MatchesPlainLoop) {
  using T = TypeParam;
  const double s = 0.75;
  for (const Case& c : kCases) {
    for (int64_t n : kSizes) {
      for (bool stream : {false, true}) {
        const auto a = numbers<T>(n, 1), b = numbers<T>(n, 3), d = numbers<T>(n, 5);
        std::vector<T> out(n + 1, make<T>(42));
        ASSERT_TRUE(elementwise(c.op, Type<T>::dtype, out.data(), a.data(), b.data(),
                                d.data(), s, n, stream));
        for (int64_t i = 0; i < n; ++i) {
          const double want = c.reference(value(a[i]), value(b[i]), value(d[i]), s);
          EXPECT_NEAR(value(out[i]), want, Type<T>::tolerance * (1 + 2 * std::abs(want)))
              << "op " << int(c.op) << " n " << n << " i " << i;
        }
        EXPECT_EQ(value(out[n]), 42) << "wrote past the end, n " << n;
      }
    }
  }
}

TYPED_TEST(Elementwise, InPlaceEqualsOutOfPlace) {
  using T = TypeParam;
  for (int64_t n : kSizes) {
    auto a = numbers<T>(n, 1);
    const auto b = numbers<T>(n, 2);
    std::vector<T> out(n);
    elementwise(ElementwiseOp::Add, Type<T>::dtype, out.data(), a.data(), b.data(), nullptr,
                2, n, false);
    elementwise(ElementwiseOp::Add, Type<T>::dtype, a.data(), a.data(), b.data(), nullptr, 2,
                n, false);
    for (int64_t i = 0; i < n; ++i) EXPECT_EQ(value(a[i]), value(out[i]));
  }
}

TYPED_TEST(Elementwise, ExtremaAndReluPropagateNan) {
  using T = TypeParam;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<T> a = {make<T>(nan), make<T>(1), make<T>(2)};
  const std::vector<T> b = {make<T>(1), make<T>(nan), make<T>(3)};
  std::vector<T> out(3);
  for (ElementwiseOp op : {ElementwiseOp::Maximum, ElementwiseOp::Minimum}) {
    elementwise(op, Type<T>::dtype, out.data(), a.data(), b.data(), nullptr, 0, 3, false);
    EXPECT_TRUE(std::isnan(value(out[0])) && std::isnan(value(out[1])));
  }
  EXPECT_EQ(value(out[2]), 2);
  elementwise(ElementwiseOp::Relu, Type<T>::dtype, out.data(), a.data(), nullptr, nullptr, 0,
              3, false);
  EXPECT_TRUE(std::isnan(value(out[0])));
}

TYPED_TEST(Elementwise, Reductions) {
  using T = TypeParam;
  for (int64_t n : kSizes) {
    const auto a = numbers<T>(n, 2);
    double sum = 0, squares = 0, most = -std::numeric_limits<double>::infinity();
    for (T x : a) {
      sum += value(x);
      squares += value(x) * value(x);
      most = std::max(most, value(x));
    }
    const double slack = std::max(1e-6, Type<T>::tolerance * 1e-2) * (n + 1);
    EXPECT_NEAR(reduce_range(ReduceOp::Sum, Type<T>::dtype, a.data(), n), sum, slack);
    EXPECT_NEAR(reduce_range(ReduceOp::SumSquares, Type<T>::dtype, a.data(), n), squares,
                slack);
    EXPECT_EQ(reduce_range(ReduceOp::Max, Type<T>::dtype, a.data(), n), most);
  }
  auto bad = numbers<T>(2000, 2);
  bad[1500] = make<T>(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(std::isnan(reduce_range(ReduceOp::Max, Type<T>::dtype, bad.data(), 2000)));
  EXPECT_TRUE(std::isnan(reduce_range(ReduceOp::AbsMax, Type<T>::dtype, bad.data(), 2000)));
}

TYPED_TEST(Elementwise, UnscaleFindsWhatIsNotFinite) {
  using T = TypeParam;
  auto a = numbers<T>(1500, 1);
  const auto before = a;
  EXPECT_FALSE(unscale_range(Type<T>::dtype, a.data(), 0.5f, 1500));
  for (int i = 0; i < 1500; ++i) {
    EXPECT_NEAR(value(a[i]), value(before[i]) * 0.5, Type<T>::tolerance);
  }
  for (double poison : {std::numeric_limits<double>::infinity(),
                        -std::numeric_limits<double>::infinity(),
                        std::numeric_limits<double>::quiet_NaN()}) {
    auto b = before;
    b[1499] = make<T>(poison);
    EXPECT_TRUE(unscale_range(Type<T>::dtype, b.data(), 1.0f, 1500));
  }
}

TYPED_TEST(Elementwise, AdamStep) {
  using T = TypeParam;
  const int64_t n = 2500;
  auto p = numbers<T>(n, 1), m = numbers<T>(n, 2), v = numbers<T>(n, 3);
  auto g = numbers<T>(n, 4);
  const auto p0 = p, m0 = m, v0 = v, g0 = g;
  AdamStep step{};
  step.param = {p.data(), Type<T>::dtype};
  step.grad = {g.data(), Type<T>::dtype};
  step.exp_avg = {m.data(), Type<T>::dtype};
  step.exp_avg_sq = {v.data(), Type<T>::dtype};
  step.lr = 0.1;
  step.beta1 = 0.9;
  step.beta2 = 0.99;
  step.eps = 1e-3;
  step.weight_decay = 0.1;
  step.step = 3;
  step.grad_scale = 2;
  adam_step(&step, 0, 100); // in two ranges
  adam_step(&step, 100, n);
  for (int64_t i = 0; i < n; ++i) {
    const double unscaled = value(g0[i]) / 2;
    const double grad = unscaled + 0.1 * value(p0[i]);
    const double first = value(m0[i]) + 0.1 * (grad - value(m0[i]));
    const double second = value(v0[i]) * 0.99 + 0.01 * grad * grad;
    const double denominator = std::sqrt(second) / std::sqrt(1 - std::pow(0.99, 3)) + 1e-3;
    const double want = value(p0[i]) - 0.1 / (1 - std::pow(0.9, 3)) * first / denominator;
    EXPECT_NEAR(value(g[i]), unscaled, Type<T>::tolerance * 2);
    EXPECT_NEAR(value(m[i]), first, Type<T>::tolerance * 4);
    EXPECT_NEAR(value(v[i]), second, Type<T>::tolerance * 4);
    EXPECT_NEAR(value(p[i]), want, Type<T>::tolerance * 4);
  }
}

TYPED_TEST(Elementwise, SgdFirstStepDoesNotReadTheBuffer) {
  using T = TypeParam;
  const int64_t n = 33;
  auto p = numbers<T>(n, 1);
  const auto p0 = p;
  auto g = numbers<T>(n, 2);
  std::vector<T> buffer(n, make<T>(std::numeric_limits<double>::quiet_NaN()));
  SgdStep step{};
  step.param = {p.data(), Type<T>::dtype};
  step.grad = {g.data(), Type<T>::dtype};
  step.momentum_buffer = {buffer.data(), Type<T>::dtype};
  step.lr = 0.5;
  step.momentum = 0.9;
  step.grad_scale = 1;
  step.is_first_step = true;
  sgd_step(&step, 0, n);
  for (int64_t i = 0; i < n; ++i) {
    EXPECT_EQ(value(buffer[i]), value(g[i]));
    EXPECT_NEAR(value(p[i]), value(p0[i]) - 0.5 * value(g[i]), Type<T>::tolerance * 2);
  }
}

TEST(ScalarTypes, RoundToNearestEven) {
  EXPECT_EQ(bfloat16(1.00390625f).bits, 0x3f80); // halfway, down to even
  EXPECT_EQ(bfloat16(1.01171875f).bits, 0x3f82); // halfway, up to even
  EXPECT_TRUE(std::isnan(float(bfloat16(bits_float(0x7f800001u)))));
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    half h;
    h.bits = static_cast<uint16_t>(bits);
    const float wide = h;
    if (!std::isnan(wide)) EXPECT_EQ(half(wide).bits, bits);
  }
}

TEST(Elementwise, Int64HasExactIntegers) {
  const int64_t big = (int64_t{1} << 60) + 1;
  std::vector<int64_t> a(40, big), b(40, 2), out(40);
  EXPECT_TRUE(elementwise(ElementwiseOp::Add, DType::Int64, out.data(), a.data(), b.data(),
                          nullptr, 3, 40, false));
  EXPECT_EQ(out[39], big + 6);
  EXPECT_FALSE(elementwise(ElementwiseOp::Sqrt, DType::Int64, out.data(), a.data(), nullptr,
                           nullptr, 0, 40, false));
}

TEST(MultiTensor, CoversEveryElementOnce) {
  std::vector<int64_t> sizes = {0, 1, 100000, 0, 3, 70001, 0};
  std::vector<std::vector<int>> hits;
  for (int64_t n : sizes) hits.emplace_back(n, 0);
  multi_tensor_for(
      sizes.size(), [&](int64_t i) { return sizes[i]; },
      [&](int64_t i, int64_t first, int64_t last) {
        ASSERT_LT(first, last);
        for (int64_t k = first; k < last; ++k) ++hits[i][k];
      });
  for (const auto& tensor : hits) {
    for (int hit : tensor) ASSERT_EQ(hit, 1);
  }
}

} // namespace
} // namespace xpu_lite::cpu
