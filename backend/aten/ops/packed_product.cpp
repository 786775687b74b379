#include "backend/aten/ops/packed_product.h"

#include <ATen/EmptyTensor.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/ops/packed_weights.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
using cpu::DType;
namespace gemm = cpu::gemm;

// Below this, packing the operand and starting threads is what takes the time.
constexpr int64_t kLeastColumns = 32;
constexpr int64_t kLeastWork = int64_t{1} << 17; // multiply-adds
// The gradient of a weight is a transposed operand times an activation. With shorter sums
// than these, torch's product in 16 bits is the faster (benchmarks/training.py).
constexpr int64_t kLeastTransposedSum = 384;

std::optional<DType> product_dtype(const Tensor& t) {
  switch (t.scalar_type()) {
    case at::kFloat: return DType::Float;
    case at::kBFloat16: return DType::BFloat16;
    case at::kHalf: return DType::Half;
    default: return std::nullopt;
  }
}

bool is_plain_matrix(const Tensor& t) {
  constexpr c10::DispatchKeySet special({c10::DispatchKey::Conjugate, c10::DispatchKey::Negative,
                                         c10::DispatchKey::ZeroTensor});
  const c10::TensorImpl* impl = t.unsafeGetTensorImpl();
  return impl->device_type() == kDevice && impl->dim() == 2 &&
      impl->key_set().has(c10::DispatchKey::Dense) && !impl->key_set().has_any(special);
}

// What is added, as the epilogue takes it; false if it is of a form it does not take.
bool set_added(gemm::Epilogue& epilogue, const Tensor& bias, const Tensor& like, DType dtype,
               int64_t m, int64_t n, double beta) {
  if (bias.device() != like.device() || bias.scalar_type() != like.scalar_type() ||
      !bias.unsafeGetTensorImpl()->key_set().has(c10::DispatchKey::Dense)) {
    return false;
  }
  const int64_t dims = bias.dim();
  if (dims == 0 || dims > 2 || bias.size(-1) != n || bias.stride(-1) != 1) return false;
  const bool row = dims == 1 || (bias.size(0) == 1 && m != 1);
  if (!row && bias.size(0) != m) return false;
  if (row && beta == 1) {
    epilogue.bias = {bias.const_data_ptr(), dtype};
  } else {
    epilogue.add = {bias.const_data_ptr(), dtype, row ? 0 : bias.stride(0)};
    epilogue.beta = static_cast<float>(beta);
  }
  return true;
}

} // namespace

std::optional<Tensor> packed_product(const char* name, const Tensor& bias, const Tensor& a,
                                     const Tensor& b, const at::Scalar& beta,
                                     const at::Scalar& alpha) {
  if (!is_plain_matrix(a) || !is_plain_matrix(b) || a.scalar_type() != b.scalar_type() ||
      a.device() != b.device()) {
    return std::nullopt;
  }
  const auto dtype = product_dtype(a);
  if (!dtype) return std::nullopt;
  const int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  if (b.size(0) != k || n < kLeastColumns || k < kLeastColumns || m == 0 ||
      m * n < kLeastWork / k) {
    return std::nullopt;
  }
  const bool dense = a.stride(1) == 1 && (m == 1 || a.stride(0) >= k);
  const bool transposed = !dense && m >= kLeastColumns && a.stride(0) == 1 && a.stride(1) >= m &&
      (*dtype == DType::Float || k >= kLeastTransposedSum);
  if (!dense && !transposed) return std::nullopt;
  if (b.stride(0) != 1 && b.stride(1) != 1) return std::nullopt;
  const bool now = stream_of(a).runs_inline();
  if (!now && transposed) return std::nullopt;
  gemm::Gemm g{*dtype, m, n, k, a.const_data_ptr(), a.stride(transposed ? 1 : 0),
               nullptr, nullptr, n, *dtype};
  g.a_transposed = transposed;
  if (bias.defined()) {
    if (alpha.isComplex() || beta.isComplex()) return std::nullopt;
    const double factor = beta.toDouble();
    if (factor != 0 && !set_added(g.epilogue, bias, a, *dtype, m, n, factor)) return std::nullopt;
    if (factor == 0 && bias.dim() != 1) return std::nullopt; // torch looks at its shape
    g.epilogue.scale = static_cast<float>(alpha.toDouble());
  }
  const auto packed = transposed ? packed_once(b, *dtype)
      : now                      ? packed_form(b, *dtype)
                                 : kept_form(b, *dtype);
  if (!packed) return std::nullopt;
  Tensor out = at::detail::empty_generic({m, n}, device_allocator(),
                                         c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                         a.scalar_type(), std::nullopt);
  g.packed = packed.get();
  g.c = out.mutable_data_ptr();
  launch(name, {a, bias, out}, [g, packed] { gemm::gemm(g); });
  return out;
}

} // namespace xpu_lite::aten
