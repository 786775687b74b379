#include "backend/aten/ops/fast_path.h"

#include <cmath>
#include <limits>

#include <ATen/ops/add_ops.h>
#include <ATen/ops/addmm_ops.h>
#include <ATen/ops/div_ops.h>
#include <ATen/ops/mm_ops.h>
#include <ATen/ops/mul_ops.h>
#include <ATen/ops/neg_ops.h>
#include <ATen/ops/relu_ops.h>
#include <ATen/ops/sub_ops.h>
#include <ATen/ops/sum_ops.h>

#include "backend/aten/core/route2.h"
#include "backend/aten/core/routes.h"
#include "backend/aten/ops/packed_product.h"
#include "backend/aten/ops/transformer_ops.h"
#include "backend/cpu/kernels/small_gemm.h"
#include "backend/cpu/multi_tensor.h"

namespace xpu_lite::aten {
namespace {

using cpu::DType;
using cpu::ElementwiseOp;
using Impl = c10::TensorImpl;

constexpr c10::DispatchKeySet kDenseKeys(c10::DispatchKey::PrivateUse1);
// Longer sums are shared out among threads, by route 2.
constexpr int64_t kLongestSerialSum = 32768;

std::optional<DType> dtype_of(const Impl* t) {
  switch (c10::typeMetaToScalarType(t->dtype())) {
    case at::kFloat: return DType::Float;
    case at::kDouble: return DType::Double;
    case at::kBFloat16: return DType::BFloat16;
    case at::kHalf: return DType::Half;
    case at::kLong: return DType::Int64;
    default: return std::nullopt;
  }
}

// A dense, contiguous device tensor without pending conjugation or negation.
bool is_simple(const Impl* t) {
  constexpr c10::DispatchKeySet special({c10::DispatchKey::Conjugate, c10::DispatchKey::Negative,
                                         c10::DispatchKey::ZeroTensor});
  return t->device_type() == kDevice && t->is_contiguous() &&
      t->key_set().has(c10::DispatchKey::Dense) && !t->key_set().has_any(special);
}

const void* data_of(const Impl* t) {
  return static_cast<const char*>(t->unsafe_storage().data()) +
      t->storage_offset() * static_cast<int64_t>(t->dtype().itemsize());
}
void* mutable_data_of(const Impl* t) {
  return static_cast<char*>(t->unsafe_storage().mutable_data()) +
      t->storage_offset() * static_cast<int64_t>(t->dtype().itemsize());
}

at::Tensor make_dense(at::IntArrayRef sizes, int64_t numel, caffe2::TypeMeta dtype,
                      c10::Device device, Stream& stream) {
  const size_t bytes = static_cast<size_t>(numel) * dtype.itemsize();
  at::Tensor out = at::detail::make_tensor<Impl>(
      c10::Storage(c10::make_intrusive<c10::StorageImpl>(
          c10::StorageImpl::use_byte_size_t(), bytes,
          allocate_on(device.index(), stream, bytes, device), device_allocator(), true)),
      kDenseKeys, dtype);
  out.unsafeGetTensorImpl()->generic_set_sizes_contiguous(sizes);
  return out;
}

// What a fast elementwise call works on; ok is false when it does not fit.
struct Operands {
  bool ok = false;
  bool scalar = false; // b is a number: use the *Scalar operator and `value`
  double value = 1;
  DType dtype{};
  Impl *a = nullptr, *b = nullptr;
  Stream* stream = nullptr;
};

// The number in a CPU scalar, if it changes neither dtype nor value of `dtype`.
std::optional<double> number_for(DType dtype, const Impl* t) {
  if (t->device_type() != c10::kCPU || t->dim() != 0 || !t->is_wrapped_number()) return std::nullopt;
  const auto type = c10::typeMetaToScalarType(t->dtype());
  if (type == at::kLong) {
    const auto value = *static_cast<const int64_t*>(data_of(t));
    constexpr int64_t exact = int64_t(1) << 53;
    if (value > exact || value < -exact) return std::nullopt;
    return static_cast<double>(value);
  }
  if (type == at::kDouble && dtype != DType::Int64) return *static_cast<const double*>(data_of(t));
  return std::nullopt;
}

// Strides of dimensions of size 1 that a contiguous tensor would not have: with an
// operand of other sizes, torch lets them order the strides of the result.
bool has_odd_strides(const Impl* t) {
  const auto sizes = t->sizes(), strides = t->strides();
  int64_t expected = 1;
  for (int64_t i = static_cast<int64_t>(sizes.size()) - 1; i >= 0; --i) {
    if (sizes[i] == 1 && strides[i] != expected) return true;
    expected *= sizes[i];
  }
  return false;
}

Operands operands(const at::Tensor& self, const at::Tensor& other) {
  Operands o;
  o.a = self.unsafeGetTensorImpl();
  o.b = other.unsafeGetTensorImpl();
  if (!is_simple(o.a)) return o;
  const auto dtype = dtype_of(o.a);
  if (!dtype) return o;
  o.dtype = *dtype;
  if (const auto number = number_for(*dtype, o.b)) {
    o.scalar = true;
    o.value = *number;
  } else if (!is_simple(o.b) || o.b->dtype() != o.a->dtype() || o.b->sizes() != o.a->sizes() ||
             o.b->device() != o.a->device()) {
    return o;
  }
  if (o.scalar && has_odd_strides(o.a)) return o;
  o.stream = &current_stream(o.a->device().index());
  o.ok = o.stream->runs_inline();
  return o;
}

// `value` as torch's sums see it: in the tensor's dtype.
double rounded_to(DType dtype, double value) {
  switch (dtype) {
    case DType::Float: return static_cast<float>(value);
    case DType::BFloat16: return static_cast<float>(c10::BFloat16(static_cast<float>(value)));
    case DType::Half: return static_cast<float>(c10::Half(static_cast<float>(value)));
    default: return value;
  }
}

// Puts alpha into the operator's scalar; false if it needs torch's own checks, or
// its own rounding: torch's half-precision sums round after every step.
bool take_alpha(Operands& o, const at::Scalar& alpha) {
  if (!(alpha.isIntegral(false) || (alpha.isFloatingPoint() && o.dtype != DType::Int64))) {
    return false;
  }
  const double factor = alpha.toDouble();
  if (factor == 1) {
    o.value = o.scalar ? rounded_to(o.dtype, o.value) : 1;
    return true;
  }
  if (o.scalar || o.dtype == DType::BFloat16 || o.dtype == DType::Half) return false;
  if (o.dtype == DType::Float && !(std::abs(factor) <= std::numeric_limits<float>::max())) {
    return false;
  }
  constexpr double exact = 9007199254740992.0; // 2^53: every integer up to here is a double
  if (o.dtype == DType::Int64 && std::abs(factor) > exact) return false;
  o.value = factor;
  return true;
}

// Without a scalar operand, `s` multiplies b; with one, it is the operand.
bool run(const char* name, ElementwiseOp op, const Operands& o, void* out) {
  note_route(1, name);
  KernelSpan span(name, *o.stream);
  return cpu::elementwise_parallel(op, o.dtype, out, data_of(o.a),
                                   o.scalar ? nullptr : data_of(o.b), nullptr, o.value,
                                   o.a->numel());
}

// Integers divide into floats: not a same-dtype operator.
bool supported(const Operands& o, ElementwiseOp op) {
  return o.ok && !(o.dtype == DType::Int64 && (op == ElementwiseOp::Div || op == ElementwiseOp::DivScalar));
}

at::Tensor functional(const char* name, ElementwiseOp op, const Operands& o) {
  at::Tensor out = make_dense(o.a->sizes(), o.a->numel(), o.a->dtype(), o.a->device(), *o.stream);
  if (out.numel() != 0) run(name, op, o, mutable_data_of(out.unsafeGetTensorImpl()));
  return out;
}

// May the result go straight to `out`? It has its final shape and overlaps the
// inputs wholly or not at all.
bool fits(const at::Tensor& out, const Operands& o) {
  Impl* t = out.unsafeGetTensorImpl();
  if (!is_simple(t) || t->dtype() != o.a->dtype() || t->sizes() != o.a->sizes() ||
      t->device() != o.a->device()) {
    return false;
  }
  const auto apart = [&](const Impl* in) {
    return in == t || in->unsafe_storage().unsafeGetStorageImpl() != t->unsafe_storage().unsafeGetStorageImpl() ||
        data_of(in) == data_of(t);
  };
  return apart(o.a) && (o.scalar || apart(o.b));
}

at::Tensor& into(const char* name, ElementwiseOp op, const Operands& o, at::Tensor& out) {
  if (out.numel() != 0) run(name, op, o, mutable_data_of(out.unsafeGetTensorImpl()));
  return out;
}

template <class Op>
using Slow = Route2<Op, kDefault>;

ElementwiseOp pick(const Operands& o, ElementwiseOp plain, ElementwiseOp with_scalar) {
  return o.scalar ? with_scalar : plain;
}

} // namespace

at::Tensor add(const at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha) {
  Operands o = operands(self, other);
  if (!o.ok || !take_alpha(o, alpha)) {
    if (alpha.equal(1) && self.dim() != 0) {
      if (auto out = add_widened(self, other)) return *std::move(out);
    }
    return Slow<at::_ops::add_Tensor>::call(self, other, alpha);
  }
  return functional("aten::add", pick(o, ElementwiseOp::Add, ElementwiseOp::AddScalar), o);
}
at::Tensor& add_out(const at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha,
                    at::Tensor& out) {
  Operands o = operands(self, other);
  if (!o.ok || !fits(out, o) || !take_alpha(o, alpha)) {
    return Slow<at::_ops::add_out>::call(self, other, alpha, out);
  }
  return into("aten::add", pick(o, ElementwiseOp::Add, ElementwiseOp::AddScalar), o, out);
}
at::Tensor& add_(at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha) {
  Operands o = operands(self, other);
  if (!o.ok || !fits(self, o) || !take_alpha(o, alpha)) {
    return Slow<at::_ops::add__Tensor>::call(self, other, alpha);
  }
  return into("aten::add_", pick(o, ElementwiseOp::Add, ElementwiseOp::AddScalar), o, self);
}

at::Tensor sub(const at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha) {
  Operands o = operands(self, other);
  if (!o.ok || !take_alpha(o, alpha)) return Slow<at::_ops::sub_Tensor>::call(self, other, alpha);
  return functional("aten::sub", pick(o, ElementwiseOp::Sub, ElementwiseOp::SubScalar), o);
}
at::Tensor& sub_(at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha) {
  Operands o = operands(self, other);
  if (!o.ok || !fits(self, o) || !take_alpha(o, alpha)) {
    return Slow<at::_ops::sub__Tensor>::call(self, other, alpha);
  }
  return into("aten::sub_", pick(o, ElementwiseOp::Sub, ElementwiseOp::SubScalar), o, self);
}

at::Tensor mul(const at::Tensor& self, const at::Tensor& other) {
  const Operands o = operands(self, other);
  if (!o.ok) return Slow<at::_ops::mul_Tensor>::call(self, other);
  return functional("aten::mul", pick(o, ElementwiseOp::Mul, ElementwiseOp::MulScalar), o);
}
at::Tensor& mul_out(const at::Tensor& self, const at::Tensor& other, at::Tensor& out) {
  const Operands o = operands(self, other);
  if (!o.ok || !fits(out, o)) return Slow<at::_ops::mul_out>::call(self, other, out);
  return into("aten::mul", pick(o, ElementwiseOp::Mul, ElementwiseOp::MulScalar), o, out);
}
at::Tensor& mul_(at::Tensor& self, const at::Tensor& other) {
  const Operands o = operands(self, other);
  if (!o.ok || !fits(self, o)) return Slow<at::_ops::mul__Tensor>::call(self, other);
  return into("aten::mul_", pick(o, ElementwiseOp::Mul, ElementwiseOp::MulScalar), o, self);
}

at::Tensor div(const at::Tensor& self, const at::Tensor& other) {
  const Operands o = operands(self, other);
  const ElementwiseOp op = pick(o, ElementwiseOp::Div, ElementwiseOp::DivScalar);
  if (!supported(o, op)) return Slow<at::_ops::div_Tensor>::call(self, other);
  return functional("aten::div", op, o);
}
at::Tensor& div_(at::Tensor& self, const at::Tensor& other) {
  const Operands o = operands(self, other);
  const ElementwiseOp op = pick(o, ElementwiseOp::Div, ElementwiseOp::DivScalar);
  if (!supported(o, op) || !fits(self, o)) return Slow<at::_ops::div__Tensor>::call(self, other);
  return into("aten::div_", op, o, self);
}

at::Tensor relu(const at::Tensor& self) {
  const Operands o = operands(self, self);
  if (!o.ok) return Slow<at::_ops::relu>::call(self);
  return functional("aten::relu", ElementwiseOp::Relu, o);
}
at::Tensor& relu_(at::Tensor& self) {
  const Operands o = operands(self, self);
  if (!o.ok) return Slow<at::_ops::relu_>::call(self);
  return into("aten::relu_", ElementwiseOp::Relu, o, self);
}
at::Tensor neg(const at::Tensor& self) {
  const Operands o = operands(self, self);
  if (!o.ok) return Slow<at::_ops::neg>::call(self);
  return functional("aten::neg", ElementwiseOp::Neg, o);
}

at::Tensor sum(const at::Tensor& self, std::optional<at::ScalarType> dtype) {
  Impl* t = self.unsafeGetTensorImpl();
  const bool fast = is_simple(t) && t->numel() <= kLongestSerialSum && t->dtype() == caffe2::TypeMeta::Make<float>() &&
      dtype.value_or(at::kFloat) == at::kFloat;
  if (fast) {
    Stream& stream = current_stream(t->device().index());
    if (stream.runs_inline()) {
      at::Tensor out = make_dense({}, 1, t->dtype(), t->device(), stream);
      note_route(1, "aten::sum");
      KernelSpan span("aten::sum", stream);
      *static_cast<float*>(mutable_data_of(out.unsafeGetTensorImpl())) = static_cast<float>(
          cpu::reduce_range(cpu::ReduceOp::Sum, DType::Float, data_of(t), t->numel()));
      return out;
    }
  }
  return at::_ops::sum_dim_IntList::redispatch(kDenseKeys, self, at::OptionalIntArrayRef(at::IntArrayRef{}),
                                               false, dtype);
}

namespace {

// Fills `g` for float matrices. False if the product does not fit the small kernel.
bool small_product(cpu::SmallGemm& g, const Impl* a, const Impl* b) {
  constexpr c10::DispatchKeySet special({c10::DispatchKey::Conjugate, c10::DispatchKey::Negative,
                                         c10::DispatchKey::ZeroTensor});
  const auto plain = [&](const Impl* t) {
    return t->device_type() == kDevice && t->dim() == 2 && t->key_set().has(c10::DispatchKey::Dense) &&
        !t->key_set().has_any(special) && t->dtype() == caffe2::TypeMeta::Make<float>();
  };
  if (!plain(a) || !plain(b) || a->device() != b->device()) return false;
  g.m = a->sizes()[0];
  g.k = a->sizes()[1];
  g.n = b->sizes()[1];
  constexpr int64_t limit = cpu::kSmallGemmLimit; // of each: their product must not overflow
  if (b->sizes()[0] != g.k || g.m > limit || g.n > limit || g.k > limit) return false;
  if (g.m * g.n * g.k > limit || g.m * g.n * g.k == 0) return false;
  g.a_row = a->strides()[0];
  g.a_column = a->strides()[1];
  g.b_row = b->strides()[0];
  g.b_column = b->strides()[1];
  if (g.b_column != 1 && !(g.b_row == 1 && g.a_column == 1)) return false;
  g.a = static_cast<const float*>(data_of(a));
  g.b = static_cast<const float*>(data_of(b));
  g.bias = nullptr;
  return true;
}

at::Tensor run_small(const char* name, cpu::SmallGemm& g, const Impl* a, Stream& stream) {
  const int64_t sizes[2] = {g.m, g.n};
  at::Tensor out = make_dense(sizes, g.m * g.n, a->dtype(), a->device(), stream);
  g.c = static_cast<float*>(mutable_data_of(out.unsafeGetTensorImpl()));
  note_route(1, name);
  KernelSpan span(name, stream);
  cpu::small_gemm(g);
  return out;
}

} // namespace

at::Tensor mm(const at::Tensor& self, const at::Tensor& other) {
  const Impl* a = self.unsafeGetTensorImpl();
  cpu::SmallGemm g;
  if (small_product(g, a, other.unsafeGetTensorImpl())) {
    Stream& stream = current_stream(a->device().index());
    if (stream.runs_inline()) return run_small("aten::mm", g, a, stream);
  }
  if (auto out = packed_product("aten::mm", {}, self, other, 1, 1)) return *std::move(out);
  return Slow<at::_ops::mm>::call(self, other);
}

at::Tensor addmm(const at::Tensor& self, const at::Tensor& mat1, const at::Tensor& mat2,
                 const at::Scalar& beta, const at::Scalar& alpha) {
  const Impl* bias = self.unsafeGetTensorImpl();
  const Impl* a = mat1.unsafeGetTensorImpl();
  cpu::SmallGemm g;
  if (is_simple(bias) && bias->dim() == 1 && bias->dtype() == caffe2::TypeMeta::Make<float>() &&
      small_product(g, a, mat2.unsafeGetTensorImpl()) && bias->numel() == g.n &&
      bias->device() == a->device() && beta.equal(1) && alpha.equal(1)) {
    Stream& stream = current_stream(a->device().index());
    if (stream.runs_inline()) {
      g.bias = static_cast<const float*>(data_of(bias));
      return run_small("aten::addmm", g, a, stream);
    }
  }
  if (auto out = packed_product("aten::addmm", self, mat1, mat2, beta, alpha)) return *std::move(out);
  return Slow<at::_ops::addmm>::call(self, mat1, mat2, beta, alpha);
}

} // namespace xpu_lite::aten
