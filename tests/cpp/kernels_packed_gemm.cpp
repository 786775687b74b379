// The GEMM for packed weights: every implementation that this processor runs,
// against loops in double, for ragged shapes, strides, dtypes and epilogues.

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/gemm/packed_gemm.h"
#include "backend/cpu/gemm/partition.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/runtime/error.h"

namespace {

namespace gemm = xpu_lite::cpu::gemm;
using gemm::Activation;
using xpu_lite::cpu::bfloat16;
using xpu_lite::cpu::DType;
using xpu_lite::cpu::dtype_size;
using xpu_lite::cpu::half;

constexpr DType kDTypes[] = {DType::Float, DType::BFloat16, DType::Half};

const char* dtype_name(DType dtype) {
  return dtype == DType::Float ? "f32" : dtype == DType::BFloat16 ? "bf16" : "f16";
}

// Numbers of any dtype, read and written as double.
class Array {
 public:
  Array(DType dtype, int64_t n) : dtype_(dtype), bytes_(n * dtype_size(dtype) + 64) {}

  static Array random(DType dtype, int64_t n, int seed) {
    Array out(dtype, n);
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (int64_t i = 0; i < n; ++i) out.set(i, uniform(engine));
    return out;
  }

  void* data() { return bytes_.data(); }
  DType dtype() const { return dtype_; }

  double get(int64_t i) const {
    const char* p = bytes_.data() + i * dtype_size(dtype_);
    if (dtype_ == DType::Float) return *reinterpret_cast<const float*>(p);
    if (dtype_ == DType::BFloat16) return *reinterpret_cast<const bfloat16*>(p);
    return *reinterpret_cast<const half*>(p);
  }
  void set(int64_t i, double x) {
    char* p = bytes_.data() + i * dtype_size(dtype_);
    const float value = static_cast<float>(x);
    if (dtype_ == DType::Float) {
      *reinterpret_cast<float*>(p) = value;
    } else if (dtype_ == DType::BFloat16) {
      *reinterpret_cast<bfloat16*>(p) = bfloat16(value);
    } else {
      *reinterpret_cast<half*>(p) = half(value);
    }
  }

 private:
  DType dtype_;
  std::vector<char> bytes_;
};

std::vector<char> packed(const gemm::Weight& w) {
  // Not zero: what pack() leaves out must not go unnoticed.
  std::vector<char> out(gemm::packed_bytes(w.dtype, w.n, w.k), char(0x7f));
  gemm::pack(w, out.data());
  return out;
}

double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::None: return x;
    case Activation::ReLU: return x < 0 ? 0 : x;
    case Activation::GeluErf: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::GeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::SiLU: return x / (1 + std::exp(-x));
  }
  return x;
}

double tolerance(DType out, double size) {
  const double unit = out == DType::Float ? 2e-6 : out == DType::BFloat16 ? 4.1e-3 : 5.1e-4;
  return unit * std::max(1.0, std::abs(size));
}

struct Shape {
  int64_t m, n, k;
};

// One product in every implementation; operands are wider than they are used.
struct Problem {
  DType dtype, c_dtype, other;
  Shape shape;
  bool weight_by_k = false; // W is [k, n]
  bool a_transposed = false; // a is [k, m]
  int64_t a_extra = 3, c_extra = 5;

  Activation activation = Activation::None;
  bool bias = false, add = false, add_first = false, mul = false, in_place = false;
  int64_t add_rows = 1; // 0: one row of add for all
  float scale = 1, beta = 1;

  void check(const std::string& implementation) {
    const auto [m, n, k] = shape;
    const int64_t lda = (a_transposed ? m : k) + a_extra;
    const int64_t ldc = n + c_extra, ldw = (weight_by_k ? n : k) + 1;
    Array a = Array::random(dtype, (a_transposed ? k : m) * lda, 1);
    Array w = Array::random(dtype, (weight_by_k ? k : n) * ldw, 2);
    Array c = Array::random(c_dtype, m * ldc, 3), before = c;
    Array b = Array::random(other, n, 4);
    Array extra = Array::random(other, m * ldc, 5), factor = Array::random(other, m * ldc, 6);
    const int64_t n_stride = weight_by_k ? 1 : ldw, k_stride = weight_by_k ? ldw : 1;
    const std::vector<char> panels =
        packed({dtype, n, k, w.data(), dtype, n_stride, k_stride});

    gemm::Gemm g{dtype, m, n, k, a.data(), lda, panels.data(), c.data(), ldc, c_dtype};
    g.a_transposed = a_transposed;
    g.epilogue.activation = activation;
    g.epilogue.scale = scale, g.epilogue.beta = beta, g.epilogue.add_first = add_first;
    if (bias) g.epilogue.bias = {b.data(), other};
    if (add) g.epilogue.add = {extra.data(), other, add_rows * ldc};
    if (in_place) g.epilogue.add = {c.data(), c_dtype, ldc};
    if (mul) g.epilogue.mul = {factor.data(), other, ldc};
    gemm::gemm_with(implementation, g);

    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double x = 0;
        for (int64_t p = 0; p < k; ++p) {
          x += a.get(a_transposed ? p * lda + i : i * lda + p) *
               w.get(j * n_stride + p * k_stride);
        }
        const double sum_size = std::sqrt(double(k)) / 2 * std::abs(scale);
        x *= scale;
        if (bias) x += b.get(j);
        const double residual = in_place ? before.get(i * ldc + j)
            : add                        ? extra.get(i * add_rows * ldc + j)
                                         : 0;
        if (add_first) x += beta * residual;
        x = activated(activation, x);
        if (mul) x *= factor.get(i * ldc + j);
        if (!add_first) x += beta * residual;
        const double allowed = tolerance(c_dtype, x) + 3 * tolerance(DType::Float, sum_size);
        ASSERT_NEAR(c.get(i * ldc + j), x, allowed)
            << implementation << " " << dtype_name(dtype) << " -> " << dtype_name(c_dtype) << " "
            << m << "x" << n << "x" << k << " at " << i << ", " << j;
      }
      for (int64_t j = n; j < ldc; ++j) { // what lies between rows is not ours
        ASSERT_EQ(c.get(i * ldc + j), before.get(i * ldc + j));
      }
    }
  }
};

class PackedGemm : public testing::TestWithParam<std::string> {
 protected:
  std::string name() const { return GetParam(); }
  std::vector<DType> dtypes() const {
    std::vector<DType> all;
    for (DType dtype : kDTypes) {
      if (gemm::implementation_serves(name(), dtype)) all.push_back(dtype);
    }
    return all;
  }
  void SetUp() override {
    if (dtypes().empty()) GTEST_SKIP() << name() << " is not for this processor";
  }
};

TEST_P(PackedGemm, RaggedShapes) {
  for (DType dtype : dtypes()) {
    for (int64_t m : {1, 2, 3, 4, 5, 7, 13, 14, 15, 29, 43}) {
      for (int64_t n : {1, 16, 31, 32, 33, 100}) {
        for (int64_t k : {1, 2, 3, 4, 7, 8, 9, 64, 77}) {
          Problem{dtype, dtype, dtype, {m, n, k}}.check(name());
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_P(PackedGemm, WeightsByK) {
  for (DType dtype : dtypes()) {
    for (Shape shape : {Shape{9, 40, 33}, {3, 32, 16}, {1, 65, 7}}) {
      Problem problem{dtype, dtype, dtype, shape};
      problem.weight_by_k = true;
      problem.check(name());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(PackedGemm, TransposedRows) {
  for (DType dtype : dtypes()) {
    for (int64_t m : {1, 3, 15, 16, 17, 40}) {
      for (int64_t k : {1, 2, 15, 16, 17, 31, 33, 70}) {
        Problem problem{dtype, dtype, dtype, {m, 40, k}};
        problem.a_transposed = problem.weight_by_k = true;
        problem.check(name());
        if (HasFatalFailure()) return;
      }
    }
    Problem gradient{dtype, DType::Float, dtype, {150, 33, 3001}};
    gradient.a_transposed = gradient.weight_by_k = gradient.in_place = true;
    gradient.check(name());
  }
}

// A float32 a beside a weight of 16 bits: as if it had been rounded before.
TEST_P(PackedGemm, RoundsFloatRowsAsItReadsThem) {
  for (DType dtype : dtypes()) {
    for (const auto [m, n, k] : {Shape{1, 40, 33}, {15, 32, 64}, {150, 65, 301}, {40, 33, 4098}}) {
      const int64_t lda = k + 3;
      Array a = Array::random(DType::Float, m * lda, 1), rounded(dtype, m * lda);
      for (int64_t i = 0; i < m * lda; ++i) rounded.set(i, a.get(i));
      Array w = Array::random(dtype, n * k, 2), c(DType::Float, m * n), wanted = c;
      const std::vector<char> panels = packed({dtype, n, k, w.data(), dtype, k, 1});
      gemm::Gemm g{dtype, m, n, k, rounded.data(), lda, panels.data(), wanted.data(), n,
                   DType::Float};
      gemm::gemm_with(name(), g);
      g.a = a.data(), g.a_dtype = DType::Float, g.c = c.data();
      gemm::gemm_with(name(), g);
      const double unit = dtype == DType::Float ? 0 : dtype == DType::BFloat16 ? 4e-3 : 5e-4;
      for (int64_t i = 0; i < m * n; ++i) {
        ASSERT_NEAR(c.get(i), wanted.get(i), unit * std::sqrt(double(k)) + 1e-6)
            << name() << " " << dtype_name(dtype) << " " << m << "x" << n << "x" << k;
      }
      g.a_transposed = true;
      if (dtype != DType::Float) EXPECT_THROW(gemm::gemm_with(name(), g), xpu_lite::ValueError);
    }
  }
}

TEST_P(PackedGemm, EveryEpilogueAndDType) {
  for (DType dtype : dtypes()) {
    for (DType c_dtype : kDTypes) {
      for (DType other : kDTypes) {
        for (Activation activation : {Activation::None, Activation::ReLU, Activation::GeluErf,
                                      Activation::GeluTanh, Activation::SiLU}) {
          for (int bits = 0; bits < 32; ++bits) {
            Problem problem{dtype, c_dtype, other, {5, 39, 6}};
            problem.activation = activation;
            problem.bias = bits & 1, problem.add = bits & 2, problem.mul = bits & 4;
            problem.add_first = bits & 8;
            problem.add_rows = bits & 16 ? 0 : 1;
            problem.scale = bits & 1 ? 0.75f : 1.f, problem.beta = bits & 4 ? -2.f : 1.f;
            problem.check(name());
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_P(PackedGemm, AddsToTheResultItself) {
  for (DType dtype : dtypes()) {
    Problem problem{dtype, DType::Float, dtype, {30, 70, 50}};
    problem.in_place = true, problem.beta = 0.5f;
    problem.check(name());
  }
}

// More than one block of rows, of k and of panels; rows that share cache lines' sets
// are staged.
TEST_P(PackedGemm, ManyBlocks) {
  for (DType dtype : dtypes()) {
    for (Problem problem : {Problem{dtype, dtype, dtype, {150, 65, 301}},
                            Problem{dtype, DType::Float, dtype, {300, 40, 2049}},
                            Problem{dtype, dtype, dtype, {131, 97, 4098}},
                            Problem{dtype, dtype, dtype, {33, 64, 2048}}}) {
      if (problem.shape.k == 2048) problem.a_extra = 0;
      problem.bias = problem.add = true;
      problem.check(name());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(PackedGemm, AnyNumberOfThreads) {
  for (DType dtype : dtypes()) {
    for (Shape shape : {Shape{128, 200, 300}, {1, 4000, 700}, {700, 33, 128}, {17, 320, 1500}}) {
      const auto [m, n, k] = shape;
      Array a = Array::random(dtype, m * k, 1), w = Array::random(dtype, n * k, 2);
      const std::vector<char> panels = packed({dtype, n, k, w.data(), dtype, k, 1});
      std::vector<float> first;
      for (int threads = 1; threads <= 4; ++threads) {
        omp_set_num_threads(threads);
        std::vector<float> c(m * n, NAN);
        gemm::gemm_with(name(), {dtype, m, n, k, a.data(), k, panels.data(), c.data(), n,
                                 DType::Float});
        if (threads == 1) first = c;
        // Tiles with few rows keep several sums: another share, another rounding.
        for (size_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], first[i], 2e-4) << threads;
      }
    }
  }
}

TEST_P(PackedGemm, NothingToDo) {
  for (DType dtype : dtypes()) {
    for (Shape shape : {Shape{0, 5, 3}, {5, 0, 3}, {4, 3, 0}, {40, 33, 0}}) {
      Problem problem{dtype, dtype, dtype, shape};
      problem.bias = true; // with k = 0, c is the bias
      problem.check(name());
      if (HasFatalFailure()) return;
    }
  }
}

// Infinities and NaNs of one row or column stay there: padding multiplies zeros.
TEST_P(PackedGemm, NonFiniteValuesStayInTheirRow) {
  for (DType dtype : dtypes()) {
    const int64_t m = 6, n = 35, k = 9;
    Array a = Array::random(dtype, m * k, 1), w = Array::random(dtype, n * k, 2);
    a.set(2 * k + 8, INFINITY);
    w.set(34 * k, NAN);
    const std::vector<char> panels = packed({dtype, n, k, w.data(), dtype, k, 1});
    for (Activation activation : {Activation::None, Activation::ReLU, Activation::GeluErf}) {
      std::vector<float> c(m * n);
      gemm::Gemm g{dtype, m, n, k, a.data(), k, panels.data(), c.data(), n, DType::Float};
      g.epilogue.activation = activation;
      gemm::gemm_with(name(), g);
      for (int64_t i = 0; i < m; ++i) {
        EXPECT_TRUE(std::isnan(c[i * n + 34])) << i;
        for (int64_t j = 0; j < 34 && i != 2; ++j) EXPECT_TRUE(std::isfinite(c[i * n + j]));
      }
      EXPECT_FALSE(std::isfinite(c[2 * n] + c[2 * n + 1] + c[2 * n + 2] + c[2 * n + 3]))
          << gemm::activation_name(activation);
    }
  }
}

TEST_P(PackedGemm, ActivationsOfLargeArguments) {
  for (DType dtype : dtypes()) {
    const int64_t n = 64;
    for (Activation activation : {Activation::ReLU, Activation::GeluErf, Activation::GeluTanh,
                                  Activation::SiLU}) {
      Array a(dtype, 1), w(dtype, n);
      a.set(0, 1);
      for (int64_t j = 0; j < n; ++j) {
        w.set(j, (j - 32) * (j % 3 == 0 ? 0.25 : j % 3 == 1 ? 3 : 100));
      }
      const std::vector<char> panels = packed({dtype, n, 1, w.data(), dtype, 1, 1});
      std::vector<float> c(n);
      gemm::Gemm g{dtype, 1, n, 1, a.data(), 1, panels.data(), c.data(), n, DType::Float};
      g.epilogue.activation = activation;
      gemm::gemm_with(name(), g);
      for (int64_t j = 0; j < n; ++j) {
        const double x = w.get(j);
        EXPECT_NEAR(c[j], activated(activation, x), 2e-6 * std::max(1., std::abs(x)))
            << gemm::activation_name(activation) << " of " << w.get(j);
      }
    }
  }
}

TEST(PackedGemmChoice, TheFirstThatServes) {
  for (DType dtype : kDTypes) {
    for (int64_t m : {1, 1000}) {
      const std::string chosen = gemm::chosen_implementation(dtype, m);
      ASSERT_TRUE(gemm::implementation_serves(chosen, dtype));
      for (const std::string& name : gemm::implementations()) {
        if (name == chosen) break;
        // Tiles are for many rows.
        if (name == "amx" && m == 1) continue;
        EXPECT_FALSE(gemm::implementation_serves(name, dtype)) << name << " is before " << chosen;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Implementations, PackedGemm,
                         testing::ValuesIn(gemm::implementations()),
                         [](const auto& info) { return info.param; });

TEST(PackedGemmWeights, OtherDTypesAreRoundedAsTheyArePacked) {
  for (DType dtype : kDTypes) {
    for (DType from : kDTypes) {
      const int64_t n = 37, k = 11;
      Array w = Array::random(from, n * k, 2), rounded(dtype, n * k);
      for (int64_t i = 0; i < n * k; ++i) rounded.set(i, w.get(i));
      EXPECT_EQ(packed({dtype, n, k, w.data(), from, k, 1}),
                packed({dtype, n, k, rounded.data(), dtype, k, 1}));
    }
  }
}

// Dense along k or n, the other way round, spread in both: always the same panels.
TEST(PackedGemmWeights, StridesDoNotMatter) {
  for (DType dtype : kDTypes) {
    for (DType from : kDTypes) {
      for (int64_t n : {1, 15, 32, 33, 70}) {
        for (int64_t k : {1, 2, 15, 16, 31, 32, 33, 65, 100}) {
          Array by_n = Array::random(from, n * k, 2), by_k(from, n * k), spread(from, 3 * n * k);
          for (int64_t j = 0; j < n; ++j) {
            for (int64_t p = 0; p < k; ++p) {
              by_k.set(p * n + j, by_n.get(j * k + p));
              spread.set(3 * (j * k + p), by_n.get(j * k + p));
            }
          }
          const auto want = packed({dtype, n, k, spread.data(), from, 3 * k, 3});
          ASSERT_EQ(packed({dtype, n, k, by_n.data(), from, k, 1}), want) << n << "x" << k;
          ASSERT_EQ(packed({dtype, n, k, by_k.data(), from, 1, n}), want) << n << "x" << k;
        }
      }
    }
  }
}

TEST(PackedGemmWeights, OneBehindTheOtherIsOneWeight) {
  for (DType dtype : kDTypes) {
    const int64_t k = 45;
    Array w = Array::random(dtype, 128 * k, 2);
    const char* data = static_cast<const char*>(w.data());
    std::vector<char> joined = packed({dtype, 64, k, data, dtype, k, 1});
    for (int64_t row : {64, 96}) {
      const auto more = packed({dtype, 32, k, data + row * k * dtype_size(dtype), dtype, k, 1});
      joined.insert(joined.end(), more.begin(), more.end());
    }
    EXPECT_EQ(joined, packed({dtype, 128, k, data, dtype, k, 1}));
  }
}

TEST(PackedGemmWeights, ALayoutIsWhatItsNameSays) {
  Array w = Array::random(DType::BFloat16, 40 * 3, 2);
  const std::vector<char> panels =
      packed({DType::BFloat16, 40, 3, w.data(), DType::BFloat16, 3, 1});
  constexpr int64_t panel = 32 * 32; // columns by k, rounded up
  ASSERT_EQ(panels.size(), 2u * panel * 2);
  const auto* p = reinterpret_cast<const bfloat16*>(panels.data());
  EXPECT_EQ(double(p[0]), w.get(0));
  EXPECT_EQ(double(p[1]), w.get(1));                // k = 1 of column 0
  EXPECT_EQ(double(p[2]), w.get(3));                // column 1
  EXPECT_EQ(double(p[64]), w.get(2));               // k = 2
  for (int64_t i = 65; i < panel; i += 2) EXPECT_EQ(double(p[i]), 0.); // beyond k
  EXPECT_EQ(double(p[panel]), w.get(32 * 3));       // the second panel
  EXPECT_EQ(double(p[panel + 2 * 8]), 0.);          // beyond n
  EXPECT_STREQ(gemm::layout_name(DType::BFloat16), "bf16_k2n32");
}

TEST(PackedGemmWeights, OtherDTypesAreRefused) {
  EXPECT_FALSE(gemm::serves(DType::Double));
  double w = 0;
  EXPECT_THROW(gemm::pack({DType::Double, 1, 1, &w, DType::Double, 1, 1}, &w),
               xpu_lite::ValueError);
  EXPECT_THROW(gemm::gemm_with("no such", {}), xpu_lite::ValueError);
}

// The largest share is close to the mean for the shapes of transformers.
TEST(PackedGemmPartition, SharesAreEven) {
  for (int threads : {2, 4, 8, 12, 16, 24, 32, 48, 64}) {
    for (Shape s : {Shape{128, 768, 768}, {128, 768, 3072}, {128, 3072, 768}, {128, 2304, 768},
                    {1024, 768, 768}, {1024, 3072, 768}, {1, 4096, 4096}}) {
      const gemm::Grid grid = gemm::thread_grid(DType::Float, s.m, s.n, s.k, threads, 14);
      const int64_t panels = gemm::panels_of(s.n);
      const double rows = std::ceil(double(s.m) / grid.rows);
      const double columns = std::ceil(double(panels) / grid.columns);
      EXPECT_LE(grid.rows * grid.columns, threads);
      const double efficiency = double(s.m) * double(panels) / (rows * columns * threads);
      EXPECT_GT(efficiency, 0.74) << threads << " threads, " << s.m << "x" << s.n << "x" << s.k
                                 << ": " << grid.rows << " by " << grid.columns;
    }
  }
  const gemm::Grid small = gemm::thread_grid(DType::Float, 4, 64, 64, 64, 14);
  EXPECT_EQ(small.rows * small.columns, 1); // too little to share
}

// Results past the caches: more than streams_result() lets through the usual way.
TEST(PackedGemm, LargeResults) {
  for (DType dtype : {DType::Float, DType::BFloat16}) {
    const int64_t k = 6, n = 64, m = (int64_t{17} << 20) / n / dtype_size(dtype) + 5;
    Array a = Array::random(dtype, m * k, 1), w = Array::random(dtype, n * k, 2);
    Array add = Array::random(dtype, m * n, 3);
    const auto aligned = [](std::vector<char>& bytes) {
      return bytes.data() + (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64);
    };
    std::vector<char> panels(gemm::packed_bytes(dtype, n, k) + 64);
    gemm::pack({dtype, n, k, w.data(), dtype, k, 1}, aligned(panels));
    std::vector<char> result(m * n * dtype_size(dtype) + 128), expected = result;
    gemm::Gemm g{dtype, m, n, k, a.data(), k, aligned(panels), aligned(result), n, dtype};
    g.epilogue.add = {add.data(), dtype, n};
    g.epilogue.activation = Activation::ReLU;
    ASSERT_TRUE(gemm::streams_result(g));
    for (const std::string& name : gemm::implementations()) {
      if (name == "reference" || !gemm::implementation_serves(name, dtype)) continue;
      std::fill(result.begin(), result.end(), char(0x7f));
      g.c = aligned(result);
      gemm::gemm_with(name, g);
      g.c = aligned(expected);
      gemm::gemm_with("reference", g);
      int64_t off = 0;
      for (int64_t i = 0; i < m * n; ++i) {
        const auto value = [&](std::vector<char>& bytes) -> double {
          if (dtype == DType::Float) return reinterpret_cast<float*>(aligned(bytes))[i];
          return reinterpret_cast<bfloat16*>(aligned(bytes))[i];
        };
        const double x = value(expected);
        off += !(std::abs(value(result) - x) <= (dtype == DType::Float ? 1e-5 : 8e-3) * (1 + std::abs(x)));
      }
      EXPECT_EQ(off, 0) << name << " " << dtype_name(dtype);
    }
  }
}

TEST(PackedGemmPartition, BlocksFitTheCache) {
  for (int64_t cache : {int64_t{256} << 10, int64_t{1} << 20, int64_t{2} << 20}) {
    for (int64_t rows : {1, 14, 128, 1024}) {
      for (int64_t k : {1, 64, 768, 3072, 20000}) {
        const gemm::Blocks b = gemm::cache_blocks(rows, 24, k, 4, 14, cache);
        const int64_t block_rows = (rows + b.row_blocks - 1) / b.row_blocks;
        EXPECT_LE(block_rows * b.k_block * 4, cache * 5 / 8);
        EXPECT_TRUE(b.k_block == k || b.k_block % 16 == 0);
        if (b.k_block < k) {
          const int64_t sums = b.panel_group * block_rows * 32 * 4;
          EXPECT_LE(sums, std::max<int64_t>(cache / 4, 32 * 4 * 140));
        }
      }
    }
  }
}

} // namespace
