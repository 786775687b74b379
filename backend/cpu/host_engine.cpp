// Raw memory and queues of the host. Large requests are mapped at huge-page
// boundaries, because page faults are most of what a fresh tensor costs.

#include "backend/cpu/host_engine.h"

#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "backend/cpu/host_queue.h"
#include "backend/cpu/parallel.h"
#include "backend/runtime/cpu_features.h"
#include "backend/runtime/device.h"
#include "backend/runtime/error.h"
#include "backend/runtime/host_memory.h"
#include "backend/runtime/options.h"

namespace xpu_lite::cpu {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kPage = 4096, kHugePage = 2 * kMiB;
constexpr size_t kMapFrom = 64 * 1024; // smaller requests come from malloc

size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

std::vector<int> usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &set)) cores.push_back(core);
  if (cores.empty()) cores.push_back(0);
  return cores;
}

// Device d of n: a slice of the cores, or one core that it shares with others
// when there are more devices than cores.
std::vector<int> share(const std::vector<int>& cores, int device, int count) {
  const int n = static_cast<int>(cores.size());
  if (count > n) return {cores[device % n]};
  const int first = static_cast<int>(int64_t{n} * device / count);
  const int last = static_cast<int>(int64_t{n} * (device + 1) / count);
  return {cores.begin() + first, cores.begin() + last};
}

void* map_pages(size_t bytes) {
  const bool huge = bytes >= kHugePage;
  const size_t slack = huge ? kHugePage : 0;
  void* raw = mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  char* begin = static_cast<char*>(raw);
  if (huge) {
    char* aligned = reinterpret_cast<char*>(
        round_up(reinterpret_cast<uintptr_t>(begin), kHugePage));
    if (aligned != begin) munmap(begin, aligned - begin);
    char* end = begin + bytes + slack;
    if (aligned + bytes != end) munmap(aligned + bytes, end - (aligned + bytes));
    begin = aligned;
    if (options().huge_pages) madvise(begin, bytes, MADV_HUGEPAGE);
  }
  return begin;
}

class HostEngine final : public Engine {
 public:
  explicit HostEngine(int count) {
    const std::vector<int> cores = usable_cores();
    const HostMemory memory = host_memory();
    const int devices = std::max(count, 1);
    for (int d = 0; d < devices; ++d) {
      DeviceProperties p;
      p.name = cpu_name();
      p.vendor = cpu_vendor();
      p.engine = "host";
      p.isa = isa_name(isa());
      p.total_memory = static_cast<int64_t>(memory.total);
      p.core_ids = share(cores, d, devices);
      p.cores = static_cast<int>(p.core_ids.size());
      p.major = std::max(static_cast<int>(isa()), 1);
      properties_.push_back(std::move(p));
    }
  }

  const char* kind() const noexcept override { return "host"; }
  int device_count() const noexcept override { return static_cast<int>(properties_.size()); }
  const DeviceProperties& properties(int device) const override {
    return properties_[device];
  }
  bool supports(Feature feature) const noexcept override {
    return feature != Feature::Priorities && feature != Feature::DeviceQueues;
  }

  void* allocate(int, size_t bytes) override {
    if (!budget_.fits(bytes)) return nullptr;
    void* p = bytes < kMapFrom ? std::aligned_alloc(64, round_up(bytes, 64))
                               : map_pages(round_up(bytes, kPage));
    if (p) budget_.took(bytes);
    return p;
  }

  void free(int, void* ptr, size_t bytes) noexcept override {
    budget_.gave(bytes);
    if (bytes < kMapFrom) std::free(ptr);
    else munmap(ptr, round_up(bytes, kPage));
  }

  std::pair<size_t, size_t> memory_info(int) const override {
    const HostMemory memory = host_memory();
    return {memory.available, memory.total};
  }

  void copy(void* dst, int, const void* src, int, size_t bytes) override {
    char* to = static_cast<char*>(dst);
    const char* from = static_cast<const char*>(src);
    if (to < from + bytes && from < to + bytes) {
      std::memmove(to, from, bytes);
      return;
    }
    parallel_for(0, static_cast<int64_t>(bytes), kMiB, [&](int64_t first, int64_t last) {
      std::memcpy(to + first, from + first, last - first);
    });
  }

  bool can_access_peer(int, int) const noexcept override { return true; }

  std::unique_ptr<Queue> make_queue(int device, const QueueOptions& options) override {
    const std::vector<int>& own = properties_[device].core_ids;
    for (int core : options.cores)
      if (std::find(own.begin(), own.end(), core) == own.end())
        throw ValueError(message("core ", core, " does not belong to device ", device,
                                 "; its cores are ", list(own)));
    std::vector<int> cores = options.cores;
    // With one device, a queue that asks for nothing may run anywhere.
    if (cores.empty() && properties_.size() > 1) cores = own;
    return std::make_unique<HostQueue>(device, std::move(cores));
  }

 private:
  static std::string list(const std::vector<int>& cores) {
    std::string text;
    for (int core : cores) text += (text.empty() ? "" : ", ") + std::to_string(core);
    return text;
  }

  std::vector<DeviceProperties> properties_;
  HostBudget budget_;
};

} // namespace

std::vector<std::string> found() { return {"host"}; }
std::string preferred() { return "host"; }

std::unique_ptr<Engine> make_engine(const std::string&, int count) {
  if (isa() < Isa::Avx2)
    throw Error(message("xpu-lite needs a processor with AVX2; this one is ", cpu_name()));
  return std::make_unique<HostEngine>(count);
}

} // namespace xpu_lite::cpu
