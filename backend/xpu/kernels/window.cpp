// im2col, and col2im as the sum over the windows that saw a pixel.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/units.h"
#include "backend/xpu/kernels/window_args.h"

namespace xk {

using xpu_lite::xpu::WindowArgs;

template <class T>
inline void im2col(const WindowArgs& a) {
  auto it = item();
  const T* in = static_cast<const T*>(a.in);
  T* out = static_cast<T*>(a.out);
  const int64_t step = it.get_global_range(0);
  const int64_t total = a.batch * a.channels * a.kernel_h * a.kernel_w * a.rows * a.cols;
  for (int64_t k = it.get_global_id(0); k < total; k += step) {
    int64_t rest = k / a.cols;
    const int64_t col = k - rest * a.cols;
    int64_t next = rest / a.rows;
    const int64_t row = rest - next * a.rows;
    rest = next / a.kernel_w;
    const int64_t kx = next - rest * a.kernel_w;
    next = rest / a.kernel_h;
    const int64_t ky = rest - next * a.kernel_h;
    const int64_t y = row * a.stride_h - a.pad_h + ky * a.dilation_h;
    const int64_t x = col * a.stride_w - a.pad_w + kx * a.dilation_w;
    const bool inside = y >= 0 && y < a.height && x >= 0 && x < a.width;
    out[k] = inside ? in[(next * a.height + y) * a.width + x] : T{};
  }
}

template <class T>
inline void col2im(const WindowArgs& a) {
  auto it = item();
  const T* in = static_cast<const T*>(a.in);
  T* out = static_cast<T*>(a.out);
  const int64_t step = it.get_global_range(0);
  const int64_t total = a.batch * a.channels * a.height * a.width;
  for (int64_t k = it.get_global_id(0); k < total; k += step) {
    const int64_t line = k / a.width, x = k - line * a.width + a.pad_w;
    const int64_t plane = line / a.height, y = line - plane * a.height + a.pad_h;
    acc_t<T> sum{};
    for (int64_t ky = 0; ky < a.kernel_h; ++ky) {
      const int64_t top = y - ky * a.dilation_h, row = top / a.stride_h;
      if (top < 0 || row * a.stride_h != top || row >= a.rows) continue;
      for (int64_t kx = 0; kx < a.kernel_w; ++kx) {
        const int64_t left = x - kx * a.dilation_w, col = left / a.stride_w;
        if (left < 0 || col * a.stride_w != left || col >= a.cols) continue;
        const int64_t window = (plane * a.kernel_h + ky) * a.kernel_w + kx;
        sum = sum + widen(in[(window * a.rows + row) * a.cols + col]);
      }
    }
    out[k] = narrow<T>(sum);
  }
}

} // namespace xk

XK(im2col_1, xk::WindowArgs) { xk::im2col<xk::U1>(args); }
XK(im2col_2, xk::WindowArgs) { xk::im2col<xk::U2>(args); }
XK(im2col_4, xk::WindowArgs) { xk::im2col<xk::U4>(args); }
XK(im2col_8, xk::WindowArgs) { xk::im2col<xk::U8>(args); }
XK(im2col_16, xk::WindowArgs) { xk::im2col<xk::U16>(args); }
XK(col2im_f32, xk::WindowArgs) { xk::col2im<float>(args); }
XK(col2im_f64, xk::WindowArgs) { xk::col2im<double>(args); }
XK(col2im_f16, xk::WindowArgs) { xk::col2im<xk::f16>(args); }
XK(col2im_bf16, xk::WindowArgs) { xk::col2im<xk::bf16>(args); }
XK(col2im_c64, xk::WindowArgs) { xk::col2im<xk::c64>(args); }
XK(col2im_c128, xk::WindowArgs) { xk::col2im<xk::c128>(args); }
XK(col2im_b8, xk::WindowArgs) { xk::col2im<xk::b8>(args); }
