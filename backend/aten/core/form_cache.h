#pragma once

// Note [Forms of weights]
// What is derived from a weight (its packed form, its cast to bfloat16) is kept for as
// long as nothing writes to the weight's storage (Note [Written since]). A form is found
// by storage, geometry and dtypes; all caches share one limit (XPU_LITE_PACK), and each
// gives up what was not used for longest. Forms of freed weights go at the next chance.

#include <algorithm>
#include <list>
#include <mutex>
#include <unordered_map>

#include "backend/aten/core/write_watch.h"

namespace xpu_lite::aten {

struct FormKey {
  const c10::StorageImpl* storage;
  int64_t offset;
  c10::SmallVector<int64_t, 8> geometry; // sizes, then strides
  at::ScalarType from, to;
  bool operator==(const FormKey&) const = default;
};
FormKey form_key(const at::Tensor& tensor, at::ScalarType to);

struct FormKeyHash {
  size_t operator()(const FormKey& key) const;
};

// Bytes that one cache may keep.
size_t form_limit();

struct FormStats {
  int64_t kept = 0, bytes = 0;          // now
  int64_t hits = 0, made = 0, once = 0; // found; made and kept; made for one call
  int64_t written = 0, evicted = 0;     // given up: the weight was written; no room
};

template <class Form>
class FormCache {
 public:
  // The form of `tensor`; made by `make` and kept at the second use without a write
  // between: a weight that changes at every step, or lives for one call, has no second.
  // An empty Form if it is not kept: the caller makes one for this call. `variant` tells
  // forms of one dtype apart.
  template <class Make>
  Form find(const at::Tensor& tensor, at::ScalarType to, size_t bytes, const Make& make,
            std::initializer_list<int64_t> variant = {}) {
    FormKey key = form_key(tensor, to);
    key.geometry.append(variant.begin(), variant.end());
    std::shared_ptr<const Watch> watched;
    {
      std::lock_guard lock(mutex_);
      const auto found = places_.find(key);
      if (found != places_.end()) {
        Entry& entry = *found->second;
        if (entry.watch->unchanged()) {
          entries_.splice(entries_.begin(), entries_, found->second);
          if (entry.form) {
            ++stats_.hits;
            return entry.form;
          }
          watched = entry.watch;
        } else {
          stats_.written += static_cast<bool>(entry.form);
          erase(found->second);
        }
      }
      if (!watched) {
        ++stats_.once;
        remember(key, tensor);
        return Form();
      }
    }
    if (bytes > form_limit()) return Form();
    // Outside the lock: two threads may make the same form, and one of them stays.
    Form form = make();
    std::lock_guard lock(mutex_);
    ++stats_.made;
    const auto found = places_.find(key);
    if (found == places_.end() || found->second->watch != watched) return form;
    Entry& entry = *found->second;
    if (!entry.form) {
      entry.form = form;
      entry.bytes = bytes;
      stats_.bytes += static_cast<int64_t>(bytes);
      ++stats_.kept;
      forget_written();
      make_room();
    }
    return form;
  }

  // Gives up one form: what else went into it was written.
  void forget(const at::Tensor& tensor, at::ScalarType to,
              std::initializer_list<int64_t> variant = {}) {
    FormKey key = form_key(tensor, to);
    key.geometry.append(variant.begin(), variant.end());
    std::lock_guard lock(mutex_);
    const auto found = places_.find(key);
    if (found == places_.end()) return;
    stats_.written += static_cast<bool>(found->second->form);
    erase(found->second);
  }

  FormStats stats() {
    std::lock_guard lock(mutex_);
    forget_written();
    return stats_;
  }
  // Gives up the forms of weights that were freed or written; with `all`, every one.
  void clear(bool all) {
    std::lock_guard lock(mutex_);
    if (!all) return forget_written();
    while (!entries_.empty()) erase(std::prev(entries_.end()));
  }

 private:
  struct Entry {
    FormKey key;
    std::shared_ptr<const Watch> watch;
    Form form; // empty: seen once
    size_t bytes = 0;
  };
  using Place = typename std::list<Entry>::iterator;

  void erase(Place place) {
    if (place->form) {
      stats_.bytes -= static_cast<int64_t>(place->bytes);
      --stats_.kept;
    }
    places_.erase(place->key);
    entries_.erase(place);
  }

  void remember(const FormKey& key, const at::Tensor& tensor) {
    if (entries_.size() >= forget_at_) {
      forget_written();
      forget_at_ = std::max<size_t>(256, entries_.size() * 2);
    }
    auto begun = watch(tensor.unsafeGetTensorImpl()->unsafe_storage());
    if (!begun) return;
    entries_.push_front({key, std::move(begun), Form(), 0});
    places_[key] = entries_.begin();
  }

  void forget_written() {
    for (auto it = entries_.begin(); it != entries_.end();) {
      const auto next = std::next(it);
      if (!it->watch->unchanged()) {
        stats_.written += it->form && !it->watch->expired();
        erase(it);
      }
      it = next;
    }
  }

  void make_room() {
    const auto full = [&] { return static_cast<size_t>(stats_.bytes) > form_limit(); };
    // From the least recently used; the newest stays.
    for (auto it = entries_.end(); full() && it != entries_.begin();) {
      --it;
      if (!it->form || it == entries_.begin()) continue;
      const auto next = std::next(it);
      ++stats_.evicted;
      erase(it);
      it = next;
    }
  }

  std::mutex mutex_;
  std::list<Entry> entries_; // the most recently used first
  std::unordered_map<FormKey, Place, FormKeyHash> places_;
  size_t forget_at_ = 256;
  FormStats stats_;
};

} // namespace xpu_lite::aten
