#pragma once

// Note [CPU aliases]
// The host engine's memory is ordinary memory, so every CPU kernel of torch can
// run on it. A *CPU alias* of a device tensor is a TensorImpl with CPU dispatch
// keys and the same memory. What a CPU kernel returns is turned back
// ("retagged") into a device tensor without a copy, because while an OpScope is
// open the CPU allocator of this thread is the device's caching allocator.
//
// An AliasFrame holds the aliases of one operator call. They come from a pool of
// this thread and borrow their memory: the device tensors outlive the call. An
// alias that something kept beyond the call becomes an owner then. Two tensors
// that are the same, or share a storage, do so as aliases too: CPU kernels look
// at that to find overlap.

#include <ATen/core/Tensor.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/util/SmallVector.h>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/launch.h"

namespace xpu_lite::aten {

class AliasImpl;

// An owning CPU alias: same memory, sizes and strides; keeps the storage alive. What
// writes through it calls about_to_write() first (Note [Written since]).
// For use outside the operator routes (bindings, serialization, queued work).
at::Tensor cpu_alias(const at::Tensor& device_tensor);

// Turns a CPU tensor that a kernel made under an OpScope into a device tensor:
// in place when its memory came from the device's allocator, else by a copy.
at::Tensor to_device_tensor(at::Tensor cpu_tensor, int device);

// A device tensor over the memory of a CPU tensor, which it keeps alive.
at::Tensor device_tensor_from_cpu(const at::Tensor& cpu_tensor, int device);

// Runs CPU kernels for `device`: the CPU allocator of this thread is replaced,
// and dispatch stays below autograd, autocast and the tracer.
class OpScope {
 public:
  OpScope(int device, Stream& stream)
      : guard_(kExcluded), previous_(exchange_allocation_target({device, &stream})) {}
  OpScope(int device, const char* /*name*/) : OpScope(device, current_stream(device)) {}
  ~OpScope() { exchange_allocation_target(previous_); }
  OpScope(const OpScope&) = delete;
  OpScope& operator=(const OpScope&) = delete;

  // What a CPU kernel inside an operator of ours must not come by again.
  static constexpr c10::DispatchKeySet kExcluded =
      c10::autograd_dispatch_keyset_with_ADInplaceOrView | c10::autocast_dispatch_keyset |
      c10::DispatchKeySet(c10::DispatchKey::Tracer);

 private:
  c10::impl::ExcludeDispatchKeyGuard guard_;
  AllocationTarget previous_;
};

class AliasFrame {
 public:
  explicit AliasFrame(const char* op) : op_(op) {}
  ~AliasFrame();
  AliasFrame(const AliasFrame&) = delete;
  AliasFrame& operator=(const AliasFrame&) = delete;

  // Makes the alias of a device tensor and returns its place, for at(). Returns
  // kAsIs for what a CPU kernel takes unchanged: an undefined tensor, a CPU
  // scalar (0-dim) and, after allow_cpu_tensors(), any CPU tensor. Everything
  // else is on the wrong device: an error with the words of torch's own check.
  static constexpr int kAsIs = -1;
  int add(const at::Tensor& tensor, bool written = false);
  const at::Tensor& at(int place) const { return entries_[place].alias; }
  void allow_cpu_tensors() { any_cpu_ = true; }
  void all_written() { all_written_ = true; } // whatever add() is told

  // Carries what the kernel did to an argument (new sizes, a resized storage)
  // over to the device tensor. Call once, after the kernel.
  void write_back();

  at::Tensor result(at::Tensor cpu_result);
  const at::Tensor& argument(const at::Tensor& returned) const; // alias -> original

  int device() const { return device_; } // -1: no device tensor seen yet
  void set_device(int device) { device_ = device; }

 private:
  struct Entry {
    at::Tensor alias;
    const at::Tensor* original;
    AliasImpl* pooled; // null: not a plain dense tensor, converted
    bool written;
  };
  [[noreturn]] void wrong_device(const at::Tensor& tensor) const;
  void own_copy_on_write(c10::StorageImpl* storage);
  c10::Storage device_storage(const at::Tensor& cpu) const;
  const char* op_;
  int device_ = -1;
  bool any_cpu_ = false, all_written_ = false;
  c10::SmallVector<Entry, 6> entries_;
};

} // namespace xpu_lite::aten
