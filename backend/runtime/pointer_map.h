#pragma once

// From the address of a block to the block: three loads, no lock.
//
// torch frees some memory by its address alone (Allocator::raw_deallocate, which
// oneDNN's scratch buffers use), so a block must be found by it. Blocks start at
// multiples of kUnit; the map is a radix tree over address / kUnit whose nodes
// are made when needed and kept for the life of the process (32 KiB for each
// 2 MiB of address space that ever held a block).

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "backend/runtime/engine.h"

namespace xpu_lite {

class PointerMap {
 public:
  static constexpr int kUnitBits = 9; // 512 bytes

  // `value` null removes. Different addresses may be set from several threads.
  void set(const void* address, void* value) {
    slot_of(address).store(value, std::memory_order_release);
  }

  // Null for an address that is not in the map.
  void* get(const void* address) const noexcept {
    const uintptr_t key = key_of(address);
    if ((key & ((uintptr_t{1} << kUnitBits) - 1)) != 0 || key >> kAddressBits) return nullptr;
    const Middle* middle = top_[top_index(key)].load(std::memory_order_acquire);
    if (!middle) return nullptr;
    const Leaf* leaf = middle->leaves[middle_index(key)].load(std::memory_order_acquire);
    return leaf ? leaf->values[leaf_index(key)].load(std::memory_order_acquire) : nullptr;
  }

 private:
  static constexpr int kAddressBits = 47, kLeafBits = 12, kMiddleBits = 13;
  static constexpr int kTopBits = kAddressBits - kMiddleBits - kLeafBits - kUnitBits;
  struct Leaf {
    std::atomic<void*> values[1 << kLeafBits];
  };
  struct Middle {
    std::atomic<Leaf*> leaves[1 << kMiddleBits];
  };

  // Without the tag of guarded memory.
  static uintptr_t key_of(const void* address) {
    return reinterpret_cast<uintptr_t>(address) & ~kAddressTag;
  }
  static size_t leaf_index(uintptr_t key) {
    return (key >> kUnitBits) & ((1 << kLeafBits) - 1);
  }
  static size_t middle_index(uintptr_t key) {
    return (key >> (kUnitBits + kLeafBits)) & ((1 << kMiddleBits) - 1);
  }
  static size_t top_index(uintptr_t key) {
    return key >> (kUnitBits + kLeafBits + kMiddleBits);
  }

  // Zeroed pages are not touched before they are used.
  template <class Node>
  static Node& child(std::atomic<Node*>& place) {
    Node* node = place.load(std::memory_order_acquire);
    if (node) return *node;
    auto* fresh = static_cast<Node*>(std::calloc(1, sizeof(Node)));
    if (!fresh) throw std::bad_alloc();
    if (place.compare_exchange_strong(node, fresh, std::memory_order_acq_rel)) return *fresh;
    std::free(fresh); // another thread was first
    return *node;
  }
  std::atomic<void*>& slot_of(const void* address) {
    const uintptr_t key = key_of(address);
    return child(child(top_[top_index(key)]).leaves[middle_index(key)]).values[leaf_index(key)];
  }

  std::atomic<Middle*> top_[1 << kTopBits] = {};
};

} // namespace xpu_lite
