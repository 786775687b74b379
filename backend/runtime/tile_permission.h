#pragma once

// Whether this process may use AMX tiles, and if not, why. Three have to agree: the
// processor (cpuid), the system's context switch (XCR0), and Linux, which grants the
// tiles to a process that asks (arch_prctl ARCH_REQ_XCOMP_PERM) and may refuse.

#include <cstdint>
#include <string>

namespace xpu_lite {

struct TileSupport {
  bool int8 = false, bf16 = false, fp16 = false, complex = false;
  std::string reason;  // why there are no tiles; empty where they can be used
  bool usable() const { return reason.empty(); }
};

struct CpuidWords {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Where the answers come from: the machine, or a test.
struct TileProbe {
  CpuidWords (*cpuid)(uint32_t leaf, uint32_t subleaf);
  uint64_t (*saved_states)();       // XCR0; called only where the processor has it
  int (*request_permission)();      // 0, or errno of the refusal
};

TileSupport probe_tiles(const TileProbe&);

// This process's; the system is asked once, at the first call.
const TileSupport& tile_support();

} // namespace xpu_lite
