#include "backend/aten/ops/random.h"

#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/native/DistributionTemplates.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/generator.h"
#include "backend/aten/ops/engine_kernels.h"
#include "backend/aten/ops/random_type.h"
#include "backend/cpu/kernels/random_fill.h"

// Argument checks are torch's templates; what they call at the end is here.

namespace xpu_lite::aten {

using cpu::PhiloxStream;
using cpu::RandomType;
namespace templates = at::native::templates;

namespace {

// Which element types a distribution takes: as on the CPU.
enum class Types { Floating, Numbers, NumbersAndBool, All };

RandomType checked_type(const char* name, const at::Tensor& self, Types types) {
  const at::ScalarType dtype = self.scalar_type();
  const std::optional<RandomType> type = random_type(dtype);
  const bool wide = dtype == at::kUInt16 || dtype == at::kUInt32 || dtype == at::kUInt64;
  const bool ok = type.has_value() &&
                  (types == Types::All || (!wide && types == Types::NumbersAndBool) ||
                   (!wide && dtype != at::kBool && types == Types::Numbers) ||
                   at::isFloatingType(dtype));
  TORCH_CHECK_NOT_IMPLEMENTED(ok, '"', name, "\" not implemented for '", dtype, "'");
  return *type;
}

// Row-major memory to fill in place of `self`: itself, or a temporary that
// finish() copies, so that elements are counted in logical order.
struct Target {
  const at::Tensor& self;
  at::Tensor memory;
  explicit Target(const at::Tensor& tensor)
      : self(tensor),
        memory(tensor.is_contiguous()
                   ? tensor
                   : at::empty(tensor.sizes(), tensor.options())) {}
  void finish() {
    if (!memory.is_same(self)) self.copy_(memory);
  }
};

void draw_on_host(void* out, RandomType type, int64_t n, const PhiloxStream& stream,
                  const Draw& draw) {
  switch (draw.kind) {
    case Draw::Uniform: return cpu::random_uniform(out, type, n, stream, draw.a, draw.b);
    case Draw::Normal: return cpu::random_normal(out, type, n, stream, draw.a, draw.b);
    case Draw::LogNormal: return cpu::random_log_normal(out, type, n, stream, draw.a, draw.b);
    case Draw::Exponential: return cpu::random_exponential(out, type, n, stream, draw.a);
    case Draw::Cauchy: return cpu::random_cauchy(out, type, n, stream, draw.a, draw.b);
    case Draw::Geometric: return cpu::random_geometric(out, type, n, stream, draw.a);
    case Draw::Integers:
      return cpu::random_integers(out, type, n, stream, draw.range, draw.base);
    case Draw::Bernoulli: return cpu::random_bernoulli(out, type, n, stream, draw.a);
  }
}

void fill(const char* name, const at::Tensor& self, Types types,
          const OptionalGenerator& generator, const Draw& draw) {
  // A generator of ours brings a CPU tensor here, too.
  TORCH_CHECK(self.device().type() == kDevice, "Expected a '", self.device().type(),
              "' device type for generator but found '", kDevice, "'");
  const RandomType type = checked_type(name, self, types);
  at::assert_no_internal_overlap(self);
  const PhiloxState state = reserve_philox(generator, self.get_device());
  if (self.numel() == 0) return;
  Target target(self);
  const PhiloxStream stream = PhiloxStream::of_generator(state.seed, state.offset);
  if (random_kernels) {
    random_kernels->fill(name, target.memory, draw, stream);
  } else {
    void* data = target.memory.mutable_data_ptr();
    const int64_t n = self.numel();
    launch(name, {target.memory}, [=] { draw_on_host(data, type, n, stream, draw); });
  }
  target.finish();
}

template <class>
struct Uniform {
  void operator()(at::TensorIterator& iter, double from, double to, OptionalGenerator generator) {
    fill("uniform_", iter.tensor(0), Types::Floating, generator, {Draw::Uniform, from, to});
  }
};

template <class>
struct Normal {
  void operator()(const at::Tensor& self, double mean, double std, OptionalGenerator generator) {
    fill("normal_", self, Types::Floating, generator, {Draw::Normal, mean, std});
  }
};

template <class>
struct LogNormal {
  void operator()(at::TensorIterator& iter, double mean, double std, OptionalGenerator generator) {
    fill("log_normal_", iter.tensor(0), Types::Floating, generator, {Draw::LogNormal, mean, std});
  }
};

template <class>
struct Exponential {
  void operator()(at::TensorIterator& iter, double lambda, OptionalGenerator generator) {
    TORCH_CHECK(at::isFloatingType(iter.dtype()),
                "Exponential distribution is a continuous probability distribution. dtype must be "
                "a floating point but you specified ", iter.dtype());
    fill("exponential_", iter.tensor(0), Types::Floating, generator, {Draw::Exponential, lambda});
  }
};

template <class>
struct Cauchy {
  void operator()(at::TensorIterator& iter, double median, double sigma,
                  OptionalGenerator generator) {
    fill("cauchy_", iter.tensor(0), Types::Floating, generator, {Draw::Cauchy, median, sigma});
  }
};

template <class>
struct Geometric {
  void operator()(at::TensorIterator& iter, double p, OptionalGenerator generator) {
    fill("geometric_", iter.tensor(0), Types::Numbers, generator, {Draw::Geometric, p});
  }
};

void fill_integers(const at::Tensor& self, uint64_t range, int64_t base,
                   const OptionalGenerator& generator) {
  fill("random_", self, Types::All, generator, {.kind = Draw::Integers, .range = range, .base = base});
}

template <class>
struct RandomFromTo {
  void operator()(at::TensorIterator& iter, uint64_t range, int64_t from,
                  OptionalGenerator generator) {
    fill_integers(iter.tensor(0), range, from, generator);
  }
  // All 2^64 values.
  void operator()(at::TensorIterator& iter, OptionalGenerator generator) {
    const at::ScalarType dtype = iter.dtype();
    TORCH_CHECK(dtype == at::kLong || dtype == at::kDouble || dtype == at::kFloat ||
                    dtype == at::kBFloat16,
                "random_: the full range of 64 bits takes int64, double, float and bfloat16, got ",
                dtype);
    fill_integers(iter.tensor(0), 0, 0, generator);
  }
};

// [0, largest of an integer type] or [0, 2^digits] of a floating type.
template <class>
struct Random {
  void operator()(at::TensorIterator& iter, OptionalGenerator generator) {
    fill_integers(iter.tensor(0), default_range(iter.dtype()), 0, generator);
  }
  static uint64_t default_range(at::ScalarType dtype) {
    constexpr uint64_t one = 1;
    switch (dtype) {
      case at::kBool: return 2;
      case at::kByte: return one << 8;
      case at::kChar: return one << 7;
      case at::kShort: return one << 15;
      case at::kInt: return one << 31;
      case at::kLong: return one << 63;
      case at::kUInt16: return one << 16;
      case at::kUInt32: return one << 32;
      case at::kHalf: return (one << 11) + 1;
      case at::kBFloat16: return (one << 8) + 1;
      case at::kFloat: return (one << 24) + 1;
      case at::kDouble: return (one << 53) + 1;
      default: return 0; // uint64: all values; others are refused by fill()
    }
  }
};

template <class>
struct Bernoulli {
  void operator()(const at::Tensor& self, double p, const OptionalGenerator& generator) {
    fill("bernoulli_", self, Types::NumbersAndBool, generator, {Draw::Bernoulli, p});
  }

  void operator()(const at::Tensor& self, const at::Tensor& p, const OptionalGenerator& generator) {
    const RandomType type = checked_type("bernoulli_", self, Types::NumbersAndBool);
    TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(p.scalar_type()),
                                "\"bernoulli_\" not implemented for p of type '",
                                p.scalar_type(), "'");
    const PhiloxState state = reserve_philox(generator, self.get_device());
    const bool is_double = p.scalar_type() == at::kDouble;
    const at::Tensor chance =
        at::expand_inplace(self, p)
            ->to(self.options().dtype(is_double ? at::kDouble : at::kFloat))
            .contiguous();
    Target target(self);
    if (random_kernels) {
      if (self.numel() > 0) {
        random_kernels->bernoulli_each("bernoulli_", target.memory, chance,
                                       PhiloxStream::of_generator(state.seed, state.offset));
      }
      return target.finish();
    }
    void* data = target.memory.mutable_data_ptr();
    const void* chances = chance.const_data_ptr();
    const int64_t n = self.numel();
    const PhiloxStream stream = PhiloxStream::of_generator(state.seed, state.offset);
    launch("bernoulli_", {target.memory, chance}, [=] {
      const int64_t bad = cpu::random_bernoulli_each(data, type, n, stream, chances, is_double);
      if (bad < 0) return;
      const double value = is_double ? static_cast<const double*>(chances)[bad]
                                     : static_cast<const float*>(chances)[bad];
      TORCH_CHECK(false, "Expected p_in >= 0 && p_in <= 1 to be true, but got false: bernoulli_ "
                  "got p = ", value, " for element ", bad);
    });
    target.finish();
  }
};

} // namespace

at::Tensor& uniform_(at::Tensor& self, double from, double to, OptionalGenerator generator) {
  return templates::uniform_impl_<Uniform, at::Generator>(self, from, to, generator);
}
at::Tensor& normal_(at::Tensor& self, double mean, double std, OptionalGenerator generator) {
  return templates::normal_impl_<Normal, at::Generator>(self, mean, std, generator);
}
at::Tensor& log_normal_(at::Tensor& self, double mean, double std, OptionalGenerator generator) {
  return templates::log_normal_impl_<LogNormal, at::Generator>(self, mean, std, generator);
}
at::Tensor& exponential_(at::Tensor& self, double lambda, OptionalGenerator generator) {
  return templates::exponential_impl_<Exponential, at::Generator>(self, lambda, generator);
}
at::Tensor& cauchy_(at::Tensor& self, double median, double sigma, OptionalGenerator generator) {
  return templates::cauchy_impl_<Cauchy, at::Generator>(self, median, sigma, generator);
}
at::Tensor& geometric_(at::Tensor& self, double p, OptionalGenerator generator) {
  return templates::geometric_impl_<Geometric, at::Generator>(self, p, generator);
}

at::Tensor& random_(at::Tensor& self, OptionalGenerator generator) {
  return templates::random_impl<Random, at::Generator>(self, generator);
}
at::Tensor& random_to_(at::Tensor& self, int64_t to, OptionalGenerator generator) {
  return random_from_to_(self, 0, to, std::move(generator));
}
at::Tensor& random_from_to_(at::Tensor& self, int64_t from, std::optional<int64_t> to,
                            OptionalGenerator generator) {
  return templates::random_from_to_impl<RandomFromTo, at::Generator>(self, from, to, generator);
}

at::Tensor& bernoulli_p_(at::Tensor& self, double p, OptionalGenerator generator) {
  return templates::bernoulli_impl_<Bernoulli, at::Generator>(self, p, generator);
}
at::Tensor& bernoulli_tensor_(at::Tensor& self, const at::Tensor& p, OptionalGenerator generator) {
  return templates::bernoulli_impl_<Bernoulli, at::Generator>(self, p, generator);
}
at::Tensor& bernoulli_out(const at::Tensor& self, OptionalGenerator generator, at::Tensor& out) {
  return templates::bernoulli_out_impl<Bernoulli, at::Generator>(out, self, generator);
}

at::Tensor normal_tensor_float(const at::Tensor& mean, double std, OptionalGenerator generator) {
  return templates::normal_impl<Normal, at::Generator>(mean, std, generator);
}
at::Tensor normal_float_tensor(double mean, const at::Tensor& std, OptionalGenerator generator) {
  return templates::normal_impl<Normal, at::Generator>(mean, std, generator);
}
at::Tensor normal_tensor_tensor(const at::Tensor& mean, const at::Tensor& std,
                                OptionalGenerator generator) {
  return templates::normal_impl<Normal, at::Generator>(mean, std, generator);
}
at::Tensor& normal_tensor_float_out(const at::Tensor& mean, double std,
                                    OptionalGenerator generator, at::Tensor& out) {
  return templates::normal_out_impl<Normal, at::Generator>(out, mean, std, generator);
}
at::Tensor& normal_float_tensor_out(double mean, const at::Tensor& std,
                                    OptionalGenerator generator, at::Tensor& out) {
  return templates::normal_out_impl<Normal, at::Generator>(out, mean, std, generator);
}
at::Tensor& normal_tensor_tensor_out(const at::Tensor& mean, const at::Tensor& std,
                                     OptionalGenerator generator, at::Tensor& out) {
  return templates::normal_out_impl<Normal, at::Generator>(out, mean, std, generator);
}

} // namespace xpu_lite::aten
