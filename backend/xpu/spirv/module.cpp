#include "backend/xpu/spirv/module.h"

#include <cstring>
#include <stdexcept>

#include "backend/xpu/spirv/archive.h"

namespace xpu_lite::xpu {
namespace {

constexpr uint32_t kMagic = 0x07230203;
constexpr uint32_t kOpEntryPoint = 15, kOpCapability = 17, kOpFunction = 54;
constexpr uint32_t kExecutionKernel = 6;

uint32_t needs_of(uint32_t capability) {
  switch (capability) {
    case 9: return kNeedsFp16;      // Float16
    case 10: return kNeedsFp64;     // Float64
    case 12: return kNeedsAtomic64; // Int64Atomics
    default: return 0;
  }
}

template <class T>
T at(const std::vector<char>& file, size_t offset) {
  T value;
  if (offset + sizeof value > file.size()) throw std::runtime_error("a SYCLBIN file ends early");
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

} // namespace

Module read_module(const char* data, size_t size) {
  std::vector<uint32_t> words(size / 4);
  std::memcpy(words.data(), data, words.size() * 4);
  if (size % 4 || words.size() < 5 || words[0] != kMagic)
    throw std::runtime_error("the compiler made something that is not SPIR-V");
  Module module{{}, 0, {data, data + size}};
  for (size_t i = 5; i < words.size();) {
    uint32_t code = words[i] & 0xffff, length = words[i] >> 16;
    if (!length || i + length > words.size()) throw std::runtime_error("broken SPIR-V");
    if (code == kOpFunction) break; // what we look for stands before the functions
    if (code == kOpCapability) module.needs |= needs_of(words[i + 1]);
    if (code == kOpEntryPoint && words[i + 1] == kExecutionKernel) {
      if (!module.entry.empty()) throw std::runtime_error("a module with two kernels");
      auto* name = reinterpret_cast<const char*>(&words[i + 3]);
      module.entry.assign(name, strnlen(name, (length - 3) * 4));
    }
    i += length;
  }
  return module;
}

// The layout: a header (magic, version, counts, sizes of two byte tables), 32 bytes
// per abstract module, 32 per SPIR-V module, 32 per native image, a table of
// metadata, and at the end the table of binaries.
std::vector<Module> read_syclbin(const std::vector<char>& file) {
  // An outer container of LLVM's holds it.
  size_t start = 0;
  while (start + 4 <= file.size() && std::memcmp(&file[start], "IBYS", 4)) start += 4;
  constexpr size_t kHeader = 56, kItem = 32;
  if (at<uint32_t>(file, start + 4) != 1)
    throw std::runtime_error("a SYCLBIN file of an unknown version");
  auto abstract = at<uint32_t>(file, start + 8), modules = at<uint32_t>(file, start + 12);
  auto native = at<uint32_t>(file, start + 16);
  auto metadata = at<uint64_t>(file, start + 24), binaries = at<uint64_t>(file, start + 32);
  size_t items = start + kHeader + abstract * kItem;
  // The tables start at multiples of 8 bytes of the SYCLBIN part.
  auto aligned = [](size_t n) { return (n + 7) & ~size_t{7}; };
  size_t table = start + aligned(aligned(kHeader + (abstract + modules + native) * kItem) + metadata);
  if (table + binaries > file.size()) throw std::runtime_error("a SYCLBIN file ends early");
  std::vector<Module> found;
  for (uint32_t i = 0; i < modules; ++i) {
    auto offset = at<uint64_t>(file, items + i * kItem + 16);
    auto size = at<uint64_t>(file, items + i * kItem + 24);
    if (offset + size > binaries) throw std::runtime_error("a SYCLBIN file with a bad offset");
    Module module = read_module(file.data() + table + offset, size);
    // Functions that no kernel shares become a module of their own: of no use.
    if (!module.entry.empty()) found.push_back(std::move(module));
  }
  return found;
}

} // namespace xpu_lite::xpu
