#pragma once

// Every XPU_LITE_* environment variable, parsed once and checked: an unknown
// name or value is a ValueError that lists what is allowed.

#include <cstddef>
#include <string>
#include <vector>

namespace xpu_lite {

enum class FallbackPolicy { Allow, Warn, Error };

struct Options {
  std::string devices = "auto";        // XPU_LITE_DEVICES
  size_t memory_limit = 0;             // XPU_LITE_MEMORY_LIMIT: bytes, "512M", "8G"; 0: none
  FallbackPolicy fallback = FallbackPolicy::Allow; // XPU_LITE_FALLBACK=allow|warn|error
  bool print_routes = false;           // XPU_LITE_VERBOSE=routes
  std::string isa_cap = "";            // XPU_LITE_ISA=avx2|avx512|avx512_bf16|amx
  bool huge_pages = true;              // XPU_LITE_HUGE_PAGES=0|1
  bool pack_weights = true;            // XPU_LITE_PACK=auto|off, or the cache's largest size
  size_t pack_limit = 0;               // bytes; 0: a quarter of the machine's memory
  bool caching = true;                 // XPU_LITE_CACHING=0|1: 0 frees at once
  std::string cache_dir = "";          // XPU_LITE_CACHE_DIR: device binaries; empty: ~/.cache/xpu_lite
  size_t cache_size = size_t{1} << 30; // XPU_LITE_CACHE_SIZE: bytes; 0: no cache on disk
  std::string without = "";            // XPU_LITE_WITHOUT=fp64,fp16,atomic64
  bool native_programs = true;         // XPU_LITE_NATIVE_PROGRAMS=0|1
  bool guard = false;                  // XPU_LITE_GUARD=0|1: device addresses fault on the host
  std::string ccl_transport = "auto";  // XPU_LITE_CCL_TRANSPORT=auto|shm|oneccl|gloo
  std::string ccl_shm = "auto";        // XPU_LITE_CCL_SHM=auto|memfd|posix
  std::string ccl_interface = "";      // XPU_LITE_CCL_INTERFACE: "eth0,eth1"; empty: all
  std::string ccl_host_id = "";        // XPU_LITE_CCL_HOST_ID: any text; empty: found out
  bool print_ccl = false;              // XPU_LITE_VERBOSE=ccl
};

// Mutable: a few options can be changed by the Python API.
Options& options();
// The environment as it is now: for what is chosen anew by each process group.
Options read_environment();

// One line per known variable: name, allowed values, meaning, value in use.
struct OptionHelp {
  std::string name, allowed, meaning, value;
};
std::vector<OptionHelp> describe_options();

} // namespace xpu_lite
