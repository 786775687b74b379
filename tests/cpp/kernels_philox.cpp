// Philox4x32-10 against the known answers of Random123, and the numbering of
// Note [Philox layout] against a scalar model of it.

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "backend/cpu/kernels/dropout.h"
#include "backend/cpu/kernels/philox.h"
#include "backend/cpu/kernels/random_fill.h"

namespace xpu_lite::cpu {
namespace {

struct KnownAnswer {
  uint32_t counter[4], key[2], expected[4];
};

// The three "philox4x32 10" lines of Random123's tests/kat_vectors.
const KnownAnswer kAnswers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

TEST(Philox, KnownAnswers) {
  for (const KnownAnswer& answer : kAnswers) {
    uint32_t words[4];
    std::memcpy(words, answer.counter, sizeof(words));
    philox4x32_10(words, answer.key[0], answer.key[1]);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(words[i], answer.expected[i]);
  }
}

// The vectorised kernel meets the same answers: all bits of one block.
TEST(Philox, KnownAnswersThroughTheKernel) {
  const KnownAnswer& answer = kAnswers[2];
  PhiloxStream stream;
  stream.seed = answer.key[0] | uint64_t{answer.key[1]} << 32;
  stream.low = answer.counter[0] | uint64_t{answer.counter[1]} << 32;
  stream.high = answer.counter[2] | uint64_t{answer.counter[3]} << 32;
  uint32_t words[4];
  random_integers(words, RandomType::UInt32, 4, stream, uint64_t{1} << 32, 0);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(words[i], answer.expected[i]);
}

uint32_t word(const PhiloxStream& stream, int64_t i) {
  uint32_t words[4];
  philox_block(stream, static_cast<uint64_t>(i / 4), words);
  return words[i % 4];
}
uint64_t draw(const PhiloxStream& stream, int64_t i) {
  uint32_t words[4];
  philox_block(stream, static_cast<uint64_t>(i / 2), words);
  return uint64_t{words[2 * (i % 2)]} << 32 | words[2 * (i % 2) + 1];
}

constexpr int64_t kCount = 5003; // no multiple of anything

// A key whose counter carries into the next word inside the tensor.
const PhiloxStream kStreams[] = {
    PhiloxStream::of_generator(0x0123456789abcdef, 40),
    PhiloxStream::of_key(42, 0xffffffffu - 100),
};

TEST(Philox, WordsOf32BitDraws) {
  for (const PhiloxStream& stream : kStreams) {
    std::vector<uint32_t> out(kCount + 1, 7);
    random_integers(out.data(), RandomType::UInt32, kCount, stream, uint64_t{1} << 32, 0);
    for (int64_t i = 0; i < kCount; ++i) ASSERT_EQ(out[i], word(stream, i)) << i;
    EXPECT_EQ(out[kCount], 7u) << "written past the end";
  }
}

TEST(Philox, WordsOf64BitDraws) {
  for (const PhiloxStream& stream : kStreams) {
    std::vector<uint64_t> out(kCount + 1, 7);
    random_integers(out.data(), RandomType::UInt64, kCount, stream, 0, 0);
    for (int64_t i = 0; i < kCount; ++i) ASSERT_EQ(out[i], draw(stream, i)) << i;
    EXPECT_EQ(out[kCount], 7u) << "written past the end";
  }
}

TEST(Philox, UniformFloatAndDouble) {
  const PhiloxStream& stream = kStreams[0];
  std::vector<float> f(kCount);
  random_uniform(f.data(), RandomType::Float, kCount, stream, 0, 1);
  std::vector<double> d(kCount);
  random_uniform(d.data(), RandomType::Double, kCount, stream, 0, 1);
  for (int64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(f[i], static_cast<float>(word(stream, i) & 0xffffffu) / 16777216.0f);
    ASSERT_EQ(d[i], static_cast<double>(draw(stream, i) & 0x1fffffffffffffu) / 0x1p53);
  }
}

TEST(Philox, NormalIsBoxMuller) {
  const PhiloxStream& stream = kStreams[0];
  std::vector<float> f(kCount);
  random_normal(f.data(), RandomType::Float, kCount, stream, 0.5, 1.5);
  std::vector<double> d(kCount);
  random_normal(d.data(), RandomType::Double, kCount, stream, 0.5, 1.5);
  for (int64_t i = 0; i + 1 < kCount; i += 2) {
    const double u1 = (word(stream, i) + 0.5) / 0x1p32;
    const double u2 = 2 * M_PI * (word(stream, i + 1) + 0.5) / 0x1p32;
    const double radius = std::sqrt(-2 * std::log(u1));
    ASSERT_NEAR(f[i], 0.5 + 1.5 * radius * std::cos(u2), 1e-5);
    ASSERT_NEAR(f[i + 1], 0.5 + 1.5 * radius * std::sin(u2), 1e-5);
    const double v1 = ((draw(stream, i) >> 12) + 0.5) / 0x1p52;
    const double v2 = 2 * M_PI * ((draw(stream, i + 1) >> 10) + 0.5) / 0x1p54;
    const double far = std::sqrt(-2 * std::log(v1));
    ASSERT_NEAR(d[i], 0.5 + 1.5 * far * std::cos(v2), 1e-13);
    ASSERT_NEAR(d[i + 1], 0.5 + 1.5 * far * std::sin(v2), 1e-13);
  }
}

TEST(Philox, ThreadCountDoesNotMatter) {
  const int64_t n = 300007;
  std::vector<float> one(n), two(n);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  random_normal(one.data(), RandomType::Float, n, kStreams[0], 0, 1);
  omp_set_num_threads(3);
  random_normal(two.data(), RandomType::Float, n, kStreams[0], 0, 1);
  omp_set_num_threads(before);
  EXPECT_EQ(std::memcmp(one.data(), two.data(), n * sizeof(float)), 0);
}

TEST(Philox, BernoulliExtremes) {
  std::vector<uint8_t> out(kCount);
  random_bernoulli(out.data(), RandomType::Bool, kCount, kStreams[0], 0.0);
  for (uint8_t b : out) ASSERT_EQ(b, 0);
  random_bernoulli(out.data(), RandomType::Bool, kCount, kStreams[0], 1.0);
  for (uint8_t b : out) ASSERT_EQ(b, 1);
}

TEST(Philox, BernoulliReportsABadProbability) {
  std::vector<float> p(kCount, 0.5f);
  std::vector<uint8_t> out(kCount);
  EXPECT_EQ(random_bernoulli_each(out.data(), RandomType::Bool, kCount, kStreams[0], p.data(),
                                  false), -1);
  p[4000] = NAN;
  EXPECT_EQ(random_bernoulli_each(out.data(), RandomType::Bool, kCount, kStreams[0], p.data(),
                                  false), 4000);
}

TEST(Philox, IntegersStayInRange) {
  const uint64_t ranges[] = {1, 2, 10, 1u << 24, (1u << 24) + 1, uint64_t{1} << 32,
                             (uint64_t{1} << 40) + 3, uint64_t{1} << 63};
  std::vector<int64_t> out(kCount);
  for (uint64_t range : ranges) {
    random_integers(out.data(), RandomType::Int64, kCount, kStreams[0], range, -5);
    for (int64_t v : out) {
      ASSERT_LT(static_cast<uint64_t>(v) + 5, range);
    }
  }
}

TEST(Philox, DropoutKeepsWhatItsMaskSays) {
  std::vector<float> in(kCount), out(kCount);
  std::vector<uint8_t> mask(kCount);
  for (int64_t i = 0; i < kCount; ++i) in[i] = static_cast<float>(i + 1);
  dropout_forward(out.data(), mask.data(), in.data(), RandomType::Float, kCount, kStreams[0],
                  0.75, 1 / 0.75);
  int64_t kept = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(mask[i], word(kStreams[0], i) < 0xc0000000u);
    ASSERT_EQ(out[i], mask[i] ? in[i] * static_cast<float>(1 / 0.75) : 0.0f);
    kept += mask[i];
  }
  EXPECT_NEAR(static_cast<double>(kept) / kCount, 0.75, 0.03);
}

} // namespace
} // namespace xpu_lite::cpu
