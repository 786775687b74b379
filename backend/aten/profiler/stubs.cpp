// The device's events and ranges for the profiler modes that do not go through
// Kineto: timing by event pairs (use_device="xpu_lite" without device activities).

#include <memory>

#include <torch/csrc/profiler/stubs/base.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/profiler/recorder.h"
#include "backend/runtime/device.h"
#include "backend/runtime/event.h"
#include "backend/runtime/stream.h"

#include <c10/util/ApproximateClock.h>

namespace xpu_lite::aten {
namespace {

using torch::profiler::impl::ProfilerVoidEventStub;

struct Stubs final : torch::profiler::impl::ProfilerStubs {
  void record(c10::DeviceIndex* device, ProfilerVoidEventStub* event,
              int64_t* cpu_ns) const override {
    translate([&] {
      const int index = current_device();
      auto made = std::make_shared<Event>(/*enable_timing=*/true);
      made->record(current_stream(index));
      if (device) {
        *device = static_cast<c10::DeviceIndex>(index);
      }
      if (cpu_ns) {
        *cpu_ns = c10::getTime();
      }
      *event = std::move(made);
    });
  }

  // Microseconds between two events; waits for both.
  float elapsed(const ProfilerVoidEventStub* first,
                const ProfilerVoidEventStub* second) const override {
    return translate([&] {
      auto* start = static_cast<Event*>(first->get());
      auto* end = static_cast<Event*>(second->get());
      start->synchronize();
      end->synchronize();
      return static_cast<float>(elapsed_ms(*start, *end) * 1000.0);
    });
  }

  void mark(const char* name) const override { profiler::mark(name); }
  void rangePush(const char* name) const override { profiler::range_push(name); }
  void rangePop() const override { profiler::range_pop(); }
  bool enabled() const override { return true; }

  void onEachDevice(std::function<void(int)> op) const override {
    const int count = translate([] { return device_count(); });
    for (int device = 0; device < count; ++device) {
      const int previous = exchange_device(device);
      op(device);
      set_device(previous);
    }
  }

  void synchronize() const override {
    translate([] { synchronize_device(current_device()); });
  }
};

struct RegisterStubs {
  RegisterStubs() {
    static Stubs stubs;
    torch::profiler::impl::registerPrivateUse1Methods(&stubs);
  }
} register_stubs;

} // namespace
} // namespace xpu_lite::aten
