#include "backend/aten/core/staged.h"

#include <array>
#include <string_view>
#include <unordered_map>

#include <ATen/core/Tensor.h>
#include <ATen/ops/_efficientzerotensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>

#include "backend/aten/core/alias.h"
#include "backend/aten/core/boxed.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/layouts.h"
#include "backend/aten/core/route2.h"
#include "backend/aten/core/storage.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {
namespace {

// These write running statistics that their schemas do not call mutable.
bool writes_in_secret(const std::string& name) {
  constexpr std::array<std::string_view, 4> names = {
      "aten::native_batch_norm", "aten::native_batch_norm.out", "aten::cudnn_batch_norm",
      "aten::miopen_batch_norm"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

void to_host(void* dst, const void* src, size_t bytes, int device) {
  if (bytes != 0) translate([&] { engine().copy(dst, -1, src, device, bytes); });
}
void to_device(void* dst, const void* src, size_t bytes, int device) {
  if (bytes != 0) translate([&] { engine().copy(dst, device, src, -1, bytes); });
}

// The host copies of one call. Tensors that share a storage share its copy.
class Stage {
 public:
  Stage(const char* op, int device) : op_(op), device_(device) {}

  at::Tensor copy_in(const at::Tensor& tensor, bool written) {
    if (!tensor.defined() || tensor.device().is_cpu()) return tensor;
    TORCH_CHECK(tensor.device() == c10::Device(kDevice, static_cast<c10::DeviceIndex>(device_)),
                op_, ": Expected all tensors to be on the same device, but found at least two "
                "devices, ", c10::Device(kDevice, static_cast<c10::DeviceIndex>(device_)),
                " and ", tensor.device(), "!");
    TORCH_CHECK_NOT_IMPLEMENTED(is_plain_dense(tensor), op_, ": tensors of layout ",
                                tensor.layout(),
                                " need a device whose memory the host can reach");
    for (Entry& e : entries_) {
      if (e.original.is_same(tensor)) {
        e.written |= written;
        return e.host;
      }
    }
    at::Tensor host = tensor._is_zerotensor()
        ? at::_efficientzerotensor(tensor.sizes(), tensor.options().device(c10::kCPU))
        : view_of_copy(tensor);
    entries_.push_back({tensor, host, written});
    return host;
  }

  // Writes changed arguments back.
  void copy_back() {
    std::vector<c10::StorageImpl*> done;
    for (Entry& e : entries_) {
      if (!e.written) continue;
      c10::StorageImpl* from = e.host.storage().unsafeGetStorageImpl();
      c10::StorageImpl* to = e.original.storage().unsafeGetStorageImpl();
      if (from->nbytes() > to->nbytes()) resize_storage(to, from->nbytes());
      if (std::find(done.begin(), done.end(), to) == done.end()) {
        done.push_back(to);
        to_device(to->mutable_data(), from->data(), from->nbytes(), device_);
      }
      c10::TensorImpl* impl = e.original.unsafeGetTensorImpl();
      if (e.host.sizes() != impl->sizes() || e.host.strides() != impl->strides()) {
        impl->set_sizes_and_strides(e.host.sizes(), e.host.strides());
      }
      impl->set_storage_offset(e.host.storage_offset());
    }
  }

  // The device tensor for a result: the argument itself, a view of one, or a copy.
  at::Tensor result(const at::Tensor& host, bool is_argument) {
    if (!host.defined()) return host;
    for (const Entry& e : entries_) {
      if (is_argument && e.host.is_same(host)) return e.original;
      if (host.has_storage() && e.host.has_storage() && host.nbytes() != 0 &&
          host.storage().is_alias_of(e.host.storage())) {
        return view_of(e.original, host);
      }
    }
    const auto options =
        host.options().device(c10::Device(kDevice, static_cast<c10::DeviceIndex>(device_)));
    at::Tensor out = at::empty_strided(host.sizes(), host.strides(), options);
    if (host.numel() != 0) {
      to_device(out.mutable_data_ptr(), host.const_data_ptr(), out.storage().nbytes(), device_);
    }
    if (host.is_conj()) out._set_conj(true);
    if (host.is_neg()) out._set_neg(true);
    return out;
  }

 private:
  struct Entry {
    at::Tensor original, host;
    bool written;
  };

  at::Tensor view_of_copy(const at::Tensor& tensor) {
    c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
    at::Tensor& bytes = copies_[storage];
    if (!bytes.defined()) {
      bytes = at::empty({static_cast<int64_t>(storage->nbytes())},
                        at::TensorOptions().dtype(at::kByte).device(c10::kCPU));
      to_host(bytes.mutable_data_ptr(), storage->data(), storage->nbytes(), device_);
    }
    at::Tensor host = at::empty({0}, tensor.options().device(c10::kCPU));
    host.unsafeGetTensorImpl()->set_storage_keep_dtype(bytes.storage());
    host.unsafeGetTensorImpl()->set_storage_offset(tensor.storage_offset());
    host.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides());
    if (tensor.is_conj()) host._set_conj(true);
    if (tensor.is_neg()) host._set_neg(true);
    return host;
  }

  static at::Tensor view_of(const at::Tensor& original, const at::Tensor& host) {
    at::Tensor view = at::empty({0}, original.options().dtype(host.scalar_type()));
    view.unsafeGetTensorImpl()->set_storage_keep_dtype(original.storage());
    view.unsafeGetTensorImpl()->set_storage_offset(host.storage_offset());
    view.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides());
    if (host.is_conj()) view._set_conj(true);
    if (host.is_neg()) view._set_neg(true);
    return view;
  }

  const char* op_;
  int device_;
  std::vector<Entry> entries_;
  std::unordered_map<const c10::StorageImpl*, at::Tensor> copies_;
};

c10::IValue to_cpu(const c10::IValue& value) {
  if (value.isDevice() && value.toDevice().type() == kDevice) return c10::Device(c10::kCPU);
  if (value.isGenerator() && value.toGenerator().device().type() == kDevice) {
    throw_generator("fallback", value.toGenerator());
  }
  return value;
}

} // namespace

void run_boxed_staged(const c10::OperatorHandle& op, torch::jit::Stack* stack, int device) {
  const auto& schema = op.schema();
  const size_t count = schema.arguments().size();
  Stage stage(schema.name().c_str(), device);
  torch::jit::Stack cpu_stack;
  cpu_stack.reserve(count);
  const bool secret = writes_in_secret(schema.name());
  for (size_t i = 0; i < count; ++i) {
    const auto* info = schema.arguments()[i].alias_info();
    const bool written = secret || (info && info->isWrite());
    cpu_stack.push_back(map_tensors(to_cpu(torch::jit::peek(*stack, i, count)),
                                    [&](const at::Tensor& t) { return stage.copy_in(t, written); }));
  }
  {
    c10::impl::ExcludeDispatchKeyGuard guard(OpScope::kExcluded);
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &cpu_stack);
  }
  stage.copy_back();
  std::vector<c10::IValue> results;
  results.reserve(cpu_stack.size());
  for (size_t i = 0; i < cpu_stack.size(); ++i) {
    const auto* info = schema.returns()[i].alias_info();
    const bool is_argument = info && info->isWrite();
    results.push_back(map_tensors(
        cpu_stack[i], [&](const at::Tensor& t) { return stage.result(t, is_argument); }));
  }
  torch::jit::drop(*stack, count);
  for (c10::IValue& value : results) torch::jit::push(*stack, std::move(value));
}

} // namespace xpu_lite::aten
