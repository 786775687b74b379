// The packed form of a weight: panels of 32 columns, in the order in which a tile
// reads them. bfloat16 keeps two k of a column side by side, as the dot product
// instructions (and AMX's tiles) take them. What lies beyond n or k is zero.

#include <cstring>

#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/cpu/parallel.h"
#include "backend/runtime/error.h"

namespace xpu_lite::cpu::gemm {
namespace {

template <class To, class From>
To convert(From x) {
  if constexpr (sizeof(To) == sizeof(From)) return x; // the bits of a NaN too
  return To(static_cast<float>(x));
}
template <>
bfloat16 convert(half x) { return bfloat16(static_cast<float>(x)); }
template <>
half convert(bfloat16 x) { return half(static_cast<float>(x)); }

template <class To, class From>
void pack_any(const Weight& w, int64_t panel, To* to) {
  constexpr int64_t group = sizeof(To) == 2 && std::is_same_v<To, bfloat16> ? 2 : 1;
  const From* from = static_cast<const From*>(w.data);
  const int64_t first = panel * kPanel, columns = std::min<int64_t>(kPanel, w.n - first);
  // Any strides, and float16. Blocks of k: the lines of a panel's 32 columns stay in the
  // cache where k is the dense direction, as it is in torch's weights.
  constexpr int64_t block = 16;
  for (int64_t begin = 0; begin < w.k; begin += block) {
    const int64_t end = std::min(w.k, begin + block);
    if (w.k_stride == 1) {
      for (int64_t j = 0; j < columns; ++j) {
        const From* row = from + (first + j) * w.n_stride;
        for (int64_t p = begin; p < end; ++p) {
          to[(p / group * kPanel + j) * group + p % group] = convert<To>(row[p]);
        }
      }
    } else {
      for (int64_t p = begin; p < end; ++p) {
        const From* row = from + p * w.k_stride + first * w.n_stride;
        for (int64_t j = 0; j < columns; ++j) {
          to[(p / group * kPanel + j) * group + p % group] = convert<To>(row[j * w.n_stride]);
        }
      }
    }
  }
}

template <class To>
void pack_as(const Weight& w, To* out) {
  const int64_t size = panel_k(w.dtype, w.k) * kPanel, panels = panels_of(w.n);
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(size, 1));
  const auto fast = isa() >= Isa::Avx512 ? avx512::pack_panel
      : isa() >= Isa::Avx2               ? avx2::pack_panel
                                         : nullptr;
  parallel_for(0, panels, grain, [&](int64_t first, int64_t last) {
    for (int64_t panel = first; panel < last; ++panel) {
      // What no value is written to, beyond n and beyond k, is zero.
      if ((panel + 1) * kPanel > w.n || panel_k(w.dtype, w.k) != w.k) {
        std::memset(out + panel * size, 0, static_cast<size_t>(size) * sizeof(To));
      }
      if (fast && fast(w, panel, out + panel * size)) continue;
      switch (w.data_dtype) {
        case DType::Float: pack_any<To, float>(w, panel, out + panel * size); break;
        case DType::BFloat16: pack_any<To, bfloat16>(w, panel, out + panel * size); break;
        default: pack_any<To, half>(w, panel, out + panel * size);
      }
    }
  });
}

} // namespace

bool serves(DType dtype) {
  return dtype == DType::Float || dtype == DType::BFloat16 || dtype == DType::Half;
}

const char* layout_name(DType dtype) {
  if (dtype == DType::Float) return "f32_k1n32";
  return dtype == DType::BFloat16 ? "bf16_k2n32" : "f16_k1n32";
}

size_t packed_bytes(DType dtype, int64_t n, int64_t k) {
  return static_cast<size_t>(panels_of(n) * kPanel * panel_k(dtype, k) * dtype_size(dtype));
}

void pack(const Weight& w, void* out) {
  if (!serves(w.dtype) || !serves(w.data_dtype)) {
    throw ValueError("gemm::pack: weights are float32, bfloat16 or float16");
  }
  if (w.dtype == DType::Float) {
    pack_as(w, static_cast<float*>(out));
  } else if (w.dtype == DType::BFloat16) {
    pack_as(w, static_cast<bfloat16*>(out));
  } else {
    pack_as(w, static_cast<half*>(out));
  }
}

} // namespace xpu_lite::cpu::gemm
