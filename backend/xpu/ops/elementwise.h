#pragma once

// Elementwise operators on any strides and types, on top of the kernels of
// kernels/ew_*.cpp: Note [Elementwise kernels].

#include <array>
#include <complex>
#include <cstdint>
#include <string_view>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/elementwise_args.h"

namespace xpu_lite::xpu {

constexpr int kMaxDims = 64;

// A tensor as an elementwise operator sees it.
struct EwOperand {
  char* ptr = nullptr; // device_pointer() was applied; unused of a constant
  DType dtype = DType::F32;
  bool constant = false;
  EwValue value{};                       // of a constant
  std::array<int64_t, kMaxDims> stride;  // bytes; of the dimensions of the call
};

// op(inputs) -> output. The kernel is ew_<name>_<type>; every operand is converted
// from and to the type that the kernel takes.
struct Elementwise {
  std::string_view name;
  DType type = DType::F32; // in the kernel's name
  int dims = 0;            // innermost first; none for one element
  std::array<int64_t, kMaxDims> size;
  int operands = 0; // the output first
  EwOperand operand[kEwOperands];
  DType wanted[kEwOperands]; // the types the kernel takes
  EwValue param[kEwParams] = {};
};

// Throws Error where no kernel has the name.
void elementwise(Stream& stream, Elementwise& call);

// How a number is encoded for kernels of `type`: EwValue.
EwValue encode(DType type, double real, double imaginary = 0);
EwValue encode_integer(DType type, int64_t value);

} // namespace xpu_lite::xpu
