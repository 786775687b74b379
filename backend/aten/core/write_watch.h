#pragma once

// Note [Written since]
// A cache of something derived from a tensor's memory (a weight packed for a kernel) must
// know whether that memory has been written since. Version counters do not tell: an alias
// made by `.data` has its own. torch calls a storage's *materializer* at the first mutable
// access to its memory, whoever makes it; copy-on-write is built on that, and so is this:
// a watched storage has a materializer of ours, which notes the write and is then gone.
//
// It rests on one rule: what writes takes a mutable pointer (mutable_data_ptr, an alias
// with written = true) before each write, and keeps none. Memory that is handed to
// someone else (DLPack, a CPU alias for numpy, shared memory) is never watched again.

#include <atomic>
#include <memory>

#include <ATen/core/Tensor.h>
#include <c10/core/StorageImpl.h>

namespace xpu_lite::aten {

class Watch {
 public:
  explicit Watch(c10::weak_intrusive_ptr<c10::StorageImpl> storage) : storage_(std::move(storage)) {}

  // The storage is alive and nothing has taken a mutable pointer into it.
  bool unchanged() const {
    return !written_.load(std::memory_order_acquire) && !storage_.expired();
  }
  bool expired() const { return storage_.expired(); }

 private:
  friend void end_watch(c10::StorageImpl* storage);
  // Weak: the storage is freed as usual, yet its address is not used again.
  c10::weak_intrusive_ptr<c10::StorageImpl> storage_;
  std::atomic<bool> written_{false};
};

// The watch of a storage, begun now if there is none. Null where that cannot be: the
// storage is a copy-on-write already, or somebody holds a pointer into it.
std::shared_ptr<const Watch> watch(const c10::Storage& storage);

// Ends the watch as a write does.
void end_watch(c10::StorageImpl* storage);

// For writes that no schema announces: running statistics are optional arguments.
inline void about_to_write(const at::Tensor& tensor) {
  if (tensor.defined() && tensor.has_storage()) {
    tensor.unsafeGetTensorImpl()->unsafe_storage().unsafeGetStorageImpl()->mutable_data_ptr();
  }
}

// _lazy_clone of a tensor whose storage may be watched: a storage has one materializer.
at::Tensor lazy_clone(const at::Tensor& self);

// From now on somebody may write to this memory without asking.
void never_watch(c10::StorageImpl* storage);

} // namespace xpu_lite::aten
