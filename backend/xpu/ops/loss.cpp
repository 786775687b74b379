#include "backend/xpu/ops/loss.h"

#include <algorithm>
#include <string>

#include "backend/xpu/device_pointer.h"
#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

namespace {

std::string loss_kernel(const char* name, DType type) { return std::string(name) + suffix(type); }

Grid part_grid(int device, int64_t targets) {
  const Limits& l = limits(device);
  const size_t lanes = std::min<size_t>(l.max_group_size, kNllLanes);
  const size_t per_group = lanes * 16;
  const size_t groups = (static_cast<size_t>(targets) + per_group - 1) / per_group;
  return {std::clamp<size_t>(groups, 1, l.compute_units * 8), lanes};
}

template <class Args>
void on_device(Args& args) {
  args.target = device_pointer(args.target);
  args.weight = device_pointer(args.weight);
  args.total_weight = device_pointer(args.total_weight);
}

} // namespace

size_t nll_loss_bytes(int device, DType type, int64_t targets) {
  return part_grid(device, targets).groups * 2 * (type == DType::F64 ? 8 : 4);
}

void nll_loss(Stream& stream, DType type, bool each, NllLossArgs args) {
  on_device(args);
  args.out = device_pointer(args.out);
  args.in = device_pointer(args.in);
  args.partial = device_pointer(args.partial);
  args.error = kernel_error(stream);
  const int device = stream.device();
  if (each) {
    launch(stream, loss_kernel("nll_loss_each_", type),
           grid_for(device, static_cast<size_t>(args.targets)), args);
    return;
  }
  const Grid grid = part_grid(device, args.targets);
  args.parts = static_cast<int64_t>(grid.groups);
  launch(stream, loss_kernel("nll_loss_part_", type), grid, args);
  launch(stream, loss_kernel("nll_loss_finish_", type), {1, 1}, args);
}

void nll_loss_backward(Stream& stream, DType type, NllLossBackwardArgs args,
                       size_t grad_in_bytes) {
  on_device(args);
  fill_async(stream, args.grad_in, 0, grad_in_bytes);
  args.grad_in = device_pointer(args.grad_in);
  args.grad_out = device_pointer(args.grad_out);
  args.error = kernel_error(stream);
  if (args.targets == 0) return;
  launch(stream, loss_kernel("nll_loss_backward_", type),
         grid_for(stream.device(), static_cast<size_t>(args.targets)), args);
}

namespace {

void submit_bce(Stream& stream, const char* name, DType type, BceArgs args) {
  if (args.n == 0) return;
  args.out = device_pointer(args.out);
  args.in = device_pointer(args.in);
  args.target = device_pointer(args.target);
  args.weight = device_pointer(args.weight);
  args.grad_out = device_pointer(args.grad_out);
  args.error = kernel_error(stream);
  launch(stream, loss_kernel(name, type), grid_for(stream.device(), static_cast<size_t>(args.n)), args);
}

} // namespace

void bce(Stream& stream, DType type, BceArgs args) { submit_bce(stream, "bce_", type, args); }

void bce_backward(Stream& stream, DType type, BceArgs args) {
  submit_bce(stream, "bce_backward_", type, args);
}

} // namespace xpu_lite::xpu
