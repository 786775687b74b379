#include "backend/xpu/spirv/write_archive.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "backend/xpu/spirv/archive.h"

namespace xpu_lite::xpu {
namespace {

// "ew_add_f32" of the entry point "__sycl_kernel_ew_add_f32".
std::string kernel_name(const std::string& entry) {
  constexpr size_t prefix = sizeof kEntryPrefix - 1;
  if (entry.compare(0, prefix, kEntryPrefix))
    throw std::runtime_error(entry + " is not a free-function kernel: declare it with XK()");
  return entry.substr(prefix);
}

} // namespace

void write_archive(const std::string& path, std::vector<Module> modules) {
  for (auto& module : modules) module.entry = kernel_name(module.entry);
  std::sort(modules.begin(), modules.end(),
            [](const Module& a, const Module& b) { return a.entry < b.entry; });
  ArchiveHeader header{};
  std::memcpy(header.magic, kArchiveMagic, sizeof header.magic);
  header.version = kArchiveVersion;
  header.count = static_cast<uint32_t>(modules.size());
  std::vector<ArchiveEntry> entries(modules.size());
  std::string names;
  const uint64_t first_name = sizeof header + entries.size() * sizeof(ArchiveEntry);
  for (size_t i = 0; i < modules.size(); ++i) {
    if (i && modules[i].entry == modules[i - 1].entry)
      throw std::runtime_error("two kernels are named " + modules[i].entry);
    entries[i].name = static_cast<uint32_t>(first_name + names.size());
    entries[i].name_size = static_cast<uint32_t>(modules[i].entry.size());
    names += modules[i].entry;
  }
  uint64_t offset = first_name + names.size();
  for (size_t i = 0; i < modules.size(); ++i) {
    offset = (offset + 7) & ~uint64_t{7};
    auto& spirv = modules[i].spirv;
    entries[i].offset = offset;
    entries[i].size = spirv.size();
    entries[i].hash = hash_bytes(spirv.data(), spirv.size());
    entries[i].needs = modules[i].needs;
    offset += spirv.size();
  }
  header.size = offset;
  const std::string temporary = path + ".tmp";
  std::ofstream out(temporary, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&header), sizeof header);
  out.write(reinterpret_cast<const char*>(entries.data()), entries.size() * sizeof(ArchiveEntry));
  out << names;
  for (size_t i = 0; i < modules.size(); ++i) {
    out.write("\0\0\0\0\0\0\0", entries[i].offset - static_cast<uint64_t>(out.tellp()));
    out.write(modules[i].spirv.data(), modules[i].spirv.size());
  }
  out.close();
  if (!out || std::rename(temporary.c_str(), path.c_str()))
    throw std::runtime_error("cannot write " + path);
}

} // namespace xpu_lite::xpu
