// torch.amp.GradScaler's operators. Scale, growth tracker and found_inf live on
// the device and are only touched by the kernels: the host never waits.

#include <atomic>
#include <cmath>

#include "backend/aten/ops/dense_lists.h"
#include "backend/aten/ops/engine_kernels.h"
#include "backend/aten/ops/fused_optimizers.h"
#include "backend/cpu/multi_tensor.h"

namespace xpu_lite::aten {

namespace {

void check_scalar(const char* op, const char* what, const Tensor& tensor,
                  at::ScalarType type) {
  TORCH_CHECK(tensor.device().type() == kDevice, op, ": ", what, " must be on this device, "
              "it is on ", tensor.device());
  TORCH_CHECK(tensor.numel() == 1, op, ": ", what, " must be a 1-element tensor, got ",
              tensor.numel(), " elements");
  TORCH_CHECK(tensor.scalar_type() == type, op, ": ", what, " must be of type ", type,
              ", got ", tensor.scalar_type());
}

} // namespace

void amp_unscale_(TensorList grads, Tensor& found_inf, const Tensor& inv_scale) {
  constexpr const char* op = "_amp_foreach_non_finite_check_and_unscale_";
  if (grads.empty()) return;
  check_scalar(op, "inv_scale", inv_scale, at::kFloat);
  check_scalar(op, "found_inf", found_inf, at::kFloat);
  std::vector<Tensor> layouts = grads.vec();
  for (size_t i = 0; i < grads.size(); ++i) {
    TORCH_CHECK(grads[i].device() == found_inf.device(), op, ": scaled_grads[", i,
                "] is on ", grads[i].device(), ", found_inf on ", found_inf.device());
    TORCH_CHECK(grads[i].layout() == at::kStrided, op, ": scaled_grads[", i,
                "] must be a strided (not sparse) tensor, got ", grads[i].layout());
    TORCH_CHECK(floating_dtype(grads[i].scalar_type()), op, ": scaled_grads[", i,
                "] must be float, double, bfloat16 or half, got ", grads[i].scalar_type());
    if (!layouts[i].is_non_overlapping_and_dense()) layouts[i] = at::empty_like(grads[i]);
  }
  DenseList dense(grads, layouts, true);

  if (list_kernels) {
    list_kernels->unscale(op, dense.get(), found_inf, inv_scale);
    return dense.finish();
  }
  struct Item {
    void* data;
    cpu::DType dtype;
    int64_t numel;
  };
  std::vector<Item> items;
  for (const Tensor& grad : dense.get()) {
    items.push_back({grad.mutable_data_ptr(), *floating_dtype(grad.scalar_type()),
                     grad.numel()});
  }
  float* found = found_inf.mutable_data_ptr<float>();
  const float* scale = inv_scale.const_data_ptr<float>();
  launch_lists(op, {dense.get(), found_inf, inv_scale},
               [found, scale, items = std::move(items)] {
                 const float factor = *scale;
                 std::atomic<bool> bad{false};
                 cpu::multi_tensor_for(
                     items.size(), [&](int64_t i) { return items[i].numel; },
                     [&](int64_t i, int64_t first, int64_t last) {
                       const Item& item = items[i];
                       void* data =
                           cpu::advance(item.data, first * cpu::dtype_size(item.dtype));
                       if (cpu::unscale_range(item.dtype, data, factor, last - first)) {
                         bad.store(true, std::memory_order_relaxed);
                       }
                     });
                 if (bad) *found = 1.0f;
               });
  dense.finish();
}

Tensor& amp_update_scale_(Tensor& scale, Tensor& growth_tracker, const Tensor& found_inf,
                          double growth_factor, double backoff_factor,
                          int64_t growth_interval) {
  constexpr const char* op = "_amp_update_scale_";
  check_scalar(op, "current_scale", scale, at::kFloat);
  check_scalar(op, "growth_tracker", growth_tracker, at::kInt);
  check_scalar(op, "found_inf", found_inf, at::kFloat);
  if (list_kernels) {
    list_kernels->update_scale(op, scale, growth_tracker, found_inf, growth_factor,
                               backoff_factor, growth_interval);
    return scale;
  }
  float* value = scale.mutable_data_ptr<float>();
  int* tracker = growth_tracker.mutable_data_ptr<int>();
  const float* found = found_inf.const_data_ptr<float>();
  launch(op, {scale, growth_tracker, found_inf}, [=] {
    if (*found != 0) {
      *value = static_cast<float>(*value * backoff_factor);
      *tracker = 0;
      return;
    }
    const int successful = *tracker + 1;
    if (successful != growth_interval) {
      *tracker = successful;
      return;
    }
    // A scale of infinity could never come back.
    const float grown = static_cast<float>(*value * growth_factor);
    if (std::isfinite(grown)) *value = grown;
    *tracker = 0;
  });
  return scale;
}

} // namespace xpu_lite::aten
