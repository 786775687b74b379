#pragma once

// The file format of the kernel library: one archive per source file of
// backend/xpu/kernels, written by the build and mapped by the engine.
//
//   ArchiveHeader
//   ArchiveEntry[count]   sorted by name
//   names                 not terminated; entries say where
//   modules               SPIR-V, each at a multiple of 8 bytes
//
// All offsets count from the start of the file.

#include <cstddef>
#include <cstdint>

namespace xpu_lite::xpu {

constexpr char kArchiveMagic[8] = {'X', 'P', 'U', 'L', 'I', 'T', 'E', 'K'};
constexpr uint32_t kArchiveVersion = 1;

// The compiler puts this before the name of a free-function kernel.
constexpr char kEntryPrefix[] = "__sycl_kernel_";

// What a module asks of a device, from its SPIR-V capabilities.
enum Needs : uint32_t {
  kNeedsFp64 = 1,
  kNeedsFp16 = 2,
  kNeedsAtomic64 = 4,
};

struct ArchiveHeader {
  char magic[8];
  uint32_t version;
  uint32_t count;
  uint64_t size; // of the whole file
};

struct ArchiveEntry {
  uint64_t offset, size; // of the module
  uint64_t hash;         // hash_bytes() of the module
  uint32_t name, name_size;
  uint32_t needs, reserved;
};

// FNV-1a over 8-byte words: a key and a checksum, not a signature.
inline uint64_t hash_bytes(const void* data, size_t size, uint64_t seed = 0xcbf29ce484222325u) {
  auto* p = static_cast<const unsigned char*>(data);
  uint64_t h = seed ^ size;
  while (size) {
    uint64_t word = 0;
    size_t n = size < 8 ? size : 8;
    __builtin_memcpy(&word, p, n);
    h = (h ^ word) * 0x100000001b3u;
    h ^= h >> 32;
    p += n, size -= n;
  }
  return h;
}

} // namespace xpu_lite::xpu
