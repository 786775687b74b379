#include "backend/aten/ops/random_companion.h"

#include <ATen/ops/_sample_dirichlet.h>
#include <ATen/ops/_standard_gamma.h>
#include <ATen/ops/binomial.h>
#include <ATen/ops/multinomial.h>
#include <ATen/ops/poisson.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/rrelu_with_noise.h>

#include "backend/aten/core/alias.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/fallback.h"
#include "backend/aten/core/install.h"
#include "backend/aten/core/launch.h"
#include "backend/aten/generator.h"

namespace xpu_lite::aten {

namespace {

// One call of a CPU kernel. On the host engine it runs on aliases, after what is
// queued before, which may write the arguments; where the host cannot read device
// memory, on copies.
class CompanionCall {
 public:
  CompanionCall(const char* name, const at::Tensor& first, const OptionalGenerator& generator)
      : frame_(name),
        stream_(stream_of(first)),
        generator_(cpu_companion(generator, static_cast<int>(first.get_device()))),
        staged_(sycl_operators()) {
    if (!staged_ && !stream_.runs_inline()) translate([&] { stream_.synchronize(); });
  }

  int read(const at::Tensor& tensor) { return add(tensor, false); }
  int write(const at::Tensor& tensor) { return add(tensor, true); }

  // fn(generator, at), where at(place) is the alias of what read() or write() took.
  // Copies are a fallback, of the operator `name`.`overload`.
  template <class Fn>
  auto run(const at::Tensor& any, const char* name, const Fn& fn, const char* overload = "") {
    if (staged_) {
      const std::string op = message("aten::", name);
      count_fallback(c10::Dispatcher::singleton().findSchemaOrThrow(op.c_str(), overload));
      note_route(3, name);
      auto result = fn(generator_, *this);
      for (Copy& copy : copies_) {
        if (!copy.written) continue;
        if (copy.device.sizes() != copy.cpu.sizes()) copy.device.resize_(copy.cpu.sizes());
        copy.device.copy_(copy.cpu);
      }
      return result;
    }
    KernelSpan span(name, stream_);
    OpScope scope(static_cast<int>(any.get_device()), stream_);
    auto result = fn(generator_, *this);
    frame_.write_back();
    return result;
  }
  at::Tensor at(int place) const { return staged_ ? copies_[place].cpu : frame_.at(place); }
  at::Tensor result(at::Tensor cpu) {
    if (!staged_) return frame_.result(std::move(cpu));
    return cpu.to(at::Device(kDevice, static_cast<c10::DeviceIndex>(stream_.device())));
  }

 private:
  struct Copy {
    at::Tensor device, cpu;
    bool written;
  };
  int add(const at::Tensor& tensor, bool written) {
    if (!staged_) return frame_.add(tensor, written);
    if (tensor.device().type() != kDevice) return AliasFrame::kAsIs;
    copies_.push_back({tensor, tensor.to(at::kCPU), written});
    return static_cast<int>(copies_.size()) - 1;
  }

  AliasFrame frame_;
  Stream& stream_;
  at::Generator generator_;
  const bool staged_;
  std::vector<Copy> copies_;
};

// An operator of one or two inputs that returns a new tensor.
template <class Fn>
at::Tensor sample(const char* name, const at::Tensor& a, const at::Tensor* b,
                  const OptionalGenerator& generator, const Fn& fn) {
  CompanionCall call(name, a, generator);
  const int first = call.read(a);
  const int second = b ? call.read(*b) : -1;
  return call.run(a, name, [&](const at::Generator& gen, CompanionCall& c) {
    return c.result(fn(c.at(first), second < 0 ? at::Tensor() : c.at(second), gen));
  });
}

} // namespace

at::Tensor standard_gamma(const at::Tensor& self, OptionalGenerator generator) {
  return sample("_standard_gamma", self, nullptr, generator,
                [](const at::Tensor& a, const at::Tensor&, const at::Generator& g) {
                  return at::_standard_gamma(a, g);
                });
}

at::Tensor sample_dirichlet(const at::Tensor& self, OptionalGenerator generator) {
  return sample("_sample_dirichlet", self, nullptr, generator,
                [](const at::Tensor& a, const at::Tensor&, const at::Generator& g) {
                  return at::_sample_dirichlet(a, g);
                });
}

at::Tensor poisson(const at::Tensor& self, OptionalGenerator generator) {
  return sample("poisson", self, nullptr, generator,
                [](const at::Tensor& a, const at::Tensor&, const at::Generator& g) {
                  return at::poisson(a, g);
                });
}

at::Tensor binomial(const at::Tensor& count, const at::Tensor& prob,
                    OptionalGenerator generator) {
  const at::Tensor& placed = count.device().type() == kDevice ? count : prob;
  CompanionCall call("binomial", placed, generator);
  const int first = call.read(count), second = call.read(prob);
  return call.run(placed, "binomial", [&](const at::Generator& gen, CompanionCall& c) {
    return c.result(at::binomial(first < 0 ? count : c.at(first),
                                 second < 0 ? prob : c.at(second), gen));
  });
}

at::Tensor multinomial(const at::Tensor& self, int64_t num_samples, bool replacement,
                       OptionalGenerator generator) {
  return sample("multinomial", self, nullptr, generator,
                [=](const at::Tensor& a, const at::Tensor&, const at::Generator& g) {
                  return at::multinomial(a, num_samples, replacement, g);
                });
}

at::Tensor& multinomial_out(const at::Tensor& self, int64_t num_samples, bool replacement,
                            OptionalGenerator generator, at::Tensor& out) {
  CompanionCall call("multinomial", self, generator);
  const int input = call.read(self), output = call.write(out);
  call.run(self, "multinomial", [&](const at::Generator& gen, CompanionCall& c) {
    at::Tensor alias = c.at(output);
    at::multinomial_out(alias, c.at(input), num_samples, replacement, gen);
    return 0;
  });
  return out;
}

at::Tensor& randperm_out(int64_t n, OptionalGenerator generator, at::Tensor& out) {
  CompanionCall call("randperm", out, generator);
  const int output = call.write(out);
  call.run(out, "randperm", [&](const at::Generator& gen, CompanionCall& c) {
    at::Tensor alias = c.at(output);
    at::randperm_out(alias, n, gen);
    return 0;
  }, "generator_out");
  return out;
}

at::Tensor rrelu_with_noise(const at::Tensor& self, at::Tensor& noise, const at::Scalar& lower,
                            const at::Scalar& upper, bool training,
                            OptionalGenerator generator) {
  CompanionCall call("rrelu_with_noise", self, generator);
  const int input = call.read(self), noisy = call.write(noise);
  return call.run(self, "rrelu_with_noise", [&](const at::Generator& gen, CompanionCall& c) {
    at::Tensor alias = c.at(noisy);
    return c.result(at::rrelu_with_noise(c.at(input), alias, lower, upper, training, gen));
  });
}

at::Tensor& rrelu_with_noise_(at::Tensor& self, at::Tensor& noise, const at::Scalar& lower,
                              const at::Scalar& upper, bool training,
                              OptionalGenerator generator) {
  CompanionCall call("rrelu_with_noise_", self, generator);
  const int input = call.write(self), noisy = call.write(noise);
  call.run(self, "rrelu_with_noise_", [&](const at::Generator& gen, CompanionCall& c) {
    at::Tensor alias = c.at(input), noise_alias = c.at(noisy);
    at::rrelu_with_noise_(alias, noise_alias, lower, upper, training, gen);
    return 0;
  });
  return self;
}

at::Tensor& rrelu_with_noise_out(const at::Tensor& self, at::Tensor& noise,
                                 const at::Scalar& lower, const at::Scalar& upper, bool training,
                                 OptionalGenerator generator, at::Tensor& out) {
  CompanionCall call("rrelu_with_noise", self, generator);
  const int input = call.read(self), noisy = call.write(noise), output = call.write(out);
  call.run(self, "rrelu_with_noise", [&](const at::Generator& gen, CompanionCall& c) {
    at::Tensor out_alias = c.at(output), noise_alias = c.at(noisy);
    at::rrelu_with_noise_out(out_alias, c.at(input), noise_alias, lower, upper, training, gen);
    return 0;
  });
  return out;
}

} // namespace xpu_lite::aten
