// embedding_bag forward: one work-item per bag and column.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/embedding_bag_args.h"
#include "backend/xpu/kernels/fault.h"

namespace xk {

using xpu_lite::xpu::BagMode;
using xpu_lite::xpu::EmbeddingBagArgs;

template <class T>
inline void embedding_bag(const EmbeddingBagArgs& a) {
  auto it = item();
  const T* weight = static_cast<const T*>(a.weight);
  const T* scales = static_cast<const T*>(a.scales);
  T* out = static_cast<T*>(a.out);
  const int64_t step = it.get_global_range(0), total = a.bags * a.columns;
  for (int64_t k = it.get_global_id(0); k < total; k += step) {
    const int64_t bag = k / a.columns, column = k - bag * a.columns;
    acc_t<T> sum{};
    int64_t size = 0, best = 0;
    for (int64_t i = a.offsets[bag]; i < a.offsets[bag + 1]; ++i) {
      const int64_t row = a.indices[i];
      if (static_cast<uint64_t>(row) >= static_cast<uint64_t>(a.rows)) {
        report(a.error, "embedding_bag", KernelFault::IndexRuntime, row, a.rows, 0);
        continue;
      }
      if (row == a.padding) continue;
      acc_t<T> x = widen(weight[row * a.row_stride + column * a.column_stride]);
      if (scales) x = x * widen(scales[i]);
      if (a.mode == BagMode::Max) {
        if (size == 0 || x > sum || (x != x && sum == sum)) sum = x, best = row;
      } else {
        sum = sum + x;
      }
      ++size;
    }
    if (a.mode == BagMode::Mean && size) sum = sum / static_cast<acc_t<T>>(size);
    out[k] = narrow<T>(sum);
    if (a.mode == BagMode::Max) a.greatest[k] = size ? best : -1;
    if (column == 0) a.sizes[bag] = size;
  }
}

} // namespace xk

XK(embedding_bag_f32, xk::EmbeddingBagArgs) { xk::embedding_bag<float>(args); }
XK(embedding_bag_f64, xk::EmbeddingBagArgs) { xk::embedding_bag<double>(args); }
XK(embedding_bag_f16, xk::EmbeddingBagArgs) { xk::embedding_bag<xk::f16>(args); }
XK(embedding_bag_bf16, xk::EmbeddingBagArgs) { xk::embedding_bag<xk::bf16>(args); }
