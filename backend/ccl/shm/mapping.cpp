// The registry of mappings by token, which holds none of them alive.

#include "backend/ccl/shm/mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

namespace xpu_lite::ccl::shm {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<uint64_t, std::weak_ptr<Mapping>> mappings;
};

Registry& registry() {
  static auto& instance = *new Registry;
  return instance;
}

} // namespace

std::shared_ptr<Mapping> Mapping::make(const MemoryFile& file, size_t bytes, uint64_t token) {
  auto mapping = std::make_shared<Mapping>(file.map(bytes), bytes);
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  std::erase_if(known.mappings, [](const auto& entry) { return entry.second.expired(); });
  known.mappings[token] = mapping;
  return mapping;
}

std::shared_ptr<Mapping> Mapping::find(uint64_t token) {
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  const auto found = known.mappings.find(token);
  return found == known.mappings.end() ? nullptr : found->second.lock();
}

std::shared_ptr<Mapping> Mapping::make_private(size_t bytes) {
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED)
    throw Error(message("cannot map ", bytes, " bytes: ", std::strerror(errno)));
  return std::make_shared<Mapping>(data, bytes);
}

Mapping::~Mapping() { ::munmap(data_, bytes_); }

} // namespace xpu_lite::ccl::shm
