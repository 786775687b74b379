// The choice of an implementation for int8_convolution.h.

#include "backend/cpu/conv/int8_convolution.h"

#include "backend/cpu/conv/int8_plan.h"
#include "backend/cpu/gemm/implementation_list.h"
#include "backend/runtime/error.h"

namespace xpu_lite::cpu::conv {
namespace {

using gemm::Int8Input;
using gemm::Int8Kernels;
using gemm::Int8Output;

const gemm::ImplementationList<Int8Kernels>& int8_list() {
  static const gemm::ImplementationList<Int8Kernels> list(
      "int8 convolution", {&gemm::int8_amx, &gemm::int8_avx512vnni, &gemm::int8_avx512,
                           &gemm::int8_avx2});
  return list;
}

void check_int8(const Int8Convolution& c) {
  for (const Window* w : {&c.vertical, &c.horizontal}) {
    if (w->size < 1 || w->stride < 1 || w->dilation < 1 || w->pad < 0) {
      throw ValueError(message("int8 convolution: a filter has size, stride and dilation of 1 ",
                               "or more and no negative padding, got size ", w->size,
                               ", stride ", w->stride, ", padding ", w->pad, ", dilation ",
                               w->dilation));
    }
  }
  const bool is_signed = c.input_type == Int8Input::S8;
  if (c.input_zero < (is_signed ? -128 : 0) || c.input_zero > (is_signed ? 127 : 255)) {
    throw ValueError(message("int8 convolution: the input's zero point must be a value of its ",
                             "type, got ", c.input_zero));
  }
}

bool nothing(const Int8Convolution& c) {
  return c.batch <= 0 || c.out_channels <= 0 || c.out_height <= 0 || c.out_width <= 0;
}

// Tiles of AMX read whole steps of 64 from the packed filter: with several taps the next
// one's would follow.
const Int8Kernels* fitting_int8(const Int8Kernels* k, const Int8Convolution& c) {
  if (!k || k != &gemm::int8_amx) return k;
  const Int8Taps taps = Int8Plan(c).taps;
  return taps.count == 1 || taps.tap_k % 64 == 0 ? k : &gemm::int8_avx512vnni;
}

void run_int8(const Int8Kernels* kernels, const Int8Convolution& c) {
  check_int8(c);
  if (nothing(c)) return;
  kernels ? int8_run_rows(*fitting_int8(kernels, c), c) : int8_reference_convolution(c);
}

} // namespace

void int8_convolution(const Int8Convolution& c) {
  static const Int8Kernels* const chosen = int8_list().chosen();
  run_int8(chosen, c);
}

std::vector<std::string> int8_implementations() { return int8_list().names(); }

bool int8_implementation_serves(const std::string& name) { return int8_list().serves(name); }

void int8_convolution_with(const std::string& name, const Int8Convolution& c) {
  run_int8(int8_list().named(name), c);
}

} // namespace xpu_lite::cpu::conv
