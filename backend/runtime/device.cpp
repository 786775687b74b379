// The registry: one engine per process, chosen on first use.
//
// Choosing an engine starts no thread and touches no memory of a device, so
// device_count() is safe before a fork. initialize() marks the point after which
// a forked child cannot go on: it has our memory but none of our workers.

#include "backend/runtime/device.h"

#include <pthread.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <mutex>

#include "backend/runtime/engines.h"
#include "backend/runtime/error.h"
#include "backend/runtime/options.h"

namespace xpu_lite {

std::atomic<int> detail::process_state{detail::kNotInitialized};

namespace {

struct Chosen {
  std::unique_ptr<Engine> engine;
  int count = 0;
};

// Never destroyed: tensors may be freed by other static destructors.
std::atomic<Chosen*> chosen{nullptr};
std::mutex& choice_mutex() {
  static std::mutex& mutex = *new std::mutex;
  return mutex;
}

thread_local int current = 0;

std::string what_was_found() {
  std::string text;
  for (const EngineEntry& entry : engine_entries())
    for (const std::string& selector : entry.found())
      text += (text.empty() ? "" : ", ") + selector;
  return text;
}

[[noreturn]] void refuse(const std::string& value, const std::string& why) {
  throw ValueError(message(
      "XPU_LITE_DEVICES='", value, "' ", why,
      "; allowed: auto, host, level_zero:gpu, opencl:cpu, opencl:gpu, each but auto also with "
      ":N for N devices (N from 1 to ",
      kMaxDevices, "); found on this machine: ", what_was_found()));
}

// A trailing ":N" is the number of logical devices; 0 when there is none.
int take_count(const std::string& value, std::string& selector) {
  const size_t colon = selector.rfind(':');
  if (colon == std::string::npos || colon + 1 == selector.size() ||
      !std::all_of(selector.begin() + colon + 1, selector.end(),
                   [](unsigned char c) { return std::isdigit(c); }))
    return 0;
  int count = 0;
  const char* last = selector.data() + selector.size();
  const auto result = std::from_chars(selector.data() + colon + 1, last, count);
  if (result.ec != std::errc() || count < 1 || count > kMaxDevices)
    refuse(value, "asks for a number of devices that is out of range");
  selector.resize(colon);
  return count;
}

std::unique_ptr<Engine> make_chosen() {
  const std::string& value = options().devices;
  if (value == "auto") {
    // Only a GPU is better than the host; an OpenCL CPU device must be asked for.
    for (const EngineEntry& entry : engine_entries())
      if (const std::string selector = entry.preferred(); !selector.empty())
        return entry.make(selector, 0);
  }
  std::string selector = value;
  const int count = take_count(value, selector);
  for (const EngineEntry& entry : engine_entries())
    for (const std::string& known : entry.selectors)
      if (selector == known) return entry.make(selector, count);
  refuse(value, "is not a device that xpu-lite knows");
}

// A device's own runtime has threads and locks, which a fork does not take along, from
// the moment that devices are counted; the host engine only from its first use on.
bool lost_by_fork() {
  if (detail::process_state.load() == detail::kInitialized) return true;
  const Chosen* c = chosen.load(std::memory_order_acquire);
  return c != nullptr && c->engine->supports(Feature::DeviceQueues);
}
void after_fork_in_child() {
  if (lost_by_fork()) detail::process_state.store(detail::kBadFork);
}
void watch_forks() {
  static std::once_flag& once = *new std::once_flag;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, after_fork_in_child); });
}

Chosen& choose() {
  if (Chosen* c = chosen.load(std::memory_order_acquire)) return *c;
  std::lock_guard<std::mutex> lock(choice_mutex());
  if (Chosen* c = chosen.load(std::memory_order_acquire)) return *c;
  auto c = std::make_unique<Chosen>();
  c->engine = make_chosen();
  c->count = c->engine->device_count();
  watch_forks();
  chosen.store(c.get(), std::memory_order_release);
  return *c.release();
}

} // namespace

int device_count() { return choose().count; }
Engine& engine() { return *choose().engine; }

int current_device() noexcept { return current; }

void check_device(int device) {
  const int count = device_count();
  if (device < 0 || device >= count)
    throw ValueError(message("device index ", device, " out of range [0, ", count, ")"));
}

void set_device(int device) {
  check_device(device);
  current = device;
}

int exchange_device(int device) {
  check_device(device);
  const int previous = current;
  current = device;
  return previous;
}

int maybe_exchange_device(int device) {
  return device < 0 ? current : exchange_device(device);
}

const DeviceProperties& device_properties(int device) {
  check_device(device);
  return engine().properties(device);
}

void initialize() {
  if (in_bad_fork())
    throw Error(
        "xpu_lite cannot be used again in a forked process: its parent had already "
        "initialized it. Use the 'spawn' start method, for example "
        "torch.multiprocessing.set_start_method('spawn')");
  engine(); // a wrong XPU_LITE_DEVICES throws here and leaves us uninitialized
  int expected = detail::kNotInitialized;
  detail::process_state.compare_exchange_strong(expected, detail::kInitialized);
}

bool is_initialized() noexcept {
  return detail::process_state.load(std::memory_order_acquire) == detail::kInitialized;
}

bool in_bad_fork() noexcept {
  return detail::process_state.load(std::memory_order_acquire) == detail::kBadFork;
}

} // namespace xpu_lite
