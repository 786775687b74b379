#pragma once

// A bounded cache of primitives: making one takes about a millisecond, using one
// microseconds. Keys are lists of integers (shapes, strides, types, attributes); an
// entry is never changed once made, and lives while somebody uses it.

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "backend/xpu/ops/onednn.h"

namespace xpu_lite::xpu::onednn {

class Key {
 public:
  void add(int64_t value) {
    if (length_ < kMost) words_[length_] = value;
    ++length_;
  }
  void add(const View& view) {
    add(view.data == nullptr ? -1 : static_cast<int64_t>(view.type) * 16 + view.rank);
    for (int i = 0; i < view.rank; ++i) add(view.size[i]), add(view.stride[i]);
  }
  void add(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    add(static_cast<int64_t>(bits));
  }
  void add(const Epilogue& epilogue) {
    add(epilogue.scale), add(epilogue.keep);
    add(static_cast<int64_t>(epilogue.activation));
    add(epilogue.add == nullptr ? View() : *epilogue.add);
  }
  // False when it did not fit: then nothing may be cached under it.
  bool complete() const { return length_ <= kMost; }

  bool operator==(const Key& other) const {
    return length_ == other.length_ &&
           std::memcmp(words_.data(), other.words_.data(), length_ * sizeof(int64_t)) == 0;
  }
  size_t hash() const {
    uint64_t h = 0x9e3779b97f4a7c15u + length_;
    for (size_t i = 0; i < length_; ++i) {
      h = (h ^ static_cast<uint64_t>(words_[i])) * 0xff51afd7ed558ccdu;
      h ^= h >> 32;
    }
    return h;
  }

 private:
  static constexpr size_t kMost = 88;
  size_t length_ = 0;
  std::array<int64_t, kMost> words_;
};

struct CacheCounts {
  std::atomic<int64_t> made{0}, found{0};
};
CacheCounts& cache_counts();

// Least recently used entries go first.
template <class Entry>
class PrimitiveCache {
 public:
  explicit PrimitiveCache(size_t most = 1024) : most_(most) {}

  template <class Make>
  std::shared_ptr<const Entry> get(const Key& key, Make&& make) {
    if (!key.complete()) return make();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      auto it = index_.find(key);
      if (it != index_.end()) {
        order_.splice(order_.begin(), order_, it->second);
        cache_counts().found.fetch_add(1, std::memory_order_relaxed);
        return it->second->second;
      }
    }
    std::shared_ptr<const Entry> entry = make(); // without the lock: it takes long
    cache_counts().made.fetch_add(1, std::memory_order_relaxed);
    std::lock_guard<std::mutex> lock(mutex_);
    if (index_.find(key) == index_.end()) {
      order_.emplace_front(key, entry);
      index_.emplace(key, order_.begin());
      if (order_.size() > most_) {
        index_.erase(order_.back().first);
        order_.pop_back();
      }
    }
    return entry;
  }

 private:
  struct Hash {
    size_t operator()(const Key& key) const { return key.hash(); }
  };
  using Order = std::list<std::pair<Key, std::shared_ptr<const Entry>>>;
  const size_t most_;
  std::mutex mutex_;
  Order order_;
  std::unordered_map<Key, typename Order::iterator, Hash> index_;
};

} // namespace xpu_lite::xpu::onednn
