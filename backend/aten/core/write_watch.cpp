#include "backend/aten/core/write_watch.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include <ATen/ops/_lazy_clone_native.h>
#include <c10/core/impl/COW.h>

namespace xpu_lite::aten {
namespace {

struct Watched {
  std::shared_ptr<Watch> watch; // null: never again
  c10::weak_intrusive_ptr<c10::StorageImpl> storage;
};

struct Table {
  std::mutex mutex;
  std::unordered_map<const c10::StorageImpl*, Watched> storages;
  size_t sweep_at = 64;

  // Entries of freed storages go when the table has doubled.
  void sweep() {
    if (storages.size() < sweep_at) return;
    for (auto it = storages.begin(); it != storages.end();) {
      it = it->second.storage.expired() ? storages.erase(it) : std::next(it);
    }
    sweep_at = std::max<size_t>(64, storages.size() * 2);
  }
};

// Leaked: storages are written to while the process ends.
Table& watched_storages() {
  static Table* const table = new Table;
  return *table;
}

c10::weak_intrusive_ptr<c10::StorageImpl> weak(c10::StorageImpl* storage) {
  return c10::weak_intrusive_ptr<c10::StorageImpl>(
      c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(storage));
}

// The materializer. torch removes it when it returns.
void written(c10::StorageImpl* storage) { end_watch(storage); }

} // namespace

std::shared_ptr<const Watch> watch(const c10::Storage& of) {
  c10::StorageImpl* storage = of.unsafeGetStorageImpl();
  Table& table = watched_storages();
  std::lock_guard lock(table.mutex);
  const auto found = table.storages.find(storage);
  if (found != table.storages.end()) {
    if (!found->second.watch || found->second.watch->unchanged()) return found->second.watch;
    table.storages.erase(found);
  }
  if (storage->has_materializer()) return nullptr;
  table.sweep();
  auto begun = std::make_shared<Watch>(weak(storage));
  storage->set_materializer(&written);
  table.storages.emplace(storage, Watched{begun, weak(storage)});
  return begun;
}

void end_watch(c10::StorageImpl* storage) {
  Table& table = watched_storages();
  std::lock_guard lock(table.mutex);
  const auto found = table.storages.find(storage);
  if (found == table.storages.end() || !found->second.watch) return;
  found->second.watch->written_.store(true, std::memory_order_release);
  table.storages.erase(found);
}

at::Tensor lazy_clone(const at::Tensor& self) {
  c10::StorageImpl* storage = self.storage().unsafeGetStorageImpl();
  if (storage->has_materializer() && !c10::impl::cow::is_cow_data_ptr(storage->data_ptr())) {
    storage->mutable_data_ptr();
  }
  return at::native::_lazy_clone(self);
}

void never_watch(c10::StorageImpl* storage) {
  storage->mutable_data_ptr(); // ends what there is
  Table& table = watched_storages();
  std::lock_guard lock(table.mutex);
  table.sweep();
  table.storages.insert_or_assign(storage, Watched{nullptr, weak(storage)});
}

} // namespace xpu_lite::aten
