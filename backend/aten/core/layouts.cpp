#include "backend/aten/core/layouts.h"

#include <ATen/NestedTensorImpl.h>
#include <ATen/SparseCsrTensorImpl.h>
#include <ATen/SparseTensorImpl.h>
#include <ATen/quantized/QTensorImpl.h>
#include <ATen/quantized/Quantizer.h>
#include <c10/core/DeviceGuard.h>

#include "backend/aten/core/alias.h"
#include "backend/aten/core/write_watch.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {
namespace {

using at::native::NestedTensorImpl;

bool is_compressed(c10::Layout layout) {
  return layout == c10::kSparseCsr || layout == c10::kSparseCsc || layout == c10::kSparseBsr ||
      layout == c10::kSparseBsc;
}

// How the dense parts of a tensor change sides, and which sides those are.
struct Side {
  c10::Device device;
  c10::DispatchKey sparse, compressed, quantized, dense;
  at::Tensor operator()(const at::Tensor& part) const;
};

Side cpu_side() {
  return {c10::Device(c10::kCPU), c10::DispatchKey::SparseCPU, c10::DispatchKey::SparseCsrCPU,
          c10::DispatchKey::QuantizedCPU, c10::DispatchKey::CPU};
}
Side device_side(int index) {
  return {c10::Device(kDevice, static_cast<c10::DeviceIndex>(index)),
          c10::DispatchKey::SparsePrivateUse1, c10::DispatchKey::SparseCsrPrivateUse1,
          c10::DispatchKey::QuantizedPrivateUse1, c10::DispatchKey::PrivateUse1};
}

// A second TensorImpl of the same memory. Retagging changes the impl it is given,
// and an operator's result often holds the very parts of its argument.
at::Tensor shallow(const at::Tensor& tensor) {
  const c10::TensorImpl* from = tensor.unsafeGetTensorImpl();
  return at::Tensor(from->shallow_copy_and_detach(c10::VariableVersion(0),
                                                  /*allow_tensor_metadata_change=*/true));
}

at::Tensor Side::operator()(const at::Tensor& part) const {
  about_to_write(part); // the operator may
  return device.is_cpu() ? cpu_alias(part) : to_device_tensor(shallow(part), device.index());
}

// Empty tensors that constructors make are made on the current device.
template <class Impl, class... Args>
at::Tensor make_on(c10::Device device, Args&&... args) {
  c10::OptionalDeviceGuard guard;
  if (device.type() == kDevice) {
    guard.reset_device(device);
  }
  return at::detail::make_tensor<Impl>(std::forward<Args>(args)...);
}

at::Tensor convert_sparse(const at::Tensor& from, const Side& side) {
  auto* source = static_cast<at::SparseTensorImpl*>(from.unsafeGetTensorImpl());
  at::Tensor result = make_on<at::SparseTensorImpl>(side.device, c10::DispatchKeySet(side.sparse),
                                                    from.dtype());
  auto* impl = static_cast<at::SparseTensorImpl*>(result.unsafeGetTensorImpl());
  impl->raw_resize_(source->sparse_dim(), source->dense_dim(), from.sizes());
  impl->set_indices_and_values_unsafe(side(source->indices()), side(source->values()));
  impl->set_coalesced(source->coalesced());
  return result;
}

at::Tensor convert_compressed(const at::Tensor& from, const Side& side) {
  auto* source = static_cast<at::SparseCsrTensorImpl*>(from.unsafeGetTensorImpl());
  at::Tensor result = make_on<at::SparseCsrTensorImpl>(
      side.device, c10::DispatchKeySet(side.compressed), side.device, from.layout(), from.dtype());
  auto* impl = static_cast<at::SparseCsrTensorImpl*>(result.unsafeGetTensorImpl());
  impl->set_member_tensors(side(source->compressed_indices()), side(source->plain_indices()),
                           side(source->values()), from.sizes());
  return result;
}

at::Tensor convert_quantized(const at::Tensor& from, const Side& side) {
  auto* source = at::get_qtensorimpl(from);
  // The storage travels as a dense tensor of its bytes.
  const c10::Storage& storage = source->unsafe_storage();
  at::Tensor bytes = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(storage),
      c10::DispatchKeySet(side.device.is_cpu() ? c10::DispatchKey::PrivateUse1
                                               : c10::DispatchKey::CPU),
      caffe2::TypeMeta::Make<uint8_t>());
  bytes.unsafeGetTensorImpl()->set_sizes_contiguous(static_cast<int64_t>(storage.nbytes()));
  const at::Tensor moved = side.device.is_cpu() ? cpu_alias(bytes)
                                                : to_device_tensor(bytes, side.device.index());
  at::Tensor result = at::detail::make_tensor<at::QTensorImpl>(
      c10::Storage(moved.storage()), c10::DispatchKeySet(side.quantized), from.dtype(),
      source->quantizer());
  result.unsafeGetTensorImpl()->set_sizes_and_strides(from.sizes(), from.strides(),
                                                      from.storage_offset());
  return result;
}

at::Tensor convert_nested(const at::Tensor& from, const Side& side) {
  auto* source = static_cast<NestedTensorImpl*>(from.unsafeGetTensorImpl());
  // Sizes, strides and offsets are on the CPU wherever the data is.
  return at::detail::make_tensor<NestedTensorImpl>(
      side(source->get_unsafe_storage_as_tensor()), source->get_nested_sizes(),
      source->get_nested_strides(), source->get_storage_offsets());
}

at::Tensor convert(const at::Tensor& from, const Side& side) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      engine().supports(Feature::HostReadableMemory),
      "xpu_lite: tensors of layout ", from.layout(), " (", from.toString(), ") need device memory "
      "that the host can read, which this device has not; keep them on the CPU");
  if (from.layout() == c10::kSparse) return convert_sparse(from, side);
  if (is_compressed(from.layout())) return convert_compressed(from, side);
  if (from.is_quantized()) return convert_quantized(from, side);
  if (from.is_nested()) return convert_nested(from, side);
  TORCH_CHECK(false, "xpu_lite: tensors of layout ", from.layout(), " (", from.toString(),
              ") are not supported on the device");
}

} // namespace

at::Tensor to_cpu_any_layout(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.device().is_cpu()) return tensor;
  if (is_plain_dense(tensor)) return cpu_alias(tensor);
  return convert(tensor, cpu_side());
}

at::Tensor from_cpu_any_layout(at::Tensor cpu, int device) {
  if (!cpu.defined() || cpu.device().type() == kDevice) return cpu;
  if (is_plain_dense(cpu)) return to_device_tensor(std::move(cpu), device);
  return convert(cpu, device_side(device));
}

} // namespace xpu_lite::aten
