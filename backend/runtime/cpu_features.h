#pragma once

// Instruction sets as one ordered enum of composed sets: each level contains
// all those below it.

#include <string>

namespace xpu_lite {

enum class Isa { Scalar = 0, Avx2, Avx512, Avx512Vnni, Avx512Bf16, Avx512Fp16, Amx };

Isa hardware_isa();          // what this processor and kernel can run
Isa isa();                   // hardware_isa() capped by XPU_LITE_ISA
const char* isa_name(Isa);   // "AVX2", "AVX512_BF16", ...
Isa parse_isa(const std::string&); // throws ValueError that lists the names

std::string cpu_name();      // e.g. "AMD EPYC"
std::string cpu_vendor();

} // namespace xpu_lite
