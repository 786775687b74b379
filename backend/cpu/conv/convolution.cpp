// The choice of an implementation, and the convolutions that are one product.

#include "backend/cpu/conv/convolution.h"

#include "backend/cpu/conv/plan.h"
#include "backend/runtime/error.h"

namespace xpu_lite::cpu::conv {
namespace {

using gemm::Kernels;

gemm::Gemm as_product(const Convolution& c) {
  return {c.dtype, c.batch * c.height * c.width, c.out_channels, c.channels, c.input, c.channels,
          c.packed, c.output, c.out_channels, c.output_dtype, c.epilogue};
}

void check(const Convolution& c) {
  const gemm::Epilogue& e = c.epilogue;
  if (!gemm::serves(c.dtype) || !gemm::serves(c.output_dtype) || !gemm::serves(e.bias.dtype) ||
      !gemm::serves(e.add.dtype)) {
    throw ValueError("convolution: operands are float32, bfloat16 or float16");
  }
  for (const Window* w : {&c.vertical, &c.horizontal}) {
    if (w->size < 1 || w->stride < 1 || w->dilation < 1 || w->pad < 0) {
      throw ValueError(message("convolution: a filter has size, stride and dilation of 1 or more ",
                               "and no negative padding, got size ", w->size, ", stride ",
                               w->stride, ", padding ", w->pad, ", dilation ", w->dilation));
    }
  }
  if (e.mul.data) throw ValueError("convolution: no factor can follow");
  if (e.add.data && c.output_layout != Layout::ChannelsLast) {
    throw ValueError("convolution: something is added to outputs with channels last only");
  }
}

bool nothing_to_do(const Convolution& c) {
  return c.batch <= 0 || c.out_channels <= 0 || c.out_height <= 0 || c.out_width <= 0;
}

// AMX reads whole tiles of 32 steps of k: beyond the end of a row of taps there is the next
// one's filter, or no memory. Such a row is for kernels that read step by step.
const Kernels* fitting(const Kernels* k, const Convolution& c) {
  const int64_t taps = c.horizontal.dilation == 1 ? c.horizontal.size : 1;
  const bool one_row = (c.vertical.size == 1 && taps == c.horizontal.size) ||
      interleaves_rows(c.dtype, c.channels, c.vertical.size, c.horizontal.size);
  if (!k || k->rows <= 16 || one_row || taps * padded_channels(c.dtype, c.channels) % 32 == 0) {
    return k;
  }
  return gemm::chosen_kernels(c.dtype, 1);
}

// The GEMM's choice for tiles of a row's length.
const Kernels* choose(const Convolution& c) {
  return fitting(gemm::chosen_kernels(c.dtype, std::max<int64_t>(c.out_width, 1)), c);
}

void run(const Kernels* kernels, const Convolution& c) {
  kernels ? run_rows(*kernels, c) : reference_convolution(c);
}

} // namespace

std::vector<std::string> implementations() { return gemm::implementations(); }

bool implementation_serves(const std::string& name, DType dtype) {
  return gemm::implementation_serves(name, dtype);
}

const char* chosen_implementation(const Convolution& c) {
  if (is_plain_product(c)) {
    return gemm::chosen_implementation(c.dtype, c.batch * c.height * c.width);
  }
  const Kernels* k = choose(c);
  return k ? k->name : "reference";
}

void convolution(const Convolution& c) {
  check(c);
  if (nothing_to_do(c)) return;
  if (is_plain_product(c)) return gemm::gemm(as_product(c));
  run(choose(c), c);
}

void convolution_with(const std::string& name, const Convolution& c) {
  check(c);
  if (!implementation_serves(name, c.dtype)) {
    throw ValueError(message("convolution: implementation '", name, "' does not serve this dtype ",
                             "on this processor"));
  }
  if (nothing_to_do(c)) return;
  if (is_plain_product(c)) return gemm::gemm_with(name, as_product(c));
  run(fitting(gemm::find_kernels(name, c.dtype), c), c);
}

} // namespace xpu_lite::cpu::conv
