#pragma once

#include <string>
#include <vector>

#include "backend/xpu/spirv/module.h"

namespace xpu_lite::xpu {

// Writes one archive (archive.h), through a temporary file. Throws
// std::runtime_error when two modules have one name or the file cannot be written.
void write_archive(const std::string& path, std::vector<Module> modules);

} // namespace xpu_lite::xpu
