// Statistics, limits and raw blocks of the caching allocator.

#include <pybind11/stl.h>

#include <mutex>
#include <unordered_map>

#include "backend/aten/bindings/bindings.h"
#include "backend/runtime/allocator.h"
#include "backend/runtime/device.h"
#include "backend/runtime/error.h"

namespace xpu_lite::bindings {
namespace {

py::dict stat_dict(const Stat& stat) {
  py::dict result;
  result["current"] = stat.current;
  result["peak"] = stat.peak;
  result["allocated"] = stat.allocated;
  result["freed"] = stat.freed;
  return result;
}

py::dict stat_array_dict(const StatArray& stats) {
  py::dict result;
  result["all"] = stat_dict(stats[kAggregate]);
  result["small_pool"] = stat_dict(stats[kSmallPool]);
  result["large_pool"] = stat_dict(stats[kLargePool]);
  return result;
}

// The names are those of torch.cuda.memory_stats_as_nested_dict().
py::dict stats_dict(int device) {
  const AllocatorStats stats = memory_stats(device);
  py::dict result;
  result["num_alloc_retries"] = stats.num_alloc_retries;
  result["num_ooms"] = stats.num_ooms;
  result["max_split_size"] = stats.max_split_size;
  result["num_sync_all_streams"] = stats.num_sync_all_streams;
  result["num_device_alloc"] = stats.num_device_alloc;
  result["num_device_free"] = stats.num_device_free;
  result["allocation"] = stat_array_dict(stats.allocation);
  result["segment"] = stat_array_dict(stats.segment);
  result["active"] = stat_array_dict(stats.active);
  result["inactive_split"] = stat_array_dict(stats.inactive_split);
  result["allocated_bytes"] = stat_array_dict(stats.allocated_bytes);
  result["reserved_bytes"] = stat_array_dict(stats.reserved_bytes);
  result["active_bytes"] = stat_array_dict(stats.active_bytes);
  result["inactive_split_bytes"] = stat_array_dict(stats.inactive_split_bytes);
  result["requested_bytes"] = stat_array_dict(stats.requested_bytes);
  result["oversize_allocations"] = stat_dict(stats.oversize_allocations);
  result["oversize_segments"] = stat_dict(stats.oversize_segments);
  return result;
}

const char* state_name(BlockSnapshot::State state) {
  switch (state) {
    case BlockSnapshot::Allocated: return "active_allocated";
    case BlockSnapshot::PendingFree: return "active_pending_free";
    default: return "inactive";
  }
}

// The shape of torch.cuda.memory_snapshot(): what plotting tools read.
py::list snapshot_list(int device) {
  py::list segments;
  for (const SegmentSnapshot& segment : memory_snapshot(device)) {
    py::list blocks;
    size_t requested = 0;
    for (const BlockSnapshot& block : segment.blocks) {
      py::dict entry;
      entry["address"] = block.address;
      entry["size"] = block.size;
      entry["requested_size"] = block.requested_size;
      entry["state"] = state_name(block.state);
      entry["frames"] = py::list();
      blocks.append(entry);
      requested += block.state == BlockSnapshot::Free ? 0 : block.requested_size;
    }
    py::dict entry;
    entry["device"] = segment.device;
    entry["address"] = segment.address;
    entry["total_size"] = segment.total_size;
    entry["allocated_size"] = segment.allocated_size;
    entry["active_size"] = segment.active_size;
    entry["requested_size"] = requested;
    entry["stream"] = segment.stream;
    entry["segment_type"] = segment.is_large ? "large" : "small";
    entry["is_expandable"] = false;
    entry["frames"] = py::list();
    entry["blocks"] = blocks;
    segments.append(entry);
  }
  return segments;
}

// Blocks that caching_allocator_alloc() handed out as bare addresses.
struct RawBlocks {
  std::mutex mutex;
  std::unordered_map<uintptr_t, void*> contexts;
};
RawBlocks& raw_blocks() {
  static auto* blocks = new RawBlocks; // never destroyed: used until the very end
  return *blocks;
}

uintptr_t raw_alloc(int device, size_t bytes, StreamId stream) {
  const Allocation block = allocate(device, bytes, stream_from_id(device, stream));
  const auto address = reinterpret_cast<uintptr_t>(block.data);
  if (address != 0) {
    std::lock_guard lock(raw_blocks().mutex);
    raw_blocks().contexts[address] = block.context;
  }
  return address;
}

void raw_delete(uintptr_t address) {
  if (address == 0) {
    return;
  }
  void* context = nullptr;
  {
    std::lock_guard lock(raw_blocks().mutex);
    auto found = raw_blocks().contexts.find(address);
    if (found == raw_blocks().contexts.end()) {
      throw ValueError(message("caching_allocator_delete: address ", address,
                               " did not come from caching_allocator_alloc"));
    }
    context = found->second;
    raw_blocks().contexts.erase(found);
  }
  release(context);
}

void check(int device) {
  check_device(device);
}

} // namespace

void bind_memory(py::module_& m) {
  m.def("_memory_stats", [](int device) {
    check(device);
    return stats_dict(device);
  });
  m.def("_allocated_and_reserved", [](int device) {
    check(device);
    return allocated_and_reserved(device);
  });
  m.def("_memory_snapshot", [](int device) {
    check(device);
    return snapshot_list(device);
  });
  m.def("_memory_info", [](int device) {
    check(device);
    return memory_info(device);
  });
  m.def("_empty_cache", &empty_cache, py::arg("device") = -1, NoGil());
  m.def("_reset_peak_stats", [](int device) {
    check(device);
    reset_peak_stats(device);
  });
  m.def("_reset_accumulated_stats", [](int device) {
    check(device);
    reset_accumulated_stats(device);
  });
  m.def("_set_memory_fraction", [](int device, double fraction) {
    check(device);
    set_memory_fraction(device, fraction);
  });
  m.def("_memory_fraction", [](int device) {
    check(device);
    return memory_fraction(device);
  });
  m.def("_memory_limit", [](int device) {
    check(device);
    return memory_limit(device);
  });
  m.def("_raw_alloc", &raw_alloc, py::arg("device"), py::arg("bytes"),
        py::arg("stream"), NoGil());
  m.def("_raw_delete", &raw_delete, py::arg("address"), NoGil());
  m.def("_device_of_pointer", [](uintptr_t address) {
    return device_of_pointer(reinterpret_cast<const void*>(address));
  });
}

} // namespace xpu_lite::bindings
