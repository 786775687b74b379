// What Python needs from the ATen layer: generators, tensors over the same
// memory on the other side, pinned memory, and the count of fallbacks.

#include <ATen/core/CachingHostAllocator.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/utils/pybind.h>

#include "backend/aten/bindings/bindings.h"
#include "backend/aten/core/alias.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/fallback.h"
#include "backend/aten/core/write_watch.h"
#include "backend/aten/generator.h"
#include "backend/runtime/device.h"
#include "backend/runtime/stream.h"

namespace xpu_lite::bindings {
namespace {

at::HostAllocator* host_allocator() {
  return at::getHostAllocator(at::kPrivateUse1);
}

template <class Stat>
py::dict stat_dict(const Stat& stat) {
  py::dict result;
  result["current"] = stat.current;
  result["peak"] = stat.peak;
  result["allocated"] = stat.allocated;
  result["freed"] = stat.freed;
  return result;
}

template <class Duration>
py::dict duration_dict(const Duration& time) {
  py::dict result;
  result["total"] = time.total;
  result["max"] = time.max;
  result["min"] = time.min;
  result["count"] = time.count;
  result["avg"] = time.count == 0 ? 0 : time.total / time.count;
  return result;
}

// The names are those of torch.cuda.host_memory_stats_as_nested_dict().
py::dict host_memory_stats() {
  at::HostStats stats;
  {
    py::gil_scoped_release no_gil;
    stats = host_allocator()->get_stats();
  }
  py::dict result;
  result["num_host_alloc"] = stats.num_host_alloc;
  result["num_host_free"] = stats.num_host_free;
  result["active_requests"] = stat_dict(stats.active_requests);
  result["active_bytes"] = stat_dict(stats.active_bytes);
  result["allocations"] = stat_dict(stats.allocations);
  result["allocated_bytes"] = stat_dict(stats.allocated_bytes);
  result["host_alloc_time"] = duration_dict(stats.host_alloc_time);
  result["host_free_time"] = duration_dict(stats.host_free_time);
  return result;
}

at::Generator generator_of(int device) {
  aten::translate([&] { check_device(device); });
  return aten::default_generator(device);
}

// Moves the bytes of `device_bytes`' storage into `shared_bytes`, a CPU tensor in
// shared memory, and makes the storage use that memory from now on: every tensor
// over it follows. Both are uint8 and cover the whole storage. The storage cannot
// be resized any more: other processes map it with this size.
void move_to_shared(const at::Tensor& device_bytes, const at::Tensor& shared_bytes) {
  TORCH_CHECK(device_bytes.device().type() == at::kPrivateUse1 &&
                  shared_bytes.device().is_cpu() &&
                  device_bytes.nbytes() == shared_bytes.nbytes(),
              "move_to_shared: expected a device and a CPU tensor of one size, got ",
              device_bytes.device(), " with ", device_bytes.nbytes(), " bytes and ",
              shared_bytes.device(), " with ", shared_bytes.nbytes(), " bytes");
  const int device = device_bytes.device().index();
  aten::translate([&] {
    synchronize_device(device);
    engine().copy(shared_bytes.data_ptr(), device, device_bytes.data_ptr(), device,
                  device_bytes.nbytes());
  });
  at::Tensor over_shared = aten::device_tensor_from_cpu(shared_bytes, device);
  c10::StorageImpl* target = device_bytes.storage().unsafeGetStorageImpl();
  c10::StorageImpl* source = over_shared.storage().unsafeGetStorageImpl();
  source->set_data_ptr(
      target->set_data_ptr(std::move(source->_mutable_data_ptr_no_checks())));
  target->set_resizable(false);
  aten::never_watch(target);
}

py::list fallback_list() {
  py::list result;
  for (const auto& [name, count] : aten::fallback_counts()) {
    result.append(py::make_tuple(name, count));
  }
  return result;
}

} // namespace

void bind_tensor(py::module_& m) {
  using torch::wrap_pybind_function;
  using torch::wrap_pybind_function_no_gil;

  m.def("_default_generator", wrap_pybind_function(generator_of));
  m.def("_cpu_alias", wrap_pybind_function_no_gil([](const at::Tensor& tensor) {
          if (tensor.defined() && tensor.has_storage()) {
            aten::never_watch(tensor.storage().unsafeGetStorageImpl()); // numpy writes as it likes
          }
          return aten::cpu_alias(tensor);
        }));
  m.def("_from_cpu_shared",
        wrap_pybind_function_no_gil([](const at::Tensor& tensor, int device) {
          aten::translate([&] { check_device(device); });
          return aten::device_tensor_from_cpu(tensor, device);
        }));
  m.def("_move_to_shared", wrap_pybind_function_no_gil(move_to_shared));
  m.def("_fallback_counts", &fallback_list);
  m.def("_reset_fallback_counts", &aten::reset_fallback_counts);
  m.def("_host_memory_stats", wrap_pybind_function(host_memory_stats));
  m.def("_empty_host_cache",
        wrap_pybind_function_no_gil([] { host_allocator()->empty_cache(); }));
  m.def("_reset_host_peak_stats",
        wrap_pybind_function_no_gil([] { host_allocator()->reset_peak_stats(); }));
  m.def("_reset_host_accumulated_stats", wrap_pybind_function_no_gil([] {
          host_allocator()->reset_accumulated_stats();
        }));
}

} // namespace xpu_lite::bindings
