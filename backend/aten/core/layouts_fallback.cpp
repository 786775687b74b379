// The boxed kernel for sparse, quantized and nested tensors of the device; see
// layouts.h. It is the third route of DESIGN's three: slower than the others, but
// what it computes is torch's own CPU code.

#include <vector>

#include <ATen/SparseCsrTensorImpl.h>
#include <ATen/SparseTensorImpl.h>
#include <ATen/quantized/QTensorImpl.h>
#include <ATen/quantized/Quantizer.h>

#include "backend/aten/core/alias.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/fallback.h"
#include "backend/aten/core/layouts.h"
#include "backend/aten/core/write_watch.h"
#include "backend/aten/profiler/span.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {
namespace {

// One call: what its arguments became on the CPU, and how they go back.
class Call {
 public:
  explicit Call(const c10::OperatorHandle& op) : op_(op) {}

  void find_device(at::ArrayRef<c10::IValue> arguments);
  c10::IValue to_cpu(const c10::IValue& value, bool written);
  void run(torch::jit::Stack* stack);
  void write_back();
  c10::IValue result(c10::IValue value);

 private:
  struct Entry {
    at::Tensor original, alias;
    bool written;
  };
  void see(const at::Tensor& tensor);
  at::Tensor to_cpu(const at::Tensor& tensor, bool written);
  at::Tensor result(at::Tensor tensor);
  void write_back(const Entry& entry);

  const c10::OperatorHandle& op_;
  int device_ = -1;
  bool factory_ = false;    // has a device argument
  bool result_on_cpu_ = false; // ... which names the CPU
  c10::DispatchKeySet keys_;
  std::vector<Entry> entries_;
};

// Operators that take CPU tensors beside device tensors by design: copies, and
// nested tensors, whose sizes are always on the CPU.
bool mixes_devices(const c10::OperatorHandle& op) {
  const std::string& name = op.operator_name().name;
  return name == "aten::copy_" || name == "aten::_copy_from" || name == "aten::_to_copy" ||
      name == "aten::set_" || name.find("nested") != std::string::npos;
}

void Call::see(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.device().type() != kDevice) {
    return;
  }
  const int index = tensor.device().index();
  TORCH_CHECK(device_ < 0 || device_ == index || factory_ || mixes_devices(op_), op_.operator_name().name,
              ": Expected all tensors to be on the same device, but found at least two devices, ",
              c10::Device(kDevice, static_cast<c10::DeviceIndex>(device_)), " and ",
              tensor.device(), "!");
  if (device_ < 0) {
    device_ = index;
  }
}

void Call::find_device(at::ArrayRef<c10::IValue> arguments) {
  bool wanted = false;
  for (const c10::IValue& value : arguments) {
    factory_ |= value.isDevice();
  }
  for (const c10::IValue& value : arguments) {
    if (value.isTensor()) {
      see(value.toTensor());
    } else if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector()) see(tensor);
    } else if (value.isOptionalTensorList()) {
      for (const auto& tensor : value.toOptionalTensorVector()) {
        if (tensor) see(*tensor);
      }
    } else if (value.isDevice()) {
      const c10::Device device = value.toDevice();
      result_on_cpu_ = device.is_cpu();
      if (device.type() == kDevice) {
        wanted = true;
        if (device.has_index() || device_ < 0) {
          device_ = device.has_index() ? device.index() : current_device();
        }
      }
    }
  }
  if (device_ < 0) {
    device_ = current_device();
  }
  if (wanted) {
    translate([&] { check_device(device_); });
  }
}

at::Tensor Call::to_cpu(const at::Tensor& tensor, bool written) {
  if (!tensor.defined()) {
    return tensor;
  }
  for (Entry& entry : entries_) {
    if (entry.original.is_same(tensor)) {
      entry.written |= written;
      return entry.alias;
    }
  }
  if (tensor.device().type() != kDevice) {
    TORCH_CHECK(tensor.device().is_cpu() && (tensor.dim() == 0 || factory_ || mixes_devices(op_)),
                op_.operator_name().name,
                ": Expected all tensors to be on the same device, but found at least two devices, ",
                c10::Device(kDevice, static_cast<c10::DeviceIndex>(device_)), " and ",
                tensor.device(), "!");
  }
  about_to_write(tensor); // the operator may
  at::Tensor alias = to_cpu_any_layout(tensor);
  if (tensor.requires_grad() && op_.operator_name().name == "aten::_sparse_mm_reduce_impl") {
    alias.set_requires_grad(true); // it keeps what its backward needs only then
  }
  keys_ = keys_ | alias.key_set();
  entries_.push_back({tensor, alias, written});
  return alias;
}

c10::IValue Call::to_cpu(const c10::IValue& value, bool written) {
  if (value.isTensor()) {
    return to_cpu(value.toTensor(), written);
  }
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(to_cpu(tensor, written));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const auto& tensor : value.toOptionalTensorVector()) {
      list.push_back(tensor ? std::optional<at::Tensor>(to_cpu(*tensor, written)) : std::nullopt);
    }
    return list;
  }
  if (value.isDevice() && value.toDevice().type() == kDevice) {
    return c10::Device(c10::kCPU);
  }
  return value;
}

void Call::run(torch::jit::Stack* stack) {
  Stream& stream = current_stream(device_);
  translate([&] { stream.synchronize(); }); // queued work may still write the arguments
  OpScope scope(device_, stream);
  KernelSpan span(op_.operator_name().name.c_str(), stream);
  if (factory_) {
    op_.callBoxed(stack); // its dispatch key comes from dtype, layout and device
  } else {
    // Not callBoxed: the profiler would show the operator twice.
    op_.redispatchBoxed(keys_ & c10::after_ADInplaceOrView_keyset, stack);
  }
}

void Call::write_back(const Entry& entry) {
  c10::TensorImpl* to = entry.original.unsafeGetTensorImpl();
  if (entry.original.device().is_cpu()) {
    // A CPU tensor must not keep memory of the device's allocator.
    if (entry.original.layout() == c10::kSparse) {
      auto* impl = static_cast<at::SparseTensorImpl*>(to);
      const bool coalesced = impl->coalesced();
      impl->set_indices_and_values_unsafe(impl->indices().clone(), impl->values().clone());
      impl->set_coalesced(coalesced);
    } else if (!is_plain_dense(entry.original) && !entry.original.is_quantized() &&
               !entry.original.is_nested()) {
      auto* impl = static_cast<at::SparseCsrTensorImpl*>(to);
      impl->set_member_tensors(impl->compressed_indices().clone(), impl->plain_indices().clone(),
                               impl->values().clone(), entry.original.sizes());
    }
    return;
  }
  const at::Tensor& alias = entry.alias;
  if (entry.original.layout() == c10::kSparse) {
    const at::Tensor made = from_cpu_any_layout(alias, entry.original.device().index());
    auto* from = static_cast<at::SparseTensorImpl*>(made.unsafeGetTensorImpl());
    auto* impl = static_cast<at::SparseTensorImpl*>(to);
    impl->raw_resize_(from->sparse_dim(), from->dense_dim(), made.sizes());
    impl->set_indices_and_values_unsafe(from->indices(), from->values());
    impl->set_coalesced(from->coalesced());
  } else if (!is_plain_dense(entry.original) && !entry.original.is_quantized() &&
             !entry.original.is_nested()) {
    const at::Tensor made = from_cpu_any_layout(alias, entry.original.device().index());
    auto* from = static_cast<at::SparseCsrTensorImpl*>(made.unsafeGetTensorImpl());
    static_cast<at::SparseCsrTensorImpl*>(to)->set_member_tensors(
        from->compressed_indices(), from->plain_indices(), from->values(), made.sizes());
  } else if (!entry.original.is_nested()) {
    c10::StorageImpl* storage = to->unsafe_storage().unsafeGetStorageImpl();
    const c10::TensorImpl* from = alias.unsafeGetTensorImpl();
    c10::StorageImpl* changed = from->unsafe_storage().unsafeGetStorageImpl();
    if (changed->data() != storage->data() || changed->nbytes() != storage->nbytes()) {
      // The kernel resized the storage: take its new memory over.
      const at::Tensor made = from_cpu_any_layout(alias, entry.original.device().index());
      to->set_storage_keep_dtype(made.storage());
    }
    if (from->sizes() != to->sizes() || from->strides() != to->strides() ||
        from->storage_offset() != to->storage_offset()) {
      to->set_sizes_and_strides(from->sizes(), from->strides(), from->storage_offset());
    }
    if (entry.original.is_quantized()) {
      at::get_qtensorimpl(entry.original)->set_quantizer_(at::get_qtensorimpl(alias)->quantizer());
    }
  }
}

void Call::write_back() {
  for (const Entry& entry : entries_) {
    if (entry.written) write_back(entry);
  }
}

at::Tensor Call::result(at::Tensor tensor) {
  if (!tensor.defined() || tensor.device().type() != c10::kCPU) {
    return tensor;
  }
  for (const Entry& entry : entries_) {
    if (entry.alias.is_same(tensor)) return entry.original;
  }
  if (result_on_cpu_) {
    return tensor.clone(); // in CPU memory: no OpScope is open here
  }
  // Something else holds it (a quantizer its scales): leave that one as it is.
  const bool shared = is_plain_dense(tensor) && tensor.use_count() > 1;
  return from_cpu_any_layout(shared ? tensor.clone() : std::move(tensor), device_);
}

c10::IValue Call::result(c10::IValue value) {
  if (value.isTensor()) {
    return result(std::move(value).toTensor());
  }
  if (value.isTensorList()) {
    std::vector<at::Tensor> tensors = std::move(value).toTensorVector();
    c10::List<at::Tensor> list;
    for (at::Tensor& tensor : tensors) list.push_back(result(std::move(tensor)));
    return list;
  }
  return value;
}

} // namespace

void layout_fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  count_fallback(op);
  const c10::FunctionSchema& schema = op.schema();
  const size_t count = schema.arguments().size();
  const size_t first = stack->size() - count;

  Call call(op);
  call.find_device(at::ArrayRef<c10::IValue>(stack->data() + first, count));
  for (size_t i = 0; i < count; ++i) {
    const c10::AliasInfo* info = schema.arguments()[i].alias_info();
    c10::IValue& slot = (*stack)[first + i];
    slot = call.to_cpu(slot, info != nullptr && info->isWrite());
  }
  call.run(stack);
  call.write_back();
  for (size_t i = 0; i < schema.returns().size(); ++i) {
    c10::IValue& slot = (*stack)[first + i];
    slot = call.result(std::move(slot));
  }
}

} // namespace xpu_lite::aten
