#include "backend/aten/generator.h"

#include <cstring>
#include <deque>
#include <mutex>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>

#include "backend/aten/core/errors.h"
#include "backend/cpu/kernels/philox.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {

namespace {

constexpr int64_t kStateBytes = 16; // Note [Generator state]

c10::DeviceIndex resolve(int device) {
  return translate([&] {
    if (device < 0) return static_cast<c10::DeviceIndex>(current_device());
    check_device(device);
    return static_cast<c10::DeviceIndex>(device);
  });
}

void check_offset(uint64_t offset) {
  TORCH_CHECK(offset % 4 == 0, "Generator.set_offset: offset must be a multiple of 4, got ",
              offset);
}

} // namespace

XpuLiteGeneratorImpl::XpuLiteGeneratorImpl(c10::DeviceIndex device)
    : c10::GeneratorImpl(c10::Device(c10::DeviceType::PrivateUse1, device),
                         c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)),
      state_(std::make_shared<PhiloxState>()) {}

void XpuLiteGeneratorImpl::set_current_seed(uint64_t seed) {
  state_->seed = seed;
  state_->offset = 0;
}

uint64_t XpuLiteGeneratorImpl::seed() {
  // 53 bits, so that it survives a trip through a double.
  const uint64_t random = c10::detail::getNonDeterministicRandom(/*is_cuda=*/true);
  set_current_seed(random);
  return random;
}

void XpuLiteGeneratorImpl::set_offset(uint64_t offset) {
  check_offset(offset);
  state_->offset = offset;
}

c10::intrusive_ptr<c10::TensorImpl> XpuLiteGeneratorImpl::get_state() const {
  at::Tensor state = at::detail::empty_cpu({kStateBytes}, at::kByte, std::nullopt, std::nullopt,
                                           std::nullopt, std::nullopt);
  auto* bytes = static_cast<uint8_t*>(state.data_ptr());
  std::memcpy(bytes, &state_->seed, 8);
  std::memcpy(bytes + 8, &state_->offset, 8);
  return state.getIntrusivePtr();
}

void XpuLiteGeneratorImpl::set_state(const c10::TensorImpl& state) {
  at::detail::check_rng_state(state);
  TORCH_CHECK(state.numel() == kStateBytes, "Generator.set_state: state must have ", kStateBytes,
              " bytes (seed, offset), got ", state.numel());
  const auto* bytes = static_cast<const uint8_t*>(state.data());
  PhiloxState next;
  std::memcpy(&next.seed, bytes, 8);
  std::memcpy(&next.offset, bytes + 8, 8);
  check_offset(next.offset);
  *state_ = next;
}

void XpuLiteGeneratorImpl::graphsafe_set_state(
    const c10::intrusive_ptr<c10::GeneratorImpl>& other) {
  auto* generator = dynamic_cast<XpuLiteGeneratorImpl*>(other.get());
  TORCH_CHECK(generator != nullptr,
              "Generator.graphsafe_set_state: expected a generator of device type ",
              c10::DeviceTypeName(c10::DeviceType::PrivateUse1, true));
  state_ = generator->state_;
}

c10::intrusive_ptr<c10::GeneratorImpl> XpuLiteGeneratorImpl::graphsafe_get_state() const {
  auto sharer = c10::make_intrusive<XpuLiteGeneratorImpl>(device().index());
  sharer->state_ = state_;
  return sharer;
}

PhiloxState XpuLiteGeneratorImpl::advance(uint64_t increment) {
  const PhiloxState before = *state_;
  state_->offset += (increment + 3) / 4 * 4;
  return before;
}

XpuLiteGeneratorImpl* XpuLiteGeneratorImpl::clone_impl() const {
  auto* copy = new XpuLiteGeneratorImpl(device().index());
  *copy->state_ = *state_;
  return copy;
}

const at::Generator& default_generator(int device) {
  // Never destroyed: Python may hold references past the end of main().
  static std::mutex& mutex = *new std::mutex;
  static auto& generators = *new std::deque<at::Generator>;
  const c10::DeviceIndex index = resolve(device);
  std::lock_guard<std::mutex> lock(mutex);
  while (generators.size() <= static_cast<size_t>(index)) {
    generators.push_back(at::make_generator<XpuLiteGeneratorImpl>(
        static_cast<c10::DeviceIndex>(generators.size())));
    generators.back().seed();
  }
  return generators[index];
}

at::Generator make_generator(int device) {
  return at::make_generator<XpuLiteGeneratorImpl>(resolve(device));
}

PhiloxState reserve_philox(const std::optional<at::Generator>& generator, int device,
                           uint64_t increment) {
  const bool given = generator.has_value() && generator->defined();
  const at::Generator& chosen = given ? *generator : default_generator(device);
  const c10::Device expected(c10::DeviceType::PrivateUse1, resolve(device));
  const c10::Device found = chosen.device();
  TORCH_CHECK(found.type() == expected.type(), "Expected a '", expected.type(),
              "' device type for generator but found '", found.type(), "'");
  TORCH_CHECK(found.index() == expected.index(), "Expected a generator of device '", expected,
              "' but found one of '", found, "'");
  auto* impl = static_cast<XpuLiteGeneratorImpl*>(chosen.unsafeGetGeneratorImpl());
  std::lock_guard<std::mutex> lock(impl->mutex_);
  return impl->advance(increment);
}

at::Generator cpu_companion(const std::optional<at::Generator>& generator, int device) {
  const PhiloxState state = reserve_philox(generator, device, 4);
  // The last block: no tensor is large enough to reach it.
  uint32_t words[4];
  cpu::philox_block(cpu::PhiloxStream::of_generator(state.seed, state.offset), ~uint64_t{0},
                    words);
  return at::detail::createCPUGenerator(uint64_t{words[0]} << 32 | words[1]);
}

} // namespace xpu_lite::aten
