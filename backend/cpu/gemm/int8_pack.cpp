// The packed form of int8 weights: see int8_gemm.h.

#include <cstring>

#include "backend/cpu/gemm/int8_kernels.h"
#include "backend/cpu/parallel.h"

namespace xpu_lite::cpu::gemm {

size_t int8_packed_bytes(int64_t n, int64_t k) {
  return static_cast<size_t>(int8_panels(n) * (int8_panel_bytes(k) + kInt8Panel * 4));
}

void int8_pack(const Int8Weight& w, void* out) {
  const int64_t panels = int8_panels(w.n), bytes = int8_panel_bytes(w.k);
  int8_t* data = static_cast<int8_t*>(out);
  int32_t* sums = reinterpret_cast<int32_t*>(data + panels * bytes);
  parallel_for(0, panels, 1 + 65536 / (bytes + 1), [&](int64_t first, int64_t last) {
    for (int64_t panel = first; panel < last; ++panel) {
      int8_t* to = data + panel * bytes;
      std::memset(to, 0, static_cast<size_t>(bytes));
      for (int64_t c = 0; c < kInt8Panel; ++c) {
        const int64_t column = panel * kInt8Panel + c;
        int32_t sum = 0;
        if (column < w.n) {
          const int8_t* from = w.data + column * w.n_stride;
          for (int64_t p = 0; p < w.k; ++p) {
            const int8_t v = from[p * w.k_stride];
            to[(p / kInt8Group * kInt8Panel + c) * kInt8Group + p % kInt8Group] = v;
            sum += v;
          }
        }
        sums[column] = sum;
      }
    }
  });
}

} // namespace xpu_lite::cpu::gemm
