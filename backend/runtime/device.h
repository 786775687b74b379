#pragma once

// The devices of this process and the calling thread's current device: the one
// source of truth for both.

#include <atomic>

#include "backend/runtime/engine.h"

namespace xpu_lite {

// Most logical devices that one process may have; sizes per-thread tables.
constexpr int kMaxDevices = 64;

// Number of logical devices. Chooses the engine from XPU_LITE_DEVICES on first
// use; throws ValueError for a value it does not know, listing what was found.
int device_count();

// The engine in use. Creates it on first use.
Engine& engine();

// Thread-local current device; -1 is never returned.
int current_device() noexcept;
void set_device(int device);               // throws ValueError
int exchange_device(int device);           // throws ValueError; returns previous
int maybe_exchange_device(int device);     // negative: does nothing

// Throws ValueError "device index 5 out of range [0, 2)" if it does not exist.
void check_device(int device);
const DeviceProperties& device_properties(int device);

// True after the first allocation, stream, or explicit initialize(). A process
// forked from an initialized one is in a "bad fork": initialize() then throws
// an Error that says to use the spawn start method.
void initialize();
bool is_initialized() noexcept;
bool in_bad_fork() noexcept;

namespace detail {
enum ProcessState : int { kNotInitialized, kInitialized, kBadFork };
extern std::atomic<int> process_state;
} // namespace detail

// initialize() for hot paths: one load once it has been done.
inline void ensure_initialized() {
  if (detail::process_state.load(std::memory_order_acquire) != detail::kInitialized)
    initialize();
}

} // namespace xpu_lite
