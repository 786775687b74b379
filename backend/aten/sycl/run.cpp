#include "backend/aten/sycl/run.h"

namespace xpu_lite::aten::sycl {

xpu::DType dtype_of(const char* op, at::ScalarType type) {
  using D = xpu::DType;
  switch (type) {
    case at::kFloat: return D::F32;
    case at::kDouble: return D::F64;
    case at::kHalf: return D::F16;
    case at::kBFloat16: return D::BF16;
    case at::kLong: return D::I64;
    case at::kInt: return D::I32;
    case at::kShort: return D::I16;
    case at::kChar: return D::I8;
    case at::kByte: return D::U8;
    case at::kUInt16: return D::U16;
    case at::kUInt32: return D::U32;
    case at::kUInt64: return D::U64;
    case at::kBool: return D::B8;
    case at::kComplexFloat: return D::C64;
    case at::kComplexDouble: return D::C128;
    case at::kComplexHalf: return D::C32;
    case at::kFloat8_e4m3fn: return D::F8E4M3;
    case at::kFloat8_e5m2: return D::F8E5M2;
    default:
      TORCH_CHECK_NOT_IMPLEMENTED(false, op, ": the SYCL engine has no kernel for dtype ", type);
  }
}

} // namespace xpu_lite::aten::sycl
