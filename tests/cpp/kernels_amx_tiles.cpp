// The tiles: what each implementation computes for every ragged shape, which one is
// chosen on which machine, and when a configuration is loaded and released. The
// instructions themselves run where the processor has them; elsewhere tools/amx_check.py
// proves them on an emulator.

#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "backend/cpu/amx/tile_choice.h"
#include "backend/cpu/amx/tile_state.h"
#include "backend/cpu/amx/tiles_model.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "tests/cpp/support.h"

namespace {

using namespace xpu_lite;
using namespace xpu_lite::cpu;
using namespace xpu_lite::cpu::amx;
using xpu_lite::testing::expect_contains;

// a, packed b and c of one product, with the exact result in double.
struct Product {
  TileProduct type;
  int m, n, k;
  int bytes, a_row, b_columns;
  std::vector<uint8_t> a, b;
  std::vector<double> want, size;
  std::vector<uint32_t> start;

  Product(TileProduct type, int m, int n, int k)
      : type(type), m(m), n(n), k(k), bytes(tile_element_bytes(type)), a_row(k * bytes + 6) {
    const int group = 4 / bytes, groups = ((k * bytes + 63) / 64) * 16, columns = (n + 15) / 16 * 16;
    b_columns = groups * 64;
    a.assign(static_cast<size_t>(m * a_row), 0xff);
    b.assign(static_cast<size_t>(columns / 16 * b_columns), 0);
    std::mt19937 random(static_cast<uint32_t>(m + 100 * n + 10000 * k));
    std::vector<double> x(static_cast<size_t>(m * k)), y(static_cast<size_t>(k * n));
    for (int i = 0; i < m * k; ++i) x[i] = put(&a[i / k * a_row + i % k * bytes], random(), a_signed());
    for (int i = 0; i < k * n; ++i) {
      const int p = i / n, j = i % n;
      y[i] = put(&b[j / 16 * b_columns + p / group * 64 + j % 16 * 4 + p % group * bytes], random(), b_signed());
    }
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        const float begin = static_cast<float>(i - j);
        uint32_t bits = static_cast<uint32_t>(i - j);
        if (bytes == 2) std::memcpy(&bits, &begin, 4);
        start.push_back(bits);
        double sum = begin, magnitude = std::fabs(begin);
        for (int p = 0; p < k; ++p) {
          sum += x[i * k + p] * y[p * n + j];
          magnitude += std::fabs(x[i * k + p] * y[p * n + j]);
        }
        want.push_back(sum);
        size.push_back(magnitude);
      }
    }
  }

  bool a_signed() const { return type == TileProduct::s8s8 || type == TileProduct::s8u8; }
  bool b_signed() const { return type == TileProduct::s8s8 || type == TileProduct::u8s8; }

  double put(uint8_t* to, uint32_t random, bool is_signed) const {
    if (bytes == 1) {
      *to = static_cast<uint8_t>(random);
      return is_signed ? static_cast<double>(static_cast<int8_t>(*to)) : *to;
    }
    const float value = (static_cast<float>(random % 2001) - 1000.f) / 700.f;
    const uint16_t bits = type == TileProduct::bf16 ? float_to_bfloat16_bits(value) : float_to_half_bits(value);
    std::memcpy(to, &bits, 2);
    return type == TileProduct::bf16 ? bfloat16_bits_to_float(bits) : half_bits_to_float(bits);
  }

  // Elements that are wrong, and those around c that were touched.
  int wrong(TileGemmFn gemm, bool accumulate) const {
    const int row = n + 5;
    std::vector<uint32_t> c(static_cast<size_t>((m + 1) * row), 0xdeadbeef);
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) c[i * row + j] = accumulate ? start[i * n + j] : 0x7fffffff;
    }
    TileState state;
    TileState& used = gemm == tile_gemm_amx ? thread_tiles() : state;
    gemm(type, {m, n, k, a.data(), a_row, b.data(), 64, b_columns, c.data(), row * 4, accumulate}, used);
    int count = 0;
    for (int i = 0; i <= m; ++i) {
      for (int j = 0; j < row; ++j) {
        const uint32_t bits = c[i * row + j];
        if (i == m || j >= n) {
          count += bits != 0xdeadbeef;
          continue;
        }
        float f;
        std::memcpy(&f, &bits, 4);
        const double got = bytes == 1 ? static_cast<int32_t>(bits) : f;
        const double expected = want[i * n + j] - (accumulate ? 0 : i - j);
        count += !(std::fabs(got - expected) <= (bytes == 1 ? 0 : 1e-6 * size[i * n + j] + 1e-6));
      }
    }
    return count;
  }
};

class TileTest : public ::testing::TestWithParam<int> {
 protected:
  const TileImplementation& implementation() const { return tile_implementation(GetParam()); }
  bool runs(TileProduct product) const { return implementation().runs(product, this_machine()); }
};

TEST_P(TileTest, AllRaggedShapesUpToThreeTiles) {
  if (!runs(TileProduct::bf16)) {
    const std::string reason = tile_support().reason;
    GTEST_SKIP() << implementation().name << ": " << (reason.empty() ? "capped by XPU_LITE_ISA" : reason);
  }
  const int sizes[] = {1, 15, 16, 17, 31, 32, 33, 47, 48};
  for (int p = 0; p < kTileProducts; ++p) {
    const auto type = static_cast<TileProduct>(p);
    if (!runs(type)) continue;
    int wrong = 0, shapes = 0;
    for (int m : sizes) {
      for (int n : sizes) {
        for (int k : {1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 96, 127, 129, 191, 192}) {
          if (k * tile_element_bytes(type) > 192) continue;
          wrong += Product(type, m, n, k).wrong(implementation().gemm, (m + k) % 2) != 0;
          ++shapes;
        }
      }
    }
    EXPECT_EQ(wrong, 0) << "of " << shapes << " shapes, " << tile_product_name(type);
  }
}

TEST_P(TileTest, LargerThanThreeTiles) {
  for (int p = 0; p < kTileProducts; ++p) {
    const auto type = static_cast<TileProduct>(p);
    if (!runs(type)) continue;
    EXPECT_EQ(Product(type, 70, 83, 300).wrong(implementation().gemm, false), 0) << tile_product_name(type);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TileTest, ::testing::Range(0, kTileImplementations),
                         [](const auto& info) { return tile_implementation(info.param).name; });

TEST(TileModel, ComplexProducts) {
  // (1 + 2i)(3 + 4i) + (5 - 1i)(2 + 0.5i) = -5 + 10i + 10.5 + 0.5i
  TileState state;
  ModelTiles tiles(state);
  TileConfig config;
  for (int t = 0; t < 3; ++t) config.set(t, t == 2 ? 2 : 1, t == 1 ? 8 : 4);
  tiles.configure(config);
  uint16_t a[4], b[4];
  const float av[] = {1, 2, 5, -1}, bv[] = {3, 4, 2, 0.5f};
  for (int i = 0; i < 4; ++i) a[i] = float_to_half_bits(av[i]), b[i] = float_to_half_bits(bv[i]);
  tiles.load<1>(a, 8);
  tiles.load<2>(b, 4);
  float real = 0, imaginary = 0;
  tiles.zero<0>();
  tiles.tcmmrlfp16ps<0, 1, 2>();
  tiles.store<0>(&real, 4);
  tiles.zero<0>();
  tiles.tcmmimfp16ps<0, 1, 2>();
  tiles.store<0>(&imaginary, 4);
  EXPECT_EQ(real, 5.5f);
  EXPECT_EQ(imaginary, 10.5f);
}

TEST(TileConfiguration, IsLoadedOnlyWhenItChanges) {
  TileState state;
  ModelTiles tiles(state);
  TileConfig one, two;
  one.set(0, 16, 64);
  two.set(0, 3, 64);
  for (const TileConfig* c : {&one, &one, &one, &two, &two, &one}) tiles.configure(*c);
  EXPECT_EQ(state.loads, 3);
  tiles.release();
  tiles.release();
  EXPECT_EQ(state.releases, 1);
  tiles.configure(one);
  EXPECT_EQ(state.loads, 4);
}

TEST(TileConfiguration, AProductLoadsAtMostFour) {
  const Product p(TileProduct::u8s8, 70, 83, 70);  // inner part and both edges
  TileState state;
  std::vector<int32_t> c(70 * 83);
  tile_gemm_model(p.type, {p.m, p.n, p.k, p.a.data(), p.a_row, p.b.data(), 64, p.b_columns, c.data(), 83 * 4, false}, state);
  EXPECT_EQ(state.loads, 4);
}

TEST(TileConfiguration, EndOfAThreadReleases) {
  if (!tile_support().usable()) GTEST_SKIP() << tile_support().reason;
  std::thread([] {
    Product(TileProduct::u8s8, 16, 16, 64).wrong(tile_gemm_amx, false);
    EXPECT_TRUE(thread_tiles().configured);
    release_tiles();
    EXPECT_FALSE(thread_tiles().configured);
    EXPECT_EQ(Product(TileProduct::u8s8, 16, 16, 64).wrong(tile_gemm_amx, false), 0);
  }).join();  // and again at its end
  release_tiles_of_pool();
}

// What tile kernels find on machines that are not this one.
struct Invented {
  static inline bool amx, fp16, saved, palette;
  static inline int refusal, asked;
  static CpuidWords cpuid(uint32_t leaf, uint32_t subleaf) {
    if (leaf == 1) return {0, 0, 1u << 27, 0};
    if (leaf == 7 && subleaf == 0) return {1, 0, 0, amx ? (1u << 22) | (1u << 24) | (1u << 25) : 0};
    if (leaf == 7) return {fp16 ? 1u << 21 : 0, 0, 0, fp16 ? 1u << 8 : 0};
    if (leaf == 0x1d && subleaf == 0) return {1, 0, 0, 0};
    if (leaf == 0x1d) return {8192 | 1024u << 16, 64 | (palette ? 8u : 4u) << 16, 16, 0};
    return {};
  }
  static uint64_t saved_states() { return saved ? 0x600e7 : 0xe7; }
  static int request() { return ++asked, refusal; }
  static TileSupport probe(bool amx_, bool saved_, int refusal_, bool fp16_ = false) {
    amx = amx_, saved = saved_, refusal = refusal_, fp16 = fp16_, palette = true, asked = 0;
    return probe_tiles({cpuid, saved_states, request});
  }
};

TEST(TilePermission, EachRefusalSaysItsReason) {
  expect_contains(Invented::probe(false, true, 0).reason, "the processor has no AMX");
  expect_contains(Invented::probe(true, false, 0).reason, "does not save its state");
  EXPECT_EQ(Invented::asked, 0);
  const TileSupport refused = Invented::probe(true, true, EPERM);
  expect_contains(refused.reason, "refused it to this process");
  expect_contains(refused.reason, "Operation not permitted");
  EXPECT_EQ(Invented::asked, 1);
  EXPECT_FALSE(refused.int8 || refused.bf16);
  Invented::palette = false;
  expect_contains(probe_tiles({Invented::cpuid, Invented::saved_states, Invented::request}).reason, "palette");
}

TEST(TilePermission, GrantedTiles) {
  const TileSupport sapphire = Invented::probe(true, true, 0);
  EXPECT_TRUE(sapphire.usable() && sapphire.int8 && sapphire.bf16);
  EXPECT_FALSE(sapphire.fp16 || sapphire.complex);
  const TileSupport granite = Invented::probe(true, true, 0, true);
  EXPECT_TRUE(granite.fp16 && granite.complex);
}

// On the kernel that runs this: granted or refused, never a crash, and the same answer
// each time; the instructions are chosen if and only if it was granted.
TEST(TilePermission, ThisMachine) {
  const TileSupport& here = tile_support();
  EXPECT_EQ(here.usable(), here.int8 || here.bf16);
  EXPECT_EQ(&here, &tile_support());
  if (!here.usable()) { EXPECT_LT(hardware_isa(), Isa::Amx); }
  const bool chosen = std::string(choose_tiles(TileProduct::bf16).name) == "amx";
  EXPECT_EQ(chosen, here.usable() && here.bf16 && isa() >= Isa::Amx) << here.reason;
  RecordProperty("tiles", here.usable() ? "granted" : here.reason);
}

TEST(TileChoice, FollowsTheProcessorAndTheGrant) {
  const auto name = [](TileProduct p, const TileSupport& tiles, Isa isa) {
    return std::string(choose_tiles(p, {tiles, isa}).name);
  };
  const TileSupport granted = Invented::probe(true, true, 0);
  const TileSupport refused = Invented::probe(true, true, EPERM);
  EXPECT_EQ(name(TileProduct::bf16, granted, Isa::Amx), "amx");
  EXPECT_EQ(name(TileProduct::u8s8, granted, Isa::Amx), "amx");
  EXPECT_EQ(name(TileProduct::fp16, granted, Isa::Amx), "avx512_bf16_vnni");
  EXPECT_EQ(name(TileProduct::fp16, Invented::probe(true, true, 0, true), Isa::Amx), "amx");
  EXPECT_EQ(name(TileProduct::bf16, refused, Isa::Avx512Fp16), "avx512_bf16_vnni");
  EXPECT_EQ(name(TileProduct::bf16, refused, Isa::Amx), "avx512_bf16_vnni");  // never without a grant
  EXPECT_EQ(name(TileProduct::bf16, granted, Isa::Avx512Bf16), "avx512_bf16_vnni");  // XPU_LITE_ISA
  EXPECT_EQ(name(TileProduct::s8s8, granted, Isa::Avx2), "model");
}

} // namespace
