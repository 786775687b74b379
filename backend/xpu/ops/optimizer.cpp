#include <cmath>
#include <string>

#include "backend/xpu/device_pointer.h"
#include "backend/xpu/ops/foreach.h"
#include "backend/xpu/ops/multi_tensor.h"

namespace xpu_lite::xpu {

namespace {

template <class Real>
LateNumber<Real> late(const StepNumber& number) {
  return {device_pointer(number.data), static_cast<int32_t>(number.type),
          static_cast<Real>(number.value)};
}

template <class Real>
void step_as(Stream& stream, const std::string& name, Optimizer optimizer,
             const StepCommon& common, const std::vector<StepItem>& items) {
  const size_t chunks = chunk_count(items);
  if (chunks == 0) return;
  Table table(stream, items.size() * sizeof(StepTensor<Real>) + chunks * sizeof(TensorChunk) + 64);
  auto* tensors = table.take<StepTensor<Real>>(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    const StepItem& item = items[i];
    StepTensor<Real>& tensor = tensors[i];
    tensor = {device_pointer(item.param),    device_pointer(item.grad),
              device_pointer(item.state[0]), device_pointer(item.state[1]),
              device_pointer(item.state[2]), item.n,
              late<Real>(item.step),         {}};
    for (int k = 0; k < 5; ++k) tensor.types[k] = static_cast<uint8_t>(item.types[k]);
  }
  OptimizerArgs<Real> args{};
  args.tensors = tensors;
  args.chunks = write_chunks(table, items, chunks);
  args.lr = late<Real>(common.lr);
  args.grad_scale = late<Real>(common.grad_scale);
  args.found_inf = late<Real>(common.found_inf);
  const bool adam = optimizer == Optimizer::Adam;
  args.a = static_cast<Real>(adam ? std::log(common.beta1) : common.lr_decay);
  args.b = static_cast<Real>(adam ? std::log(common.beta2) : 0);
  args.beta2 = static_cast<Real>(common.beta2);
  args.weight1 = static_cast<Real>(1 - common.beta1);
  args.weight2 = static_cast<Real>(1 - common.beta2);
  args.momentum = static_cast<Real>(common.momentum);
  args.intake = static_cast<Real>(1 - common.dampening);
  args.weight_decay = static_cast<Real>(common.weight_decay);
  args.eps = static_cast<Real>(common.eps);
  args.maximize = common.maximize;
  args.decoupled = common.decoupled;
  args.nesterov = common.nesterov;
  args.first_step = common.first_step;
  args.first_state = items[0].state[0] != nullptr;
  args.third_state = items[0].state[2] != nullptr;
  launch(stream, name, chunk_grid(stream.device(), chunks), args);
}

} // namespace

void optimizer_step(Stream& stream, Optimizer optimizer, const StepCommon& common,
                    const std::vector<StepItem>& items) {
  if (items.empty()) return;
  const DType type = items[0].types[0];
  bool uniform = true, any_double = false;
  for (const StepItem& item : items) {
    const void* pointers[] = {item.param, item.grad, item.state[0], item.state[1], item.state[2]};
    for (int k = 0; k < 5; ++k) {
      if (!pointers[k]) continue;
      uniform &= item.types[k] == type;
      any_double |= item.types[k] == DType::F64;
    }
  }
  static constexpr const char* names[] = {"adam", "sgd", "adagrad"};
  const std::string name = std::string("optimizer_") + names[static_cast<int>(optimizer)] +
                           (uniform ? "_" : "_mixed_f16_") +
                           (uniform ? suffix(type) : any_double ? "f64" : "f32");
  any_double ? step_as<double>(stream, name, optimizer, common, items)
             : step_as<float>(stream, name, optimizer, common, items);
}

} // namespace xpu_lite::xpu
