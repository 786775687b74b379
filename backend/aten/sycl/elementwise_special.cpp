// Special functions.

#include <cmath>

#include <ATen/native/BinaryOps.h>
#include <ATen/native/UnaryOps.h>

#include "backend/aten/sycl/elementwise.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::TensorIteratorBase;

#define XPU_LITE_UNARY(X) \
  X(digamma, digamma) X(erfinv, erfinv) X(i0, i0) X(lgamma, lgamma) \
  X(special_airy_ai, airy_ai) X(special_bessel_j0, bessel_j0) X(special_bessel_j1, bessel_j1) \
  X(special_bessel_y0, bessel_y0) X(special_bessel_y1, bessel_y1) X(special_entr, entr) \
  X(special_erfcx, erfcx) X(special_i0e, i0e) X(special_i1, i1) X(special_i1e, i1e) \
  X(special_log_ndtr, log_ndtr) X(special_modified_bessel_i0, i0) \
  X(special_modified_bessel_i1, i1) X(special_modified_bessel_k0, modified_bessel_k0) \
  X(special_modified_bessel_k1, modified_bessel_k1) X(special_ndtri, ndtri) \
  X(special_scaled_modified_bessel_k0, scaled_modified_bessel_k0) \
  X(special_scaled_modified_bessel_k1, scaled_modified_bessel_k1) \
  X(special_spherical_bessel_j0, spherical_bessel_j0)
#define XPU_LITE_BINARY(X) \
  X(igamma, igamma) X(igammac, igammac) X(zeta, zeta) \
  X(chebyshev_polynomial_t, chebyshev_polynomial_t) \
  X(chebyshev_polynomial_u, chebyshev_polynomial_u) \
  X(chebyshev_polynomial_v, chebyshev_polynomial_v) \
  X(chebyshev_polynomial_w, chebyshev_polynomial_w) \
  X(hermite_polynomial_h, hermite_polynomial_h) X(hermite_polynomial_he, hermite_polynomial_he) \
  X(laguerre_polynomial_l, laguerre_polynomial_l) X(legendre_polynomial_p, legendre_polynomial_p) \
  X(shifted_chebyshev_polynomial_t, shifted_chebyshev_polynomial_t) \
  X(shifted_chebyshev_polynomial_u, shifted_chebyshev_polynomial_u) \
  X(shifted_chebyshev_polynomial_v, shifted_chebyshev_polynomial_v) \
  X(shifted_chebyshev_polynomial_w, shifted_chebyshev_polynomial_w)
#define XPU_LITE_FUNCTION(name, kernel) \
  void name(TensorIteratorBase& i) { pointwise(#name, i, #kernel); }
XPU_LITE_UNARY(XPU_LITE_FUNCTION)
XPU_LITE_BINARY(XPU_LITE_FUNCTION)

void polygamma(TensorIteratorBase& i, int64_t n) {
  if (n == 0) digamma(i);
  else if (n == 1) pointwise("polygamma", i, "trigamma");
  else pointwise("polygamma", i, "polygamma", {n});
}

double bessel_i0(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > sum * 1e-17; ++k) sum += term *= (x / (2.0 * k)) * (x / (2.0 * k));
  return sum;
}
void kaiser_window(TensorIteratorBase& i, int64_t length, double beta) {
  pointwise("kaiser_window", i, "kaiser",
            {2.0 / static_cast<double>(length - 1), beta, 1.0 / bessel_i0(beta)},
            {.type = i.dtype(0)});
}

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten; // NOLINT
#define XPU_LITE_REGISTER(name, kernel) REGISTER_PRIVATEUSE1_DISPATCH(name##_stub, &sycl::name)
XPU_LITE_UNARY(XPU_LITE_REGISTER)
XPU_LITE_BINARY(XPU_LITE_REGISTER)
REGISTER_PRIVATEUSE1_DISPATCH(polygamma_stub, &sycl::polygamma)
REGISTER_PRIVATEUSE1_DISPATCH(kaiser_window_stub, &sycl::kaiser_window)
} // namespace at::native
