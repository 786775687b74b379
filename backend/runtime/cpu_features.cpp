// What the processor has (cpuid) and what the kernel saves on a context switch
// (xgetbv): an instruction set is usable only if both agree.

#include "backend/runtime/cpu_features.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>

#include "backend/runtime/error.h"
#include "backend/runtime/options.h"
#include "backend/runtime/tile_permission.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define XPU_LITE_X86 1
#endif

namespace xpu_lite {
namespace {

constexpr const char* kNames[] = {"SCALAR",      "AVX2",        "AVX512", "AVX512_VNNI",
                                  "AVX512_BF16", "AVX512_FP16", "AMX"};

#ifdef XPU_LITE_X86

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool bit(uint32_t word, int n) { return (word >> n) & 1u; }

uint64_t saved_states() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

Isa detect() {
  const Registers one = cpuid(1);
  const bool osxsave = bit(one.ecx, 27);
  if (!osxsave) return Isa::Scalar;
  const uint64_t saved = saved_states();
  const bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xe6) == 0xe6;
  const Registers seven = cpuid(7), seven_one = cpuid(7, 1);
  const bool fma = bit(one.ecx, 12), f16c = bit(one.ecx, 29), avx2 = bit(seven.ebx, 5);
  if (!(ymm && fma && f16c && avx2)) return Isa::Scalar;
  const bool f = bit(seven.ebx, 16), dq = bit(seven.ebx, 17), bw = bit(seven.ebx, 30),
             vl = bit(seven.ebx, 31);
  if (!(zmm && f && dq && bw && vl)) return Isa::Avx2;
  if (!bit(seven.ecx, 11)) return Isa::Avx512;
  if (!bit(seven_one.eax, 5)) return Isa::Avx512Vnni;
  if (!bit(seven.edx, 23)) return Isa::Avx512Bf16;
  const TileSupport& tiles = tile_support();
  return tiles.usable() && tiles.bf16 && tiles.int8 ? Isa::Amx : Isa::Avx512Fp16;
}

std::string trim(std::string text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::string brand() {
  if (cpuid(0x80000000u).eax < 0x80000004u) return "x86-64";
  char text[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i);
    std::memcpy(text + 16 * i, &r, 16);
  }
  const std::string name = trim(text);
  return name.empty() ? "x86-64" : name;
}

std::string vendor() {
  const Registers r = cpuid(0);
  char text[13] = {};
  std::memcpy(text, &r.ebx, 4);
  std::memcpy(text + 4, &r.edx, 4);
  std::memcpy(text + 8, &r.ecx, 4);
  if (std::strcmp(text, "AuthenticAMD") == 0) return "AMD";
  if (std::strcmp(text, "GenuineIntel") == 0) return "Intel";
  return text;
}

#else

Isa detect() { return Isa::Scalar; }
std::string brand() { return "unknown"; }
std::string vendor() { return "unknown"; }

#endif

} // namespace

Isa hardware_isa() {
  static const Isa found = detect();
  return found;
}

Isa isa() {
  static const Isa used = [] {
    const std::string& cap = options().isa_cap;
    return cap.empty() ? hardware_isa() : std::min(hardware_isa(), parse_isa(cap));
  }();
  return used;
}

const char* isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

Isa parse_isa(const std::string& text) {
  std::string upper = text;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  std::string allowed;
  // Scalar is not offered: every kernel is built for AVX2 at least.
  for (int i = static_cast<int>(Isa::Avx2); i <= static_cast<int>(Isa::Amx); ++i) {
    if (upper == kNames[i]) return static_cast<Isa>(i);
    allowed += (allowed.empty() ? "" : ", ") + std::string(kNames[i]);
  }
  throw ValueError(message("unknown instruction set '", text, "'; known are: ", allowed));
}

std::string cpu_name() { return brand(); }
std::string cpu_vendor() { return vendor(); }

} // namespace xpu_lite
