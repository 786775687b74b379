#include "backend/aten/sycl/product.h"

#include <bit>
#include <optional>

#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zero.h>

#include "backend/aten/sycl/matrix_layout.h"
#include "backend/aten/sycl/run.h"
#include "backend/aten/sycl/weight_forms.h"
#include "backend/xpu/ops/gemm.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::Tensor;
using xpu::DType;
using xpu::onednn::Activation;
using xpu::onednn::View;

bool is_zero(const at::Scalar& s) { return s.equal(0); }
bool is_one(const at::Scalar& s) { return s.equal(1); }

void activate(const Tensor& out, Activation activation) {
  if (activation == Activation::Relu) at::relu_(const_cast<Tensor&>(out));
  if (activation == Activation::Gelu) at::gelu_(const_cast<Tensor&>(out));
}

// No product: k is 0, or alpha is.
void scale_only(const Product& p) {
  Tensor out = p.out;
  if (is_zero(p.beta)) {
    out.zero_();
  } else {
    at::mul_out(out, p.self.expand(out.sizes()), p.beta);
  }
  activate(out, p.activation);
}

Product transposed(Product p) {
  Tensor a = p.b.transpose(-2, -1);
  p.b = p.a.transpose(-2, -1);
  p.a = std::move(a);
  p.out = p.out.transpose(-2, -1);
  if (p.self.defined()) p.self = p.self.transpose(-2, -1);
  return p;
}

// What is added, as oneDNN broadcasts it: sizes of 1 in place of strides of 0. None
// if it would have to be copied first.
std::optional<View> added(const Tensor& self, const Tensor& out, DType type) {
  View view;
  view.data = const_cast<void*>(self.const_data_ptr());
  view.type = type;
  view.rank = static_cast<int>(out.dim());
  int64_t dense = 1;
  for (int i = view.rank - 1; i >= 0; --i) {
    const bool repeats = self.stride(i) == 0;
    view.size[i] = repeats ? 1 : self.size(i);
    if (view.size[i] != 1 && self.stride(i) != dense) return std::nullopt;
    view.stride[i] = dense;
    dense *= view.size[i];
  }
  return view;
}

bool same_memory(const Tensor& a, const Tensor& b) {
  return a.const_data_ptr() == b.const_data_ptr() && a.sizes() == b.sizes() &&
         a.strides() == b.strides();
}
bool same_storage(const Tensor& a, const Tensor& b) {
  return a.storage().is_alias_of(b.storage());
}

// Worth keeping in oneDNN's layout: large enough that reading it in rows costs, and the
// caller's own matrix, not a copy made for this call.
bool may_be_weight(const Tensor& b, const Product& p) {
  constexpr int64_t kLeast = 64 * 64;
  return b.dim() == 2 && b.numel() >= kLeast && same_memory(b, p.b);
}

void multiply_onednn(xpu::onednn::Library& library, Product p, DType type) {
  // oneDNN writes rows; a result with dense columns is the transposed product's.
  if (!has_dense_rows(p.out) && has_dense_rows(p.out.transpose(-2, -1))) {
    p = transposed(std::move(p));
  } else if (p.out.size(-1) == 1 && p.out.size(-2) > 1 && p.out.stride(-2) == 1) {
    p = transposed(std::move(p)); // matrix times vector: faster as vector times matrix
  }
  if (!has_dense_rows(p.out)) {
    Tensor target = p.out;
    p.out = at::empty(target.sizes(), target.options());
    multiply_onednn(library, p, type);
    target.copy_(p.out);
    return;
  }
  const bool in_place = p.self.defined() && same_memory(p.self, p.out);
  // The inputs are read while the result is written.
  auto apart = [&](const Tensor& t) {
    return same_storage(t, p.out) ? t.clone(at::MemoryFormat::Contiguous) : plain(t);
  };
  const Tensor a = apart(p.a), b = apart(p.b);
  xpu::onednn::Matmul call;
  call.a = view_of(a, type, false), call.b = view_of(b, type, false);
  call.epilogue.scale = p.alpha.to<float>();
  call.epilogue.activation = p.activation;
  std::optional<View> add;
  if (p.self.defined() && !is_zero(p.beta)) {
    if (!in_place && is_one(p.beta) && !same_storage(p.self, p.out)) {
      add = added(p.self, p.out, type);
    }
    if (add) {
      const int last = add->rank - 1;
      bool one_row = add->size[last] == p.out.size(-1);
      for (int i = 0; i < last; ++i) one_row = one_row && add->size[i] == 1;
      if (one_row && is_one(p.alpha)) call.bias = &*add;
      else call.epilogue.add = &*add;
    } else {
      if (!in_place) p.out.copy_(p.self);
      call.epilogue.keep = p.beta.to<float>();
    }
  }
  call.out = view_of(p.out, type, true);
  run(p.op, p.out, [&](Stream& stream) {
    FormsOf forms(b, stream);
    if (may_be_weight(b, p)) call.forms = &forms;
    library.matmul(stream, p.op, call);
  });
}

xpu::GemmFactor factor(const at::Scalar& s, at::ScalarType type) {
  auto bits32 = [](float f) { return static_cast<uint64_t>(std::bit_cast<uint32_t>(f)); };
  switch (type) {
    case at::kDouble: return {{std::bit_cast<uint64_t>(s.toDouble()), 0}};
    case at::kFloat: case at::kHalf: case at::kBFloat16: return {{bits32(s.toFloat()), 0}};
    case at::kComplexFloat: {
      const auto c = s.toComplexFloat();
      return {{bits32(c.real()) | bits32(c.imag()) << 32, 0}};
    }
    case at::kComplexDouble: {
      const auto c = s.toComplexDouble();
      return {{std::bit_cast<uint64_t>(c.real()), std::bit_cast<uint64_t>(c.imag())}};
    }
    default: return {{static_cast<uint64_t>(s.toLong()), 0}};
  }
}

xpu::GemmStrides strides(const Tensor& t) {
  return {t.dim() == 3 ? t.stride(0) : 0, t.stride(-2), t.stride(-1)};
}

// False if no kernel of ours has the type.
bool multiply_own(Product p, DType type) {
  auto apart = [&](const Tensor& t) {
    return same_storage(t, p.out) ? t.clone(at::MemoryFormat::Contiguous) : t;
  };
  const Tensor a = apart(p.a);
  Tensor b = apart(p.b);
  // Neighbouring work-items read neighbouring columns.
  if (b.stride(-1) != 1 && a.size(-2) > 4 * xpu::kGemmRows) b = b.contiguous();
  const bool with_self = p.self.defined() && !is_zero(p.beta);
  Tensor self = with_self ? p.self : p.out;
  if (with_self && !same_memory(self, p.out)) self = apart(self);
  xpu::GemmArgs args{};
  args.m = p.out.size(-2), args.n = p.out.size(-1), args.k = a.size(-1);
  args.batch = p.out.dim() == 3 ? p.out.size(0) : 1;
  args.a = in(a), args.b = in(b), args.self = in(self), args.out = out(p.out);
  args.sa = strides(a), args.sb = strides(b), args.sself = strides(self);
  args.sout = strides(p.out);
  args.alpha = factor(p.alpha, p.out.scalar_type());
  args.beta = factor(p.beta, p.out.scalar_type());
  args.with_self = with_self;
  bool found = false;
  run(p.op, p.out, [&](Stream& stream) { found = xpu::gemm(stream, type, args); });
  if (found) activate(p.out, p.activation);
  return found;
}

// The device lacks the type (half on many CPUs): float has all its values.
void multiply_in_float(const char* dispatch, const Product& p) {
  Product wide = p;
  wide.a = p.a.to(at::kFloat), wide.b = p.b.to(at::kFloat);
  wide.out = at::empty(p.out.sizes(), p.out.options().dtype(at::kFloat));
  if (p.self.defined() && !is_zero(p.beta)) wide.self = p.self.to(at::kFloat);
  multiply(dispatch, wide);
  Tensor out = p.out;
  out.copy_(wide.out);
}

void check_types(const Product& p) {
  const at::ScalarType a = p.a.scalar_type(), b = p.b.scalar_type();
  if (p.out.dim() == 2) {
    TORCH_CHECK(a == b, "expected m1 and m2 to have the same dtype, but got: ", p.a.dtype(),
                " != ", p.b.dtype());
  }
  TORCH_CHECK(a == b, "expected scalar type ", a, " but found ", b);
  TORCH_CHECK(a == p.out.scalar_type(), "[", p.op, "] expected a result of scalar type ", a,
              " but found ", p.out.scalar_type());
}

} // namespace

xpu::onednn::Library* onednn_library() {
  xpu::onednn::Library* library = xpu::onednn::library();
  if (library == nullptr) {
    TORCH_WARN_ONCE("xpu_lite: ", xpu::onednn::why_missing());
  }
  return library;
}

void multiply(const char* dispatch, Product p) {
  const at::ScalarType type = p.out.scalar_type();
  check_types(p);
  TORCH_CHECK_NOT_IMPLEMENTED(type != at::kBool, "\"", dispatch, "\" not implemented for '",
                              type, "'");
  if (p.out.numel() == 0) return;
  if (p.a.size(-1) == 0 || is_zero(p.alpha)) return scale_only(p);
  p.a = p.a.resolve_conj(), p.b = p.b.resolve_conj();
  if (p.self.defined()) p.self = p.self.to(type).resolve_conj().expand(p.out.sizes());
  const DType dtype = dtype_of(dispatch, type);
  // oneDNN's factors are float.
  auto exact = [](const at::Scalar& s) {
    return static_cast<double>(s.to<float>()) == s.to<double>();
  };
  if (at::isFloatingType(type) && (type != at::kDouble || (exact(p.alpha) && exact(p.beta)))) {
    if (xpu::onednn::Library* library = onednn_library()) {
      const int device = p.out.device().index();
      if (library->matmul_supports(device, dtype)) {
        return multiply_onednn(*library, std::move(p), dtype);
      }
      if (type != at::kDouble && library->matmul_supports(device, DType::F32)) {
        return multiply_in_float(dispatch, p);
      }
    }
  }
  TORCH_CHECK_NOT_IMPLEMENTED(multiply_own(std::move(p), dtype), "\"", dispatch,
                              "\" not implemented for '", type, "'");
}

} // namespace xpu_lite::aten::sycl
