#include "backend/runtime/tile_permission.h"

#include <cerrno>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace xpu_lite {
namespace {

bool has(uint32_t word, int bit) { return (word >> bit) & 1u; }

TileSupport without(std::string reason) {
  TileSupport none;
  none.reason = std::move(reason);
  return none;
}

#if defined(__x86_64__)
CpuidWords machine_cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidWords w;
  __get_cpuid_count(leaf, subleaf, &w.eax, &w.ebx, &w.ecx, &w.edx);
  return w;
}

uint64_t machine_saved_states() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

int ask_linux() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? 0 : errno;
}
#endif

} // namespace

TileSupport probe_tiles(const TileProbe& probe) {
  const CpuidWords seven = probe.cpuid(7, 0);
  TileSupport found;
  found.bf16 = has(seven.edx, 22);
  found.int8 = has(seven.edx, 25);
  if (!has(seven.edx, 24) || !(found.bf16 || found.int8)) {
    return without("the processor has no AMX");
  }
  const CpuidWords extended = probe.cpuid(7, 1);
  found.fp16 = has(extended.eax, 21);
  found.complex = has(extended.edx, 8);
  // The kernels are written for palette 1: 8 tiles of 16 rows of 64 bytes.
  const CpuidWords palette = probe.cpuid(0x1d, 1);
  if (probe.cpuid(0x1d, 0).eax < 1 || (palette.ebx & 0xffff) < 64 || (palette.ebx >> 16) < 8 ||
      (palette.ecx & 0xffff) < 16) {
    return without("the processor's AMX lacks the palette of 8 tiles of 16 rows of 64 bytes");
  }
  if (!has(probe.cpuid(1, 0).ecx, 27) || (probe.saved_states() & 0x60000) != 0x60000) {
    return without("the processor has AMX, but the operating system does not save its state");
  }
  if (const int error = probe.request_permission()) {
    return without("the processor has AMX, but the operating system refused it to this process "
                   "(arch_prctl ARCH_REQ_XCOMP_PERM: " + std::string(std::strerror(error)) + ")");
  }
  return found;
}

const TileSupport& tile_support() {
#if defined(__x86_64__)
  static const TileSupport found =
      probe_tiles({machine_cpuid, machine_saved_states, ask_linux});
#else
  static const TileSupport found = without("not an x86-64 processor");
#endif
  return found;
}

} // namespace xpu_lite
