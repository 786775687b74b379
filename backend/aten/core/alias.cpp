#include "backend/aten/core/alias.h"

#include <cstring>
#include <vector>

#include <c10/core/CPUAllocator.h>
#include <c10/core/InferenceMode.h>

#include "backend/aten/core/layouts.h"
#include "backend/aten/core/write_watch.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {
namespace {

c10::DispatchKeySet keys_of(c10::BackendComponent backend, c10::DispatchKey dense) {
  return c10::DispatchKeySet(dense) | c10::getAutocastRelatedKeySetFromBackend(backend);
}
const c10::DispatchKeySet kCpuInference =
    keys_of(c10::BackendComponent::CPUBit, c10::DispatchKey::CPU);
const c10::DispatchKeySet kCpuKeys =
    kCpuInference | c10::getAutogradRelatedKeySetFromBackend(c10::BackendComponent::CPUBit);
const c10::DispatchKeySet kDeviceInference =
    keys_of(c10::BackendComponent::PrivateUse1Bit, c10::DispatchKey::PrivateUse1);
const c10::DispatchKeySet kDeviceKeys = kDeviceInference |
    c10::getAutogradRelatedKeySetFromBackend(c10::BackendComponent::PrivateUse1Bit);
const c10::DispatchKeySet kCarriedKeys({c10::DispatchKey::Conjugate, c10::DispatchKey::Negative,
                                        c10::DispatchKey::ZeroTensor});
const c10::Device kCpu(c10::kCPU);

void release_owner(void* storage) {
  c10::raw::intrusive_ptr::decref(static_cast<c10::StorageImpl*>(storage));
}
// Marks the DataPtr of a borrowing alias; there is nothing to free.
void borrowed(void*) {}

// Protected fields of a TensorImpl, reached the legal way: through members of a
// derived class.
struct Fields : c10::TensorImpl {
  static constexpr auto key_set = &Fields::key_set_;
  static constexpr auto device_opt = &Fields::device_opt_;
};

void retag(c10::TensorImpl* impl, c10::Device device) {
  const c10::DispatchKeySet old = impl->key_set();
  impl->*Fields::key_set = (impl->is_inference() ? kDeviceInference : kDeviceKeys) |
      (old & kCarriedKeys);
  impl->*Fields::device_opt = device;
}

} // namespace

class AliasImpl final : public c10::TensorImpl {
 public:
  AliasImpl()
      : c10::TensorImpl(
            c10::Storage(c10::make_intrusive<c10::StorageImpl>(
                c10::StorageImpl::use_byte_size_t(), 0, c10::DataPtr(nullptr, kCpu),
                c10::GetCPUAllocator(), true)),
            kCpuKeys, caffe2::TypeMeta::Make<float>()),
        own_(storage_) {}

  // Becomes the alias of `source`, borrowing its memory. `shared` is the storage
  // of another alias of the same storage in this frame, or null.
  void bind(c10::TensorImpl* source, const c10::Storage* shared) {
    if (C10_UNLIKELY(extra_meta_ != nullptr)) extra_meta_.reset();
    copy_generic_tensor_metadata(source, this);
    device_opt_ = kCpu;
    key_set_ = (source->is_inference() ? kCpuInference : kCpuKeys) |
        (source->key_set() & kCarriedKeys);
    if (shared) {
      storage_ = *shared;
    } else {
      source_ = source->unsafe_storage().unsafeGetStorageImpl();
      borrow();
      own_.unsafeGetStorageImpl()->set_resizable(source_->resizable());
    }
    bound_ = storage_.unsafeGetStorageImpl();
  }

  // Takes the memory that the source has now.
  void borrow() {
    c10::StorageImpl* own = own_.unsafeGetStorageImpl();
    data_ = source_->_mutable_data_ptr_no_checks().get();
    own->set_data_ptr_noswap(c10::DataPtr(data_, source_, &borrowed, kCpu));
    nbytes_ = source_->nbytes();
    own->set_nbytes(nbytes_);
  }

  bool owns_storage() const {
    return storage_.unsafeGetStorageImpl() == own_.unsafeGetStorageImpl();
  }
  // The device storage that this alias borrows; null if it shares another alias's.
  c10::StorageImpl* source() const { return source_; }
  const c10::StorageImpl* own() const { return own_.unsafeGetStorageImpl(); }

  // The kernel gave the tensor another storage (set_).
  bool storage_replaced() const { return storage_.unsafeGetStorageImpl() != bound_; }

  // The kernel replaced the memory of the storage.
  bool storage_resized() const {
    if (source_ == nullptr) return false;
    return own()->data_ptr().get() != data_ || own()->nbytes() != nbytes_;
  }
  void move_resized_memory(c10::Device device) {
    c10::StorageImpl* own = own_.unsafeGetStorageImpl();
    c10::StorageImpl* target = source_;
    if (own->data_ptr().get_deleter() != &borrowed) {
      c10::DataPtr memory = std::move(own->_mutable_data_ptr_no_checks());
      memory.unsafe_set_device(device);
      target->set_data_ptr_noswap(std::move(memory));
      own->set_data_ptr_noswap(c10::DataPtr(target->data_ptr().get(), target, &borrowed, kCpu));
    }
    target->set_nbytes(own->nbytes());
    data_ = own->data_ptr().get();
    nbytes_ = own->nbytes();
  }

  // Ready for the pool? Nobody else holds the alias or its storage.
  bool unused(const at::Tensor& handle) const {
    return handle.use_count() == 1 && own_.use_count() == (owns_storage() ? 2 : 1);
  }
  void unbind() {
    if (C10_UNLIKELY(!owns_storage())) storage_ = own_;
    if (C10_LIKELY(source_ != nullptr)) {
      own_.unsafeGetStorageImpl()->set_data_ptr_noswap(c10::DataPtr(nullptr, kCpu));
      source_ = nullptr;
    }
  }
  // Somebody kept it: own the memory from now on. Memory that a kernel put there
  // before it failed is owned already.
  void become_owner() {
    if (source_ == nullptr || own()->data_ptr().get_deleter() != &borrowed) return;
    c10::raw::intrusive_ptr::incref(source_);
    own_.unsafeGetStorageImpl()->set_data_ptr_noswap(
        c10::DataPtr(data_, source_, &release_owner, kCpu));
  }

 private:
  c10::Storage own_; // the same as storage_, unless a frame shares another's
  c10::StorageImpl* source_ = nullptr;
  const c10::StorageImpl* bound_ = nullptr; // what storage_ was when bound
  void* data_ = nullptr;
  size_t nbytes_ = 0;
};

namespace {

constexpr size_t kPoolSize = 32;
struct Pool {
  std::vector<at::Tensor> free;
};
// Leaked: tensors may die after this thread's other locals.
Pool& pool() {
  __attribute__((tls_model("initial-exec"))) static thread_local Pool* mine = nullptr;
  if (C10_UNLIKELY(mine == nullptr)) mine = new Pool;
  return *mine;
}

at::Tensor take_alias() {
  auto& free = pool().free;
  if (C10_UNLIKELY(free.empty())) {
    return at::Tensor(c10::intrusive_ptr<c10::TensorImpl>::unsafe_steal_from_new(new AliasImpl));
  }
  at::Tensor alias = std::move(free.back());
  free.pop_back();
  return alias;
}

// A device tensor with a copy of the whole storage of a CPU tensor, so that sizes,
// strides and offset hold as they are.
at::Tensor copy_to_device(const at::Tensor& cpu, int device_index) {
  const c10::Device device(kDevice, static_cast<c10::DeviceIndex>(device_index));
  const c10::TensorImpl* impl = cpu.unsafeGetTensorImpl();
  const c10::StorageImpl* storage = impl->unsafe_storage().unsafeGetStorageImpl();
  const size_t bytes = storage->nbytes();
  c10::DataPtr mine = allocate_on(device_index, current_stream(device_index), bytes, device);
  if (bytes != 0 && storage->data()) std::memcpy(mine.get(), storage->data(), bytes);
  at::Tensor copy = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(c10::make_intrusive<c10::StorageImpl>(
          c10::StorageImpl::use_byte_size_t(), bytes, std::move(mine), device_allocator(), true)),
      kDeviceInference, impl->dtype());
  c10::TensorImpl* to = copy.unsafeGetTensorImpl();
  to->set_sizes_and_strides(impl->sizes(), impl->strides(), impl->storage_offset());
  to->*Fields::key_set = to->key_set() | (impl->key_set() & kCarriedKeys);
  return copy;
}

AliasImpl* impl_of(const at::Tensor& alias) {
  return static_cast<AliasImpl*>(alias.unsafeGetTensorImpl());
}

} // namespace

int AliasFrame::add(const at::Tensor& tensor, bool written) {
  c10::TensorImpl* source = tensor.unsafeGetTensorImpl();
  if (C10_UNLIKELY(!tensor.defined())) return kAsIs;
  if (C10_UNLIKELY(source->device_type() != kDevice)) {
    if (source->device_type() == c10::kCPU && !written && (any_cpu_ || source->dim() == 0)) {
      return kAsIs;
    }
    wrong_device(tensor);
  }
  const int index = source->device().index();
  if (device_ < 0) device_ = index;
  if (C10_UNLIKELY(index != device_)) wrong_device(tensor);
  const int place = static_cast<int>(entries_.size());
  if (C10_UNLIKELY(!is_plain_dense(tensor))) {
    entries_.push_back({to_cpu_any_layout(tensor), &tensor, nullptr, false});
    return place;
  }
  c10::StorageImpl* storage = source->unsafe_storage().unsafeGetStorageImpl();
  if (C10_UNLIKELY(written || all_written_)) own_copy_on_write(storage);
  const c10::Storage* shared = nullptr;
  for (int i = 0; i < place; ++i) {
    Entry& entry = entries_[i];
    if (entry.original->unsafeGetTensorImpl() == source) {
      entry.written |= written;
      return i;
    }
    if (entry.pooled && entry.pooled->source() == storage) {
      shared = &entry.alias.unsafeGetTensorImpl()->unsafe_storage();
    }
  }
  at::Tensor alias = take_alias();
  AliasImpl* impl = impl_of(alias);
  impl->bind(source, shared);
  entries_.push_back({std::move(alias), &tensor, impl, written});
  return place;
}

// What is written must not be a copy-on-write shared with others. Aliases that were
// made before this was known follow to the new memory.
void AliasFrame::own_copy_on_write(c10::StorageImpl* storage) {
  const void* before = storage->_mutable_data_ptr_no_checks().get();
  if (C10_LIKELY(storage->mutable_data_ptr().get() == before)) return;
  for (Entry& entry : entries_) {
    if (entry.pooled && entry.pooled->source() == storage) entry.pooled->borrow();
  }
}

void AliasFrame::wrong_device(const at::Tensor& tensor) const {
  const auto seen = device_ < 0 ? std::string("xpu_lite")
                                : c10::Device(kDevice, static_cast<c10::DeviceIndex>(device_)).str();
  TORCH_CHECK(false, op_,
              ": Expected all tensors to be on the same device, but found at least two devices, ",
              seen, " and ", tensor.device(), "!");
}

void AliasFrame::write_back() {
  // Before the sizes, and for all: an argument that is only read may be the one
  // whose alias stands for the storage of one that is written.
  for (Entry& entry : entries_) {
    if (C10_UNLIKELY(entry.pooled && entry.pooled->storage_resized())) {
      entry.pooled->move_resized_memory(entry.original->device());
    }
  }
  for (Entry& entry : entries_) {
    if (!entry.written || !entry.pooled) continue;
    const c10::TensorImpl* from = entry.alias.unsafeGetTensorImpl();
    c10::TensorImpl* to = entry.original->unsafeGetTensorImpl();
    if (C10_UNLIKELY(entry.pooled->storage_replaced())) {
      to->set_storage_keep_dtype(device_storage(entry.alias));
    }
    if (C10_UNLIKELY(from->sizes() != to->sizes() || from->strides() != to->strides() ||
                     from->storage_offset() != to->storage_offset())) {
      to->set_sizes_and_strides(from->sizes(), from->strides(), from->storage_offset());
    }
  }
}

// The device's storage for that of a CPU tensor which a kernel gave to an alias.
c10::Storage AliasFrame::device_storage(const at::Tensor& cpu) const {
  c10::TensorImpl* impl = cpu.unsafeGetTensorImpl();
  for (const Entry& entry : entries_) {
    if (entry.pooled && entry.pooled->source() &&
        entry.pooled->own() == impl->unsafe_storage().unsafeGetStorageImpl()) {
      return entry.original->storage();
    }
  }
  at::Tensor other(impl->shallow_copy_and_detach(c10::VariableVersion(0),
                                                 /*allow_tensor_metadata_change=*/true));
  return to_device_tensor(std::move(other), device_).storage();
}

const at::Tensor& AliasFrame::argument(const at::Tensor& returned) const {
  for (const Entry& entry : entries_) {
    if (entry.alias.unsafeGetTensorImpl() == returned.unsafeGetTensorImpl()) {
      return *entry.original;
    }
  }
  TORCH_CHECK(false, op_, ": a CPU kernel returned a reference that is none of its arguments");
}

at::Tensor AliasFrame::result(at::Tensor cpu_result) {
  if (C10_UNLIKELY(!cpu_result.defined())) return cpu_result;
  c10::TensorImpl* impl = cpu_result.unsafeGetTensorImpl();
  if (C10_UNLIKELY(!impl->has_storage())) return to_device_tensor(std::move(cpu_result), device_);
  const c10::StorageImpl* storage = impl->unsafe_storage().unsafeGetStorageImpl();
  for (const Entry& entry : entries_) {
    if (C10_UNLIKELY(entry.alias.unsafeGetTensorImpl() == impl)) return *entry.original;
    if (C10_UNLIKELY(entry.alias.unsafeGetTensorImpl()->has_storage() &&
                     entry.alias.unsafeGetTensorImpl()->unsafe_storage().unsafeGetStorageImpl() ==
                         storage)) {
      // A view: give it the storage of the device tensor.
      const auto device = entry.original->device();
      impl->set_storage_keep_dtype(entry.original->unsafeGetTensorImpl()->unsafe_storage());
      retag(impl, device);
      return cpu_result;
    }
  }
  // Something else holds it (a kernel written in Python, its cache): that one stays
  // a CPU tensor.
  if (C10_UNLIKELY(cpu_result.use_count() > 1 && is_plain_dense(cpu_result))) {
    return copy_to_device(cpu_result, device_);
  }
  return to_device_tensor(std::move(cpu_result), device_);
}

AliasFrame::~AliasFrame() {
  auto& free = pool().free;
  // Last first: an alias that shares a storage leaves before its owner.
  while (!entries_.empty()) {
    AliasImpl* impl = entries_.back().pooled;
    at::Tensor alias = std::move(entries_.back().alias);
    entries_.pop_back();
    if (C10_UNLIKELY(impl == nullptr)) continue;
    if (C10_LIKELY(impl->unused(alias))) {
      impl->unbind();
      if (C10_LIKELY(free.size() < kPoolSize)) free.push_back(std::move(alias));
    } else {
      impl->become_owner();
    }
  }
}

at::Tensor cpu_alias(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.device().is_cpu()) return tensor;
  if (!is_plain_dense(tensor)) return to_cpu_any_layout(tensor);
  at::Tensor alias(c10::intrusive_ptr<c10::TensorImpl>::unsafe_steal_from_new(new AliasImpl));
  impl_of(alias)->bind(tensor.unsafeGetTensorImpl(), nullptr);
  impl_of(alias)->become_owner();
  return alias;
}

at::Tensor to_device_tensor(at::Tensor cpu, int device_index) {
  if (!cpu.defined() || cpu.device().type() == kDevice) return cpu;
  if (C10_UNLIKELY(cpu.layout() != c10::kStrided || cpu.is_quantized() || cpu.is_nested())) {
    return from_cpu_any_layout(std::move(cpu), device_index);
  }
  const c10::Device device(kDevice, static_cast<c10::DeviceIndex>(device_index));
  c10::TensorImpl* impl = cpu.unsafeGetTensorImpl();
  c10::StorageImpl* storage = impl->unsafe_storage().unsafeGetStorageImpl();
  c10::DataPtr& memory = storage->_mutable_data_ptr_no_checks();
  if (C10_LIKELY(is_device_memory(memory))) {
    memory.unsafe_set_device(device);
    storage->set_allocator(device_allocator());
    retag(impl, device);
    return cpu;
  }
  if (memory.get_deleter() == &release_owner) {
    auto* owner = static_cast<c10::StorageImpl*>(memory.get_context());
    if (owner->device_type() == kDevice) { // an alias: share its tensor's storage again
      const c10::Device owned_by = owner->device();
      impl->set_storage_keep_dtype(
          c10::Storage(c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(owner)));
      retag(impl, owned_by);
      return cpu;
    }
  }
  return copy_to_device(cpu, device_index); // a constant of torch, or of another thread
}

at::Tensor device_tensor_from_cpu(const at::Tensor& cpu, int device_index) {
  TORCH_CHECK(cpu.device().is_cpu() && cpu.layout() == c10::kStrided,
              "device_tensor_from_cpu: expected a dense CPU tensor, got ", cpu.toString());
  const c10::Device device(kDevice, static_cast<c10::DeviceIndex>(device_index));
  c10::StorageImpl* storage = cpu.storage().unsafeGetStorageImpl();
  c10::raw::intrusive_ptr::incref(storage);
  c10::DataPtr memory(storage->mutable_data(), storage, &release_owner, device);
  at::Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(c10::make_intrusive<c10::StorageImpl>(
          c10::StorageImpl::use_byte_size_t(), storage->nbytes(), std::move(memory),
          device_allocator(), false)),
      kDeviceInference, cpu.dtype());
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(cpu.sizes(), cpu.strides(),
                                                      cpu.storage_offset());
  never_watch(tensor.storage().unsafeGetStorageImpl()); // the CPU tensor may be written
  return tensor;
}

} // namespace xpu_lite::aten
