#pragma once

// Element types as kernels know them. Included by host code and by device code.

#include <cstddef>
#include <cstdint>

namespace xpu_lite::xpu {

enum class DType : uint8_t {
  F32, F64, F16, BF16, I64, I32, I16, I8, U8, U16, U32, U64, B8, C64, C128, C32,
  F8E4M3, F8E5M2, // storage only: converted, never computed with
  Count
};

// The suffix of kernel names: "ew_add_f32".
constexpr const char* kSuffix[] = {"f32", "f64", "f16", "bf16", "i64", "i32", "i16", "i8", "u8",
                                   "u16", "u32", "u64", "b8", "c64", "c128", "c32",
                                   "f8e4m3", "f8e5m2"};
constexpr const char* suffix(DType t) { return kSuffix[static_cast<int>(t)]; }

constexpr size_t kDTypeSize[] = {4, 8, 2, 2, 8, 4, 2, 1, 1, 2, 4, 8, 1, 8, 16, 4, 1, 1};
constexpr size_t size_of(DType t) { return kDTypeSize[static_cast<int>(t)]; }

constexpr bool is_floating(DType t) { return t <= DType::BF16 || t >= DType::F8E4M3; }
constexpr bool is_complex(DType t) { return t == DType::C64 || t == DType::C128 || t == DType::C32; }

} // namespace xpu_lite::xpu
