#pragma once

// What the kernel library must know of one SPIR-V module.

#include <cstdint>
#include <string>
#include <vector>

namespace xpu_lite::xpu {

struct Module {
  std::string entry; // the name of its only kernel; empty when there is none
  uint32_t needs;    // Needs
  std::vector<char> spirv;
};

// Throws std::runtime_error when the bytes are no SPIR-V with exactly one kernel.
Module read_module(const char* data, size_t size);

// The SPIR-V modules of a SYCLBIN file, which is how the runtime hands out what
// its compiler made. Throws std::runtime_error when the format is another.
std::vector<Module> read_syclbin(const std::vector<char>& file);

} // namespace xpu_lite::xpu
