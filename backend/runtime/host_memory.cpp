#include "backend/runtime/host_memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

namespace xpu_lite {
namespace {

constexpr size_t kNone = std::numeric_limits<size_t>::max();

// stdio instead of streams: no locale, no allocation of any size.
template <class Line>
bool each_line(const char* path, Line&& line) {
  FILE* file = std::fopen(path, "re");
  if (!file) return false;
  char text[512];
  while (std::fgets(text, sizeof text, file)) line(text);
  std::fclose(file);
  return true;
}

size_t read_number(const std::string& path) {
  size_t value = kNone;
  each_line(path.c_str(), [&](const char* text) {
    char* end = nullptr;
    const unsigned long long number = std::strtoull(text, &end, 10);
    if (end != text) value = number;
  });
  return value;
}

size_t read_field(const std::string& path, const char* field) {
  size_t value = 0;
  const size_t length = std::strlen(field);
  each_line(path.c_str(), [&](const char* text) {
    if (std::strncmp(text, field, length) == 0 && (text[length] == ' ' || text[length] == ':'))
      value = std::strtoull(text + length + 1, nullptr, 10);
  });
  return value;
}

struct Group {
  std::string limit, usage, stat;
  const char* cache_field;
};

void apply(const Group& group, HostMemory& memory) {
  const size_t limit = read_number(group.limit);
  if (limit == kNone || limit >= memory.total) return;
  memory.total = limit;
  size_t used = read_number(group.usage);
  if (used == kNone) used = 0;
  // The kernel drops clean file pages before it kills anybody.
  used -= std::min(used, read_field(group.stat, group.cache_field));
  memory.available = std::min(memory.available, limit - std::min(used, limit));
}

// Every group from the process's own up to the root may set a limit.
void apply_control_groups(HostMemory& memory) {
  std::string unified, legacy;
  each_line("/proc/self/cgroup", [&](char* text) {
    text[std::strcspn(text, "\n")] = 0;
    char* controllers = std::strchr(text, ':');
    char* path = controllers ? std::strchr(controllers + 1, ':') : nullptr;
    if (!path) return;
    const std::string names(controllers + 1, path);
    if (names.empty()) unified = path + 1;
    if (("," + names + ",").find(",memory,") != std::string::npos) legacy = path + 1;
  });
  auto walk = [&](std::string path, auto&& group_at) {
    while (true) {
      apply(group_at(path == "/" ? "" : path), memory);
      if (path.empty() || path == "/") break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  };
  walk(unified, [](const std::string& path) {
    const std::string root = "/sys/fs/cgroup" + path;
    return Group{root + "/memory.max", root + "/memory.current", root + "/memory.stat",
                 "inactive_file"};
  });
  walk(legacy, [](const std::string& path) {
    const std::string root = "/sys/fs/cgroup/memory" + path;
    return Group{root + "/memory.limit_in_bytes", root + "/memory.usage_in_bytes",
                 root + "/memory.stat", "total_inactive_file"};
  });
}

} // namespace

HostMemory host_memory() {
  HostMemory memory;
  each_line("/proc/meminfo", [&](const char* text) {
    unsigned long long kib = 0;
    if (std::sscanf(text, "MemTotal: %llu kB", &kib) == 1) memory.total = kib * 1024;
    if (std::sscanf(text, "MemAvailable: %llu kB", &kib) == 1) memory.available = kib * 1024;
  });
  if (memory.total == 0) {
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    memory.total = memory.available = static_cast<size_t>(pages) * page;
  }
  apply_control_groups(memory);
  return memory;
}

size_t resident_bytes() {
  size_t pages = 0;
  each_line("/proc/self/statm", [&](const char* text) {
    unsigned long long size = 0, resident = 0, shared = 0;
    if (std::sscanf(text, "%llu %llu %llu", &size, &resident, &shared) == 3)
      pages = resident - std::min(shared, resident);
  });
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

bool HostBudget::fits(size_t bytes) {
  constexpr size_t kMiB = size_t{1} << 20;
  constexpr size_t kLookEvery = 64 * kMiB, kKeep = 64 * kMiB;
  if (bytes > total_) return false;
  if (unchecked_.fetch_add(bytes, std::memory_order_relaxed) + bytes < kLookEvery)
    return true;
  unchecked_.store(0, std::memory_order_relaxed);
  // What we gave out and nobody has touched yet still counts as available.
  const size_t held = held_.load(std::memory_order_relaxed);
  const size_t untouched = held - std::min(held, resident_bytes());
  return bytes + untouched + kKeep <= host_memory().available;
}

} // namespace xpu_lite
