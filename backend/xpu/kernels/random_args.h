#pragma once

// Arguments of the random kernels. What is drawn is Note [Philox layout] in
// backend/cpu/kernels/philox.h, which host code and device code share.

#include <cstdint>

#include "backend/cpu/kernels/philox.h"
#include "backend/xpu/kernel_error.h"

namespace xpu_lite::xpu {

// `a`, `b`, `c` are the distribution's parameters in the type that the kernel computes
// with: a device without fp64 must not meet a double.
template <class Real>
struct RandomFillArgs {
  void* out;
  int64_t n;
  cpu::PhiloxStream stream;
  Real a, b, c;
};

struct RandomIntegersArgs {
  void* out;
  int64_t n;
  cpu::PhiloxStream stream;
  uint64_t range; // 0 stands for 2^64
  uint64_t base;  // two's complement
};

struct BernoulliArgs {
  void* out;
  int64_t n;
  cpu::PhiloxStream stream;
  uint64_t one;  // the bits of 1 in the type of `out`
  uint32_t last; // the largest draw that counts as one
};

struct BernoulliEachArgs {
  void* out;
  int64_t n;
  cpu::PhiloxStream stream;
  uint64_t one;
  const void* p; // contiguous
  KernelError* error; // a probability outside [0, 1]
  const char* op;
  const char* what;
};

// Keys are (seed, offset) pairs; each fills `each` elements of `out`.
template <class Real>
struct RandomKeysArgs {
  void* out;
  const uint64_t* keys;
  int64_t count, each;
  Real a, b, c;
};

struct DeriveKeysArgs {
  uint64_t* out;
  const uint64_t* keys;
  int64_t count;  // of keys
  int64_t splits; // out has splits * count keys
  uint64_t first; // the number derived with for split 0
};

struct DropoutNumbersArgs {
  float* out;
  int64_t rows, width;
  cpu::PhiloxStream stream;
};

} // namespace xpu_lite::xpu
