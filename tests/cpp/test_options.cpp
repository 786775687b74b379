// XPU_LITE_* variables: each accepted form, and an error that helps for the rest.

#include "backend/runtime/options.h"

#include "backend/runtime/cpu_features.h"
#include "backend/runtime/error.h"
#include "tests/cpp/support.h"

using namespace xpu_lite;
using xpu_lite::testing::expect_contains;
using xpu_lite::testing::message_of;

namespace {

void set(const char* name, const char* value) { setenv(name, value, 1); }

} // namespace

TEST(Options, DefaultsWithoutVariables) {
  EXPECT_EQ(options().devices, "auto");
  EXPECT_EQ(options().memory_limit, 0u);
  EXPECT_EQ(options().fallback, FallbackPolicy::Allow);
  EXPECT_TRUE(options().huge_pages);
  EXPECT_TRUE(options().caching);
}

TEST(Options, EveryVariableIsRead) {
  set("XPU_LITE_DEVICES", "host:3");
  set("XPU_LITE_MEMORY_LIMIT", "512M");
  set("XPU_LITE_FALLBACK", "error");
  set("XPU_LITE_VERBOSE", "ccl, Routes");
  set("XPU_LITE_ISA", "AVX2");
  set("XPU_LITE_HUGE_PAGES", "0");
  set("XPU_LITE_CACHING", "off");
  set("XPU_LITE_PACK", "0");
  set("XPU_LITE_CCL_TRANSPORT", "SHM");
  set("XPU_LITE_CCL_SHM", "posix");
  set("XPU_LITE_CCL_INTERFACE", "eth0,lo");
  set("XPU_LITE_CCL_HOST_ID", "Host A");
  const Options& o = options();
  EXPECT_EQ(o.devices, "host:3");
  EXPECT_EQ(o.memory_limit, size_t{512} << 20);
  EXPECT_EQ(o.fallback, FallbackPolicy::Error);
  EXPECT_TRUE(o.print_routes);
  EXPECT_TRUE(o.print_ccl);
  EXPECT_EQ(o.isa_cap, "avx2");
  EXPECT_FALSE(o.huge_pages);
  EXPECT_FALSE(o.caching);
  EXPECT_LE(isa(), Isa::Avx2);
  EXPECT_EQ(o.ccl_transport, "shm");
  EXPECT_EQ(o.ccl_shm, "posix");
  EXPECT_EQ(o.ccl_interface, "eth0,lo");
  EXPECT_EQ(o.ccl_host_id, "Host A");
}

TEST(Options, TheEnvironmentOfNowIsReadAgain) {
  EXPECT_EQ(options().ccl_transport, "auto");
  set("XPU_LITE_CCL_TRANSPORT", "gloo");
  EXPECT_EQ(options().ccl_transport, "auto");
  EXPECT_EQ(read_environment().ccl_transport, "gloo");
  set("XPU_LITE_CCL_TRANSPORT", "nccl");
  expect_contains(message_of<ValueError>([] { read_environment(); }), "auto, shm, oneccl, gloo");
}

TEST(Options, UnknownNameListsTheKnownOnes) {
  set("XPU_LITE_DEVICE", "host");
  const std::string text = message_of<ValueError>([] { options(); });
  expect_contains(text, "XPU_LITE_DEVICE;");
  expect_contains(text, "XPU_LITE_DEVICES");
  expect_contains(text, "XPU_LITE_MEMORY_LIMIT");
  // Not only the first use reports it.
  message_of<ValueError>([] { options(); });
}

TEST(Options, BadValueListsTheAllowedOnes) {
  set("XPU_LITE_FALLBACK", "maybe");
  const std::string text = message_of<ValueError>([] { options(); });
  expect_contains(text, "XPU_LITE_FALLBACK='maybe'");
  expect_contains(text, "allow, warn, error");
}

TEST(Options, BadIsaListsTheAllowedOnes) {
  set("XPU_LITE_ISA", "sse9");
  expect_contains(message_of<ValueError>([] { options(); }), "avx512_bf16");
}

class Sizes : public ::testing::TestWithParam<std::pair<const char*, size_t>> {};
TEST_P(Sizes, AreBytes) {
  set("XPU_LITE_MEMORY_LIMIT", GetParam().first);
  EXPECT_EQ(options().memory_limit, GetParam().second);
}
INSTANTIATE_TEST_SUITE_P(Options, Sizes,
                         ::testing::Values(std::pair{"4096", size_t{4096}},
                                           std::pair{"8G", size_t{8} << 30},
                                           std::pair{"1T", size_t{1} << 40},
                                           std::pair{"1.5G", size_t{3} << 29},
                                           std::pair{"64MiB", size_t{64} << 20},
                                           std::pair{"2kb", size_t{2048}}));

class BadSizes : public ::testing::TestWithParam<const char*> {};
TEST_P(BadSizes, AreRefused) {
  set("XPU_LITE_MEMORY_LIMIT", GetParam());
  expect_contains(message_of<ValueError>([] { options(); }), "512M");
}
INSTANTIATE_TEST_SUITE_P(Options, BadSizes,
                         ::testing::Values("", "lots", "-1G", "8X", "8GG", "nan", "1e40"));

TEST(Options, HelpNamesEveryVariable) {
  set("XPU_LITE_CACHING", "0");
  bool seen = false;
  for (const OptionHelp& help : describe_options()) {
    EXPECT_EQ(help.name.rfind("XPU_LITE_", 0), 0u);
    EXPECT_FALSE(help.meaning.empty());
    if (help.name == "XPU_LITE_CACHING") {
      seen = true;
      EXPECT_EQ(help.value, "0");
    }
  }
  EXPECT_TRUE(seen);
}

TEST(CpuFeatures, NamesParseBack) {
  for (int i = static_cast<int>(Isa::Avx2); i <= static_cast<int>(Isa::Amx); ++i)
    EXPECT_EQ(parse_isa(isa_name(static_cast<Isa>(i))), static_cast<Isa>(i));
  EXPECT_GE(hardware_isa(), Isa::Avx2);
  EXPECT_FALSE(cpu_name().empty());
  EXPECT_FALSE(cpu_vendor().empty());
}
