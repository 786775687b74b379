// The device guard: how torch sets devices and streams and uses events.

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceCapability.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/errors.h"
#include "backend/runtime/allocator.h"
#include "backend/runtime/device.h"
#include "backend/runtime/event.h"
#include "backend/runtime/stream.h"

namespace xpu_lite::aten {
namespace {

c10::Device to_device(int index) {
  return c10::Device(kDevice, static_cast<c10::DeviceIndex>(index));
}

c10::Stream to_c10(const Stream& stream) {
  return c10::Stream(c10::Stream::UNSAFE, to_device(stream.device()), stream.id());
}

int index_of(c10::Device device) {
  return device.has_index() ? device.index() : current_device();
}

Stream& from_c10(const c10::Stream& stream) {
  TORCH_CHECK(stream.device_type() == kDevice, "Expected a stream of an xpu_lite device, got one of ",
              stream.device());
  return stream_from_id(stream.device_index(), stream.id());
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kDevice; }

  c10::Device exchangeDevice(c10::Device device) const override {
    return translate([&] { return to_device(maybe_exchange_device(device.index())); });
  }
  c10::Device getDevice() const override { return to_device(current_device()); }
  void setDevice(c10::Device device) const override {
    translate([&] { set_device(device.index()); });
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.index() >= 0) set_device(device.index());
  }
  c10::DeviceIndex deviceCount() const noexcept override {
    try {
      return static_cast<c10::DeviceIndex>(device_count());
    } catch (const std::exception&) {
      return 0; // a bad XPU_LITE_DEVICES is reported by whoever asks for a device
    }
  }

  c10::Stream getStream(c10::Device device) const override {
    return translate([&] { return to_c10(current_stream(index_of(device))); });
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return translate([&] { return to_c10(default_stream(index_of(device))); });
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool high_priority) const override {
    return translate([&] { return to_c10(pool_stream(index_of(device), high_priority)); });
  }
  c10::Stream getNewStream(c10::Device device, int priority) const override {
    return translate([&] { return to_c10(pool_stream(index_of(device), priority < 0)); });
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return translate([&] {
      const c10::Stream previous = to_c10(current_stream(stream.device_index()));
      set_current_stream(from_c10(stream));
      return previous;
    });
  }
  void* getStreamNativeHandle(const c10::Stream stream) const override {
    return translate([&] {
      Stream& mine = from_c10(stream);
      void* handle = mine.queue().native_handle();
      return handle ? handle : static_cast<void*>(&mine);
    });
  }
  bool queryStream(const c10::Stream& stream) const override {
    return translate([&] { return from_c10(stream).query(); });
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    translate([&] { from_c10(stream).synchronize(); });
  }
  void synchronizeDevice(const c10::DeviceIndex device) const override {
    translate([&] { synchronize_device(device < 0 ? current_device() : device); });
  }
  bool isStreamCapturing(const c10::Stream&) const override { return false; }

  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex device,
              const c10::EventFlag flag) const override {
    translate([&] {
      TORCH_CHECK(device == -1 || device == stream.device_index(), "Event device index ",
                  static_cast<int>(device), " does not match recording stream's device index ",
                  static_cast<int>(stream.device_index()), ".");
      if (*event == nullptr) *event = new Event(flag == c10::EventFlag::BACKEND_DEFAULT);
      static_cast<Event*>(*event)->record(from_c10(stream));
    });
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event == nullptr) return;
    translate([&] { static_cast<Event*>(event)->block(from_c10(stream)); });
  }
  bool queryEvent(void* event) const override {
    return event == nullptr || static_cast<Event*>(event)->query();
  }
  void synchronizeEvent(void* event) const override {
    if (event == nullptr) return;
    translate([&] { static_cast<Event*>(event)->synchronize(); });
  }
  void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override {
    delete static_cast<Event*>(event);
  }
  double elapsedTime(void* start, void* end, const c10::DeviceIndex) const override {
    TORCH_CHECK(start != nullptr && end != nullptr,
                "Both events must be recorded before calculating elapsed time.");
    return translate(
        [&] { return elapsed_ms(*static_cast<Event*>(start), *static_cast<Event*>(end)); });
  }
  void recordDataPtrOnStream(const c10::DataPtr& ptr, const c10::Stream& stream) const override {
    static_cast<c10::DeviceAllocator*>(device_allocator())->recordStream(ptr, stream);
  }

  c10::DeviceCapability getDeviceCapability(c10::Device) const override {
    return {}; // every scalar type
  }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

} // namespace
} // namespace xpu_lite::aten
