// One table of every XPU_LITE_* variable. Parsing, checking, the error for an
// unknown name and `xpu-lite info` all read it, so none of them can disagree.

#include "backend/runtime/options.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>

#include "backend/runtime/cpu_features.h"
#include "backend/runtime/error.h"

extern char** environ;

namespace xpu_lite {
namespace {

struct Variable {
  const char* name;
  const char* allowed;
  const char* meaning;
  // Both are null for a variable that another part of the package parses; it is
  // listed so that it is known here and documented.
  std::function<void(Options&, const std::string&)> parse;
  std::function<std::string(const Options&)> show;
};

[[noreturn]] void refuse(const Variable& variable, const std::string& value) {
  throw ValueError(message(variable.name, "='", value, "' is not a valid value; allowed: ",
                           variable.allowed));
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool parse_flag(const std::string& text, bool& out) {
  const std::string value = lower(text);
  if (value == "1" || value == "on" || value == "true") return out = true, true;
  if (value == "0" || value == "off" || value == "false") return out = false, true;
  return false;
}

// "512M", "8G", "1T", "1048576", "1.5G"; a trailing B or iB is accepted.
bool parse_size(const std::string& text, size_t& out) {
  if (text.empty() || !std::isdigit(static_cast<unsigned char>(text[0]))) return false;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  std::string unit = lower(end);
  if (unit.size() > 1 && unit.back() == 'b') unit.pop_back();
  if (unit.size() == 2 && unit[1] == 'i') unit.pop_back();
  double scale = 1;
  if (unit == "k") scale = 1024.;
  else if (unit == "m") scale = 1024. * 1024;
  else if (unit == "g") scale = 1024. * 1024 * 1024;
  else if (unit == "t") scale = 1024. * 1024 * 1024 * 1024;
  else if (!unit.empty() && unit != "b") return false;
  const double bytes = number * scale;
  if (!(bytes >= 0) || bytes > 9e18) return false;
  out = static_cast<size_t>(bytes);
  return true;
}

const char* show_flag(bool value) { return value ? "1" : "0"; }

const char* show_policy(FallbackPolicy policy) {
  switch (policy) {
    case FallbackPolicy::Allow: return "allow";
    case FallbackPolicy::Warn: return "warn";
    case FallbackPolicy::Error: return "error";
  }
  return "?";
}

// "routes,ccl" by its commas, without spaces.
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == ',') parts.emplace_back();
    else if (!std::isspace(static_cast<unsigned char>(c))) parts.back() += c;
  }
  return parts;
}

std::string show_verbose(const Options& o) {
  if (o.print_routes) return o.print_ccl ? "routes,ccl" : "routes";
  return o.print_ccl ? "ccl" : "none";
}

const std::vector<Variable>& variables();

const Variable& variable(const char* name) {
  for (const Variable& v : variables())
    if (std::strcmp(v.name, name) == 0) return v;
  throw Error(message("no such option: ", name));
}

// The value as one of `values`, the first of which an empty text means.
std::string one_of(const char* name, const std::string& text,
                   const std::vector<std::string>& values) {
  const std::string value = text.empty() ? values.front() : lower(text);
  if (std::find(values.begin(), values.end(), value) == values.end())
    refuse(variable(name), text);
  return value;
}

const std::vector<Variable>& variables() {
  static const auto& table = *new std::vector<Variable>{
      {"XPU_LITE_DEVICES", "auto, host, level_zero:gpu, opencl:cpu, opencl:gpu; with :N, N devices",
       "the engine, and the number of logical devices",
       // The registry checks this one: what is allowed depends on what it finds.
       [](Options& o, const std::string& v) { o.devices = v.empty() ? "auto" : v; },
       [](const Options& o) { return o.devices; }},
      {"XPU_LITE_MEMORY_LIMIT", "a size such as 512M, 8G or 1T; 0 for none",
       "bytes that this process may reserve on each device",
       [](Options& o, const std::string& v) {
         if (!parse_size(v, o.memory_limit)) refuse(variable("XPU_LITE_MEMORY_LIMIT"), v);
       },
       [](const Options& o) { return std::to_string(o.memory_limit); }},
      {"XPU_LITE_FALLBACK", "allow, warn, error",
       "what to do with an operator that takes the boxed fallback",
       [](Options& o, const std::string& v) {
         const std::string value = lower(v);
         if (value == "allow") o.fallback = FallbackPolicy::Allow;
         else if (value == "warn") o.fallback = FallbackPolicy::Warn;
         else if (value == "error") o.fallback = FallbackPolicy::Error;
         else refuse(variable("XPU_LITE_FALLBACK"), v);
       },
       [](const Options& o) { return show_policy(o.fallback); }},
      {"XPU_LITE_VERBOSE", "routes, ccl, none; several with commas between",
       "print the route that each operator takes; the transport of each process group",
       [](Options& o, const std::string& v) {
         o.print_routes = o.print_ccl = false;
         for (const std::string& value : split(lower(v))) {
           if (value == "routes") o.print_routes = true;
           else if (value == "ccl") o.print_ccl = true;
           else if (value != "none" && value != "0" && !value.empty())
             refuse(variable("XPU_LITE_VERBOSE"), v);
         }
       },
       [](const Options& o) { return show_verbose(o); }},
      {"XPU_LITE_ISA", "avx2, avx512, avx512_vnni, avx512_bf16, avx512_fp16, amx",
       "the highest instruction set that kernels may use",
       [](Options& o, const std::string& v) {
         try {
           if (!v.empty()) parse_isa(v);
         } catch (const ValueError&) {
           refuse(variable("XPU_LITE_ISA"), v);
         }
         o.isa_cap = lower(v);
       },
       [](const Options& o) { return o.isa_cap; }},
      {"XPU_LITE_HUGE_PAGES", "0, 1", "ask for transparent huge pages on the host engine",
       [](Options& o, const std::string& v) {
         if (!parse_flag(v, o.huge_pages)) refuse(variable("XPU_LITE_HUGE_PAGES"), v);
       },
       [](const Options& o) { return show_flag(o.huge_pages); }},
      {"XPU_LITE_CACHING", "0, 1", "keep freed memory for reuse; 0 returns it at once",
       [](Options& o, const std::string& v) {
         if (!parse_flag(v, o.caching)) refuse(variable("XPU_LITE_CACHING"), v);
       },
       [](const Options& o) { return show_flag(o.caching); }},
      {"XPU_LITE_GUARD", "0, 1",
       "SYCL engine: a read or write of device memory by host code faults; for debugging",
       [](Options& o, const std::string& v) {
         if (!parse_flag(v, o.guard)) refuse(variable("XPU_LITE_GUARD"), v);
       },
       [](const Options& o) { return show_flag(o.guard); }},
      {"XPU_LITE_GEMM", "amx, avx512_bf16, avx512, avx2, tile_model, reference",
       "which matrix product for packed weights to use where it can be used", nullptr, nullptr},
      {"XPU_LITE_WINOGRAD", "auto, off",
       "float32 3x3 convolutions by Winograd's method: where it is faster, or never", nullptr,
       nullptr},
      {"XPU_LITE_PACK", "auto, off, or a size such as 512M",
       "keep packed weights: yes, no, or up to this size (auto: a quarter of the memory)",
       [](Options& o, const std::string& v) {
         const std::string value = lower(v);
         o.pack_weights = value != "off" && value != "0";
         o.pack_limit = 0;
         if (value == "auto" || value == "off" || value == "0" || value == "1") return;
         if (!parse_size(v, o.pack_limit)) refuse(variable("XPU_LITE_PACK"), v);
       },
       [](const Options& o) {
         return !o.pack_weights ? "off" : o.pack_limit == 0 ? "auto" : std::to_string(o.pack_limit);
       }},
      {"XPU_LITE_CACHE_DIR", "a folder",
       "where kernels built for a SYCL device are kept; default: ~/.cache/xpu_lite",
       [](Options& o, const std::string& v) { o.cache_dir = v; },
       [](const Options& o) { return o.cache_dir; }},
      {"XPU_LITE_CACHE_SIZE", "a size such as 512M; 0 for no cache on disk",
       "the largest size of the folder of built kernels",
       [](Options& o, const std::string& v) {
         if (!parse_size(v, o.cache_size)) refuse(variable("XPU_LITE_CACHE_SIZE"), v);
       },
       [](const Options& o) { return std::to_string(o.cache_size); }},
      {"XPU_LITE_KERNEL_DIR", "a folder",
       "where the SYCL engine's kernels are; default: the package's own", nullptr, nullptr},
      {"XPU_LITE_WITHOUT", "fp64, fp16, atomic64, onednn; several with commas between",
       "treat SYCL devices as if they did not have this, or oneDNN as if it were not installed",
       [](Options& o, const std::string& v) {
         o.without = lower(v);
         for (const std::string& value : split(o.without))
           if (value != "fp64" && value != "fp16" && value != "atomic64" && value != "onednn" &&
               !value.empty())
             refuse(variable("XPU_LITE_WITHOUT"), v);
       },
       [](const Options& o) { return o.without; }},
      {"XPU_LITE_NATIVE_PROGRAMS", "0, 1",
       "build kernels by the driver's own interface, which allows to keep them on disk; "
       "0: by SYCL",
       [](Options& o, const std::string& v) {
         if (!parse_flag(v, o.native_programs)) refuse(variable("XPU_LITE_NATIVE_PROGRAMS"), v);
       },
       [](const Options& o) { return show_flag(o.native_programs); }},
      {"XPU_LITE_CCL_TRANSPORT", "auto, shm, oneccl, gloo",
       "what carries collectives between processes; read by each process group",
       [](Options& o, const std::string& v) {
         o.ccl_transport =
             one_of("XPU_LITE_CCL_TRANSPORT", v, {"auto", "shm", "oneccl", "gloo"});
       },
       [](const Options& o) { return o.ccl_transport; }},
      {"XPU_LITE_CCL_SHM", "auto, memfd, posix",
       "where the shared memory of a process group comes from; read by each process group",
       [](Options& o, const std::string& v) {
         o.ccl_shm = one_of("XPU_LITE_CCL_SHM", v, {"auto", "memfd", "posix"});
       },
       [](const Options& o) { return o.ccl_shm; }},
      {"XPU_LITE_CCL_INTERFACE", "names of network interfaces with commas between",
       "what connections between hosts may use; default: all that are up",
       [](Options& o, const std::string& v) { o.ccl_interface = v; },
       [](const Options& o) { return o.ccl_interface; }},
      {"XPU_LITE_CCL_HOST_ID", "any text",
       "ranks with equal text count as one host; default: found out from the system",
       [](Options& o, const std::string& v) { o.ccl_host_id = v; },
       [](const Options& o) { return o.ccl_host_id; }},
  };
  return table;
}

constexpr char kPrefix[] = "XPU_LITE_";

} // namespace

Options read_environment() {
  Options parsed;
  for (char** entry = environ; entry && *entry; ++entry) {
    if (std::strncmp(*entry, kPrefix, sizeof(kPrefix) - 1) != 0) continue;
    const char* equals = std::strchr(*entry, '=');
    if (!equals) continue;
    const std::string name(*entry, equals - *entry);
    const auto& all = variables();
    auto known = std::find_if(all.begin(), all.end(),
                              [&](const Variable& v) { return name == v.name; });
    if (known == all.end()) {
      std::string names;
      for (const Variable& v : all) names += (names.empty() ? "" : ", ") + std::string(v.name);
      throw ValueError(message("unknown environment variable ", name, "; known are: ", names));
    }
    if (known->parse) known->parse(parsed, equals + 1);
  }
  return parsed;
}

Options& options() {
  // Not destroyed: workers may read it while the process exits. A throw leaves
  // it unset, so every use of a process with a bad variable reports it.
  static Options& parsed = *new Options(read_environment());
  return parsed;
}

std::vector<OptionHelp> describe_options() {
  const Options& current = options();
  std::vector<OptionHelp> help;
  for (const Variable& v : variables()) {
    const char* set = std::getenv(v.name);
    help.push_back({v.name, v.allowed, v.meaning, v.show ? v.show(current) : set ? set : ""});
  }
  return help;
}

} // namespace xpu_lite
