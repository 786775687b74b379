#pragma once

// Arguments of every elementwise kernel (ew_*.cpp); filled by ops/elementwise.cpp.
//
// Note [Elementwise kernels]
// `ew_<op>_<type>` computes rows: along the innermost dimension every operand is
// contiguous, or is the same element, or is a constant; outer dimensions have any
// strides. That is what contiguous tensors, slices, biases and scalars look like.
// Everything else (another type, an inner stride) is first copied by the kernels of
// copy.cpp and cast_*.cpp, which are the only ones that know strides and types: so
// an operator is one small kernel to a type.

#include <cstdint>

namespace xpu_lite::xpu {

constexpr int kEwOuterDims = 5;
constexpr int kEwOperands = 5; // the output and four inputs
constexpr int kEwParams = 6;

// n / size for n < 2^31, as a multiplication.
struct Divider {
  uint32_t size, magic, shift;
};

// A number as a kernel computes with it: float (also for halves), double, int64_t
// (all integers and bool), two floats, two doubles.
struct alignas(16) EwValue {
  uint64_t bits[2];
};

enum EwMode : uint8_t { kFixed, kMoves, kConstant };

struct EwArgs {
  EwValue param[kEwParams];      // the operator's scalars
  EwValue constant[kEwOperands]; // of operands in mode kConstant
  char* ptr[kEwOperands];        // the output first
  // Where to load what moves: base + (offset & mask). See Note [Safe addresses].
  const char* base[kEwOperands];
  int64_t mask[kEwOperands];
  int64_t stride[kEwOperands][kEwOuterDims]; // bytes, inner dimensions first
  Divider dim[kEwOuterDims];
  uint64_t items;    // of a row
  Divider chunks;    // work-groups to a row
  uint32_t dims;     // outer ones
  uint32_t flat;     // one row, and all operands move
  uint32_t zero;     // zero, which the compiler must not know
  uint8_t mode[kEwOperands];
};

} // namespace xpu_lite::xpu
