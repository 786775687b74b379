#include "backend/xpu/ops/ctc_loss.h"

#include <algorithm>
#include <string>

#include "backend/xpu/device_pointer.h"
#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

namespace {

template <class Real>
void ctc_addresses(Stream& stream, CtcArgs<Real>& args) {
  args.log_probs = device_pointer(args.log_probs);
  args.targets = device_pointer(args.targets);
  args.lengths = device_pointer(args.lengths);
  args.loss = device_pointer(args.loss);
  args.alpha = device_pointer(args.alpha);
  args.beta = device_pointer(args.beta);
  args.grad = device_pointer(args.grad);
  args.out = device_pointer(args.out);
  args.error = kernel_error(stream);
}

template <class Real>
std::string ctc_kernel(const char* name) {
  return std::string(name) + (sizeof(Real) == 8 ? "_f64" : "_f32");
}

// A group for each item of the batch, a work-item for each state.
template <class Real>
Grid ctc_grid(int device, const CtcArgs<Real>& args) {
  const size_t most = std::min<size_t>(limits(device).max_group_size, 256);
  size_t lanes = 8;
  while (lanes < most && lanes < static_cast<size_t>(args.states)) lanes *= 2;
  return {static_cast<size_t>(args.batch), std::min(lanes, most)};
}

} // namespace

template <class Real>
void ctc_loss(Stream& stream, CtcArgs<Real> args) {
  ctc_addresses(stream, args);
  launch(stream, ctc_kernel<Real>("ctc_alpha"), ctc_grid(stream.device(), args), args);
}

template <class Real>
void ctc_loss_backward(Stream& stream, CtcArgs<Real> args) {
  ctc_addresses(stream, args);
  const int device = stream.device();
  launch(stream, ctc_kernel<Real>("ctc_beta"), ctc_grid(device, args), args);
  launch(stream, ctc_kernel<Real>("ctc_gradient"),
         grid_for(device, static_cast<size_t>(args.batch * args.time)), args);
}

template void ctc_loss(Stream&, CtcArgs<float>);
template void ctc_loss(Stream&, CtcArgs<double>);
template void ctc_loss_backward(Stream&, CtcArgs<float>);
template void ctc_loss_backward(Stream&, CtcArgs<double>);

} // namespace xpu_lite::xpu
