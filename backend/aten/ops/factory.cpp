#include "backend/aten/ops/factory.h"

#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/fill.h>
#include <ATen/ops/resize_native.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/install.h"
#include "backend/aten/core/storage.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {
namespace {

constexpr c10::DispatchKeySet kDeviceKey(c10::DispatchKey::PrivateUse1);

void check_options(const char* op, std::optional<at::Layout> layout,
                   std::optional<bool> pin_memory) {
  TORCH_CHECK(!pin_memory.value_or(false), op, ": only dense CPU tensors can be pinned");
  TORCH_CHECK(layout.value_or(at::kStrided) == at::kStrided, op, ": layout ", *layout,
              " is not supported for xpu_lite");
}

// Makes `device` current while it lives, if it names another than the current.
class OnDevice {
 public:
  explicit OnDevice(std::optional<at::Device> device) {
    if (device && device->has_index() && device->index() != current_device()) {
      previous_ = translate([&] { return exchange_device(device->index()); });
    }
  }
  ~OnDevice() {
    if (previous_ >= 0) exchange_device(previous_);
  }

 private:
  int previous_ = -1;
};

at::Tensor filled_if_deterministic(at::TensorBase&& base) {
  at::Tensor tensor(std::move(base));
  if (C10_UNLIKELY(at::globalContext().deterministicAlgorithms() &&
                   at::globalContext().deterministicFillUninitializedMemory())) {
    at::native::fill_empty_deterministic_(tensor);
  }
  return tensor;
}

} // namespace

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout> layout, std::optional<at::Device> device,
                 std::optional<bool> pin_memory, std::optional<at::MemoryFormat> format) {
  check_options("empty", layout, pin_memory);
  OnDevice guard(device);
  return filled_if_deterministic(at::detail::empty_generic(
      size, device_allocator(), kDeviceKey, at::dtype_or_default(dtype), format));
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                         std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                         std::optional<at::Device> device, std::optional<bool> pin_memory) {
  check_options("empty_strided", layout, pin_memory);
  OnDevice guard(device);
  return filled_if_deterministic(at::detail::empty_strided_generic(
      size, stride, device_allocator(), kDeviceKey, at::dtype_or_default(dtype)));
}

at::Tensor efficient_zero_tensor(at::IntArrayRef size, std::optional<at::ScalarType> dtype,
                                 std::optional<at::Layout> layout,
                                 std::optional<at::Device> device,
                                 std::optional<bool> pin_memory) {
  check_options("_efficientzerotensor", layout, pin_memory);
  const auto index = device && device->has_index() ? device->index()
                                                   : static_cast<c10::DeviceIndex>(current_device());
  at::native::ZeroTensorAllocator nothing(c10::Device(kDevice, index));
  return at::Tensor(at::detail::empty_generic(
      size, &nothing, kDeviceKey | c10::DispatchKeySet(c10::DispatchKey::ZeroTensor),
      at::dtype_or_default(dtype), std::nullopt));
}

const at::Tensor& resize_(const at::Tensor& self, at::IntArrayRef size,
                          std::optional<at::MemoryFormat> format) {
  OnDevice guard(self.device());
  // Work in flight may write what is to be moved.
  Stream& stream = current_stream(self.device().index());
  if (!stream.runs_inline()) translate([&] { stream.synchronize(); });
  if (!sycl_operators()) return at::native::resize_(self, size, format);
  const auto before = static_cast<int64_t>(self.storage().nbytes());
  resize_tensor(self, size, std::nullopt);
  if (format.has_value()) {
    TORCH_CHECK(*format != at::MemoryFormat::Preserve, "Unsupported memory format", *format);
    self.unsafeGetTensorImpl()->empty_tensor_restride(*format);
  }
  if (C10_UNLIKELY(at::globalContext().deterministicAlgorithms() &&
                   at::globalContext().deterministicFillUninitializedMemory())) {
    at::native::fill_resize_deterministic_(self, before);
  }
  return self;
}

at::Tensor& set_(at::Tensor& self) {
  OnDevice guard(self.device());
  c10::Storage empty(c10::Storage::use_byte_size_t(), 0, device_allocator(), true);
  return set_storage_strided(self, std::move(empty), 0, {0}, {});
}

at::Tensor& set_storage(at::Tensor& self, at::Storage source) {
  const int64_t count = static_cast<int64_t>(source.nbytes() / self.dtype().itemsize());
  return set_storage_strided(self, std::move(source), 0, {count}, {});
}

at::Tensor& set_storage_strided(at::Tensor& self, at::Storage source, int64_t offset,
                                at::IntArrayRef size, at::IntArrayRef stride) {
  OnDevice guard(self.device());
  at::native::checkSetStorage(self, std::move(source), offset, size, stride);
  // Growing moves what queued work may still write.
  Stream& stream = current_stream(self.device().index());
  if (!stream.runs_inline()) translate([&] { stream.synchronize(); });
  self.unsafeGetTensorImpl()->set_storage_offset(offset);
  at::OptionalIntArrayRef strides =
      stride.data() != nullptr ? at::OptionalIntArrayRef(stride) : std::nullopt;
  if (sycl_operators()) {
    resize_tensor(self, size, strides);
  } else {
    at::native::resize_impl_cpu_(self.unsafeGetTensorImpl(), size, strides);
  }
  return self;
}

at::Tensor& set_tensor(at::Tensor& self, const at::Tensor& source) {
  if (self.unsafeGetTensorImpl() == source.unsafeGetTensorImpl()) return self;
  return set_storage_strided(self, source.storage(), source.storage_offset(), source.sizes(),
                             source.strides());
}

at::Tensor as_strided(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride,
                      std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

void record_stream(at::Tensor& self, at::Stream stream) {
  static_cast<c10::DeviceAllocator*>(device_allocator())
      ->recordStream(self.storage().data_ptr(), stream);
}

bool has_compatible_shallow_copy_type(const at::Tensor& self, const at::Tensor& from) {
  const auto ours = [](const at::Tensor& t) {
    return t.device().type() == kDevice || t.device().is_cpu();
  };
  return ours(self) && ours(from) && self.layout() == from.layout();
}

} // namespace xpu_lite::aten
