// Direct convolution and its gradients: see convolution_args.h. A work-item makes one
// element of the result; neighbours differ in the last spatial coordinate.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/convolution_args.h"

namespace {

using xpu_lite::xpu::ConvolutionArgs;

struct Coordinates {
  int64_t outer, channel, z, y, x; // batch entry, or output channel of a weight
  bool inside;
};

// Splits the global index by sizes [outer, channels, d, h, w].
inline Coordinates coordinates(int64_t outer, int64_t channels, int64_t d, int64_t h, int64_t w) {
  int64_t i = xk::item().get_global_id(0);
  Coordinates c{};
  c.inside = i < outer * channels * d * h * w;
  c.x = i % w, i /= w;
  c.y = i % h, i /= h;
  c.z = i % d, i /= d;
  c.channel = i % channels, c.outer = i / channels;
  return c;
}

inline bool within(int64_t i, int64_t n) { return i >= 0 && i < n; }

template <class T>
void forward(const ConvolutionArgs& p) {
  using A = xk::acc_t<T>;
  const Coordinates c = coordinates(p.batch, p.groups * p.out_channels, p.out_size[0],
                                    p.out_size[1], p.out_size[2]);
  if (!c.inside) return;
  const int64_t group = c.channel / p.out_channels;
  const T* in = static_cast<const T*>(p.in) + c.outer * p.in_stride[0] +
                group * p.in_channels * p.in_stride[1];
  const T* weight = static_cast<const T*>(p.weight) + c.channel * p.weight_stride[0];
  A sum = p.bias != nullptr ? xk::widen(static_cast<const T*>(p.bias)[c.channel]) : A{};
  for (int64_t kz = 0; kz < p.kernel[0]; ++kz) {
    const int64_t z = c.z * p.stride[0] - p.padding[0] + kz * p.dilation[0];
    if (!within(z, p.in_size[0])) continue;
    for (int64_t ky = 0; ky < p.kernel[1]; ++ky) {
      const int64_t y = c.y * p.stride[1] - p.padding[1] + ky * p.dilation[1];
      if (!within(y, p.in_size[1])) continue;
      for (int64_t kx = 0; kx < p.kernel[2]; ++kx) {
        const int64_t x = c.x * p.stride[2] - p.padding[2] + kx * p.dilation[2];
        if (!within(x, p.in_size[2])) continue;
        const T* i = in + z * p.in_stride[2] + y * p.in_stride[3] + x * p.in_stride[4];
        const T* w = weight + kz * p.weight_stride[2] + ky * p.weight_stride[3] +
                     kx * p.weight_stride[4];
        for (int64_t ch = 0; ch < p.in_channels; ++ch) {
          sum = sum + xk::widen(i[ch * p.in_stride[1]]) * xk::widen(w[ch * p.weight_stride[1]]);
        }
      }
    }
  }
  static_cast<T*>(p.result)[c.outer * p.out_stride[0] + c.channel * p.out_stride[1] +
                            c.z * p.out_stride[2] + c.y * p.out_stride[3] +
                            c.x * p.out_stride[4]] = xk::narrow<T>(sum);
}

// The output position that a tap reads an input position from; -1 if none.
inline int64_t source(int64_t i, int64_t k, int64_t stride, int64_t padding, int64_t dilation,
                      int64_t size) {
  const int64_t at = i + padding - k * dilation;
  return at >= 0 && at % stride == 0 && at / stride < size ? at / stride : -1;
}

// Writes `in`; bias is that of a transposed convolution, whose output this is.
template <class T>
void backward_data(const ConvolutionArgs& p) {
  using A = xk::acc_t<T>;
  const Coordinates c = coordinates(p.batch, p.groups * p.in_channels, p.in_size[0],
                                    p.in_size[1], p.in_size[2]);
  if (!c.inside) return;
  const int64_t group = c.channel / p.in_channels, channel = c.channel % p.in_channels;
  const int64_t first = group * p.out_channels;
  const T* out = static_cast<const T*>(p.out) + c.outer * p.out_stride[0] + first * p.out_stride[1];
  const T* weight = static_cast<const T*>(p.weight) + first * p.weight_stride[0] +
                    channel * p.weight_stride[1];
  A sum = p.bias != nullptr ? xk::widen(static_cast<const T*>(p.bias)[c.channel]) : A{};
  for (int64_t kz = 0; kz < p.kernel[0]; ++kz) {
    const int64_t z = source(c.z, kz, p.stride[0], p.padding[0], p.dilation[0], p.out_size[0]);
    if (z < 0) continue;
    for (int64_t ky = 0; ky < p.kernel[1]; ++ky) {
      const int64_t y = source(c.y, ky, p.stride[1], p.padding[1], p.dilation[1], p.out_size[1]);
      if (y < 0) continue;
      for (int64_t kx = 0; kx < p.kernel[2]; ++kx) {
        const int64_t x = source(c.x, kx, p.stride[2], p.padding[2], p.dilation[2], p.out_size[2]);
        if (x < 0) continue;
        const T* o = out + z * p.out_stride[2] + y * p.out_stride[3] + x * p.out_stride[4];
        const T* w = weight + kz * p.weight_stride[2] + ky * p.weight_stride[3] +
                     kx * p.weight_stride[4];
        for (int64_t ch = 0; ch < p.out_channels; ++ch) {
          sum = sum + xk::widen(o[ch * p.out_stride[1]]) * xk::widen(w[ch * p.weight_stride[0]]);
        }
      }
    }
  }
  static_cast<T*>(p.result)[c.outer * p.in_stride[0] + c.channel * p.in_stride[1] +
                            c.z * p.in_stride[2] + c.y * p.in_stride[3] + c.x * p.in_stride[4]] =
      xk::narrow<T>(sum);
}

template <class T>
void backward_weight(const ConvolutionArgs& p) {
  using A = xk::acc_t<T>;
  const Coordinates c = coordinates(p.groups * p.out_channels, p.in_channels, p.kernel[0],
                                    p.kernel[1], p.kernel[2]);
  if (!c.inside) return;
  const int64_t group = c.outer / p.out_channels;
  const T* in = static_cast<const T*>(p.in) +
                (group * p.in_channels + c.channel) * p.in_stride[1];
  const T* out = static_cast<const T*>(p.out) + c.outer * p.out_stride[1];
  A sum{};
  for (int64_t n = 0; n < p.batch; ++n) {
    for (int64_t z = 0; z < p.out_size[0]; ++z) {
      const int64_t iz = z * p.stride[0] - p.padding[0] + c.z * p.dilation[0];
      if (!within(iz, p.in_size[0])) continue;
      for (int64_t y = 0; y < p.out_size[1]; ++y) {
        const int64_t iy = y * p.stride[1] - p.padding[1] + c.y * p.dilation[1];
        if (!within(iy, p.in_size[1])) continue;
        const T* i = in + n * p.in_stride[0] + iz * p.in_stride[2] + iy * p.in_stride[3];
        const T* o = out + n * p.out_stride[0] + z * p.out_stride[2] + y * p.out_stride[3];
        for (int64_t x = 0; x < p.out_size[2]; ++x) {
          const int64_t ix = x * p.stride[2] - p.padding[2] + c.x * p.dilation[2];
          if (!within(ix, p.in_size[2])) continue;
          sum = sum + xk::widen(i[ix * p.in_stride[4]]) * xk::widen(o[x * p.out_stride[4]]);
        }
      }
    }
  }
  static_cast<T*>(p.result)[c.outer * p.weight_stride[0] + c.channel * p.weight_stride[1] +
                            c.z * p.weight_stride[2] + c.y * p.weight_stride[3] +
                            c.x * p.weight_stride[4]] = xk::narrow<T>(sum);
}

} // namespace

#define XK_CONVOLUTION(suffix, T)                                                      \
  XK(convolution_forward_##suffix, ConvolutionArgs) { forward<T>(args); }              \
  XK(convolution_backward_data_##suffix, ConvolutionArgs) { backward_data<T>(args); }  \
  XK(convolution_backward_weight_##suffix, ConvolutionArgs) { backward_weight<T>(args); }

XK_CONVOLUTION(f32, float)
XK_CONVOLUTION(f64, double)
XK_CONVOLUTION(f16, xk::f16)
XK_CONVOLUTION(bf16, xk::bf16)
XK_CONVOLUTION(i64, int64_t)
XK_CONVOLUTION(i32, int32_t)
XK_CONVOLUTION(i16, int16_t)
XK_CONVOLUTION(i8, int8_t)
XK_CONVOLUTION(u8, uint8_t)
