#pragma once

// 3x3 convolutions of float32 with fewer multiplications: Winograd's F(4x4, 3x3). A tile
// of 4x4 outputs costs 36 products for each pair of channels, not 144; in between stand sums
// over tiles of 6x6 inputs, a block of tiles at a time, so that nothing the size of the
// input is kept.
//
// Its rounding errors are larger than those of the sum that convolution() forms. They depend
// on the points where the polynomials are evaluated. The textbook's 0, 1, -1, 2, -2 amplify
// them up to 31 times in a tile's worst corner; 0, +-11/16, +-23/16 up to 7 times, which is
// near the least that symmetric points give, and all coefficients of the input's and the
// output's sums are exact in float. Against float64, with normal inputs and 64 to 512
// channels, the largest error is 1.2 to 2 times that of convolution(), the mean 1.8 times.
//
// An input that is infinite or NaN makes all outputs of its tile and of those whose inputs
// overlap with it NaN; convolution() reaches the outputs only that depend on it.
//
// Results do not depend on the number of threads.

#include <cstddef>

#include "backend/cpu/conv/convolution.h"

namespace xpu_lite::cpu::conv {

// What it can do: float32, AVX-512, 3x3 with stride and dilation 1, channels in multiples of 16;
// bias and addend of float32 (the addend with channels last only), ReLU or no activation.
bool winograd_serves(const Convolution& c);

// Where it serves and was measured to be faster (benchmarks/convolution.py).
// `filter_changes`: it is packed for few uses. XPU_LITE_WINOGRAD=off: nowhere.
bool prefers_winograd(const Convolution& c, bool filter_changes);

// Another packed form than pack()'s: 36 weights of a GEMM.
size_t winograd_packed_bytes(const Filter& filter);
void winograd_pack(const Filter& filter, void* out);

// On the calling thread and OpenMP's others; c.packed is winograd_pack()'s. ValueError where
// winograd_serves() is false.
void winograd_convolution(const Convolution& c);

} // namespace xpu_lite::cpu::conv
