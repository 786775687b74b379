#pragma once

// torch.Generator of a device: a seed and an offset into its Philox stream. What
// the numbers are is Note [Philox layout] in backend/cpu/kernels/philox.h.
//
// Note [Generator state]
// get_state() is 16 bytes on the CPU: the seed (uint64) and then the offset
// (int64), both in native byte order. DTensor reads and writes these bytes.

#include <memory>
#include <optional>

#include <ATen/core/Generator.h>
#include <c10/core/GeneratorImpl.h>

namespace xpu_lite::aten {

struct PhiloxState {
  uint64_t seed = c10::default_rng_seed_val;
  uint64_t offset = 0; // a multiple of 4
};

// As in Note [Generator] of c10, methods need the caller to hold mutex_.
class XpuLiteGeneratorImpl final : public c10::GeneratorImpl {
 public:
  explicit XpuLiteGeneratorImpl(c10::DeviceIndex device);

  void set_current_seed(uint64_t seed) override; // and sets the offset to zero
  uint64_t current_seed() const override { return state_->seed; }
  uint64_t seed() override;                      // a seed of the system's entropy
  void set_offset(uint64_t offset) override;     // RuntimeError unless a multiple of 4
  uint64_t get_offset() const override { return state_->offset; }
  void set_state(const c10::TensorImpl& state) override;
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override;
  // Share the state instead of copying it: a captured graph's generator advances
  // together with the one it was taken from.
  void graphsafe_set_state(const c10::intrusive_ptr<c10::GeneratorImpl>& other) override;
  c10::intrusive_ptr<c10::GeneratorImpl> graphsafe_get_state() const override;

  static c10::DeviceType device_type() { return c10::DeviceType::PrivateUse1; }

  // The state before; then moves the offset by `increment` rounded up to 4.
  PhiloxState advance(uint64_t increment);

 private:
  XpuLiteGeneratorImpl* clone_impl() const override;
  std::shared_ptr<PhiloxState> state_;
};

// The generator that operators of `device` use if none is given; -1 is the current
// device. Made at first use with a seed of the system's entropy. ValueError for a
// device that does not exist.
const at::Generator& default_generator(int device);
// A new generator with the default seed.
at::Generator make_generator(int device);

// Takes the numbers of one operator call: the state to draw from, with the
// generator advanced by `increment`. Thread-safe. RuntimeError for a generator of
// another device. An operator calls this on the caller's thread, so that its
// numbers do not depend on when its stream runs it.
PhiloxState reserve_philox(const std::optional<at::Generator>& generator, int device,
                           uint64_t increment = 4);

// A CPU generator whose seed is drawn from `generator` (which advances by 4), for
// operators that torch's CPU kernels serve: they are serial, so their numbers
// follow from the device's seed alone.
at::Generator cpu_companion(const std::optional<at::Generator>& generator, int device);

} // namespace xpu_lite::aten
