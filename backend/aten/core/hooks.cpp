// What torch asks an accelerator: devices, generators, pinned memory, resizing.

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/AutogradState.h>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/storage.h"
#include "backend/aten/generator.h"
#include "backend/runtime/allocator.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {
namespace {

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  // Must not throw, start anything, or spoil a later fork.
  bool isAvailable() const override {
    try {
      return device_count() > 0;
    } catch (const std::exception&) {
      return false;
    }
  }
  void init() const override {
    translate([] { initialize(); });
  }
  bool hasPrimaryContext(c10::DeviceIndex device) const override {
    return is_initialized() && device >= 0 && device < device_count();
  }

  c10::DeviceIndex deviceCount() const override {
    return translate([] { return static_cast<c10::DeviceIndex>(device_count()); });
  }
  void setCurrentDevice(c10::DeviceIndex device) const override {
    translate([&] { set_device(device); });
  }
  c10::DeviceIndex getCurrentDevice() const override {
    return static_cast<c10::DeviceIndex>(current_device());
  }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex device) const override {
    return translate([&] { return static_cast<c10::DeviceIndex>(exchange_device(device)); });
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex device) const override {
    return translate([&] { return static_cast<c10::DeviceIndex>(maybe_exchange_device(device)); });
  }

  const at::Generator& getDefaultGenerator(c10::DeviceIndex device) const override {
    return translate([&]() -> const at::Generator& { return default_generator(device); });
  }
  at::Generator getNewGenerator(c10::DeviceIndex device) const override {
    return translate([&] { return make_generator(device); });
  }

  bool isPinnedPtr(const void* data) const override {
    return is_pinned(data);
  }
  c10::Allocator* getPinnedMemoryAllocator() const override {
    return at::getHostAllocator(kDevice);
  }
  at::Device getDeviceFromPtr(void* data) const override {
    const int device = device_of_pointer(data);
    TORCH_CHECK(device >= 0, "the pointer ", data, " is not memory of an xpu_lite device");
    return at::Device(kDevice, static_cast<c10::DeviceIndex>(device));
  }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    resize_storage(storage.unsafeGetStorageImpl(), bytes);
  }
};

const bool registered = [] {
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  return true;
}();

} // namespace
} // namespace xpu_lite::aten
