// What is derived in Python from several tensors (a convolution's weight with its batch
// norm folded in) holds for as long as none of them was written to (Note [Written since]),
// replaced, moved or reshaped. This tells, for all of them in one call.

#include <memory>
#include <vector>

#include <torch/csrc/utils/pybind.h>

#include "backend/aten/bindings/bindings.h"
#include "backend/aten/core/write_watch.h"

namespace xpu_lite::bindings {
namespace {

class Snapshot {
 public:
  // Null when the memory of one of them cannot be watched.
  static std::shared_ptr<Snapshot> of(const std::vector<at::Tensor>& tensors) {
    auto snapshot = std::make_shared<Snapshot>();
    for (const at::Tensor& tensor : tensors) {
      if (!tensor.has_storage()) return nullptr;
      auto watch = aten::watch(tensor.storage());
      if (!watch) return nullptr;
      snapshot->entries_.push_back({std::move(watch), tensor.storage().unsafeGetStorageImpl(),
                                    tensor.storage_offset(), tensor.scalar_type(),
                                    tensor.sizes().vec(), tensor.strides().vec()});
    }
    return snapshot;
  }

  bool holds(const std::vector<at::Tensor>& tensors) const {
    if (tensors.size() != entries_.size()) return false;
    for (size_t i = 0; i < tensors.size(); ++i) {
      const Entry& entry = entries_[i];
      const at::Tensor& tensor = tensors[i];
      if (!tensor.has_storage() || tensor.storage().unsafeGetStorageImpl() != entry.storage ||
          !entry.watch->unchanged() || tensor.storage_offset() != entry.offset ||
          tensor.scalar_type() != entry.dtype || tensor.sizes() != entry.sizes ||
          tensor.strides() != entry.strides) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Entry {
    std::shared_ptr<const aten::Watch> watch; // keeps the storage's address from being used again
    const c10::StorageImpl* storage;
    int64_t offset;
    at::ScalarType dtype;
    std::vector<int64_t> sizes, strides;
  };
  std::vector<Entry> entries_;
};

} // namespace

void bind_snapshot(py::module_& m) {
  py::class_<Snapshot, std::shared_ptr<Snapshot>>(m, "_Snapshot").def("holds", &Snapshot::holds);
  m.def("_snapshot", &Snapshot::of);
}

} // namespace xpu_lite::bindings
