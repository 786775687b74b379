// Products of complex numbers; all that has a meaning besides goes by parts, as reals.

#include "backend/ccl/kernels/float_lanes.h"
#include "backend/ccl/kernels/reduce_loop.h"

namespace xpu_lite::ccl::XPU_LITE_LEVEL {
namespace {

// x and y hold real and imaginary parts in turn.
template <class T>
XPU_LITE_LANES Vector<T> swap_parts(Vector<T> v) {
  Vector<T> out;
  for (int i = 0; i < Element<T>::kLanes; ++i) out[i] = v[i ^ 1];
  return out;
}

template <class T>
XPU_LITE_LANES Vector<T> repeat_part(Vector<T> v, int part) {
  Vector<T> out;
  for (int i = 0; i < Element<T>::kLanes; ++i) out[i] = v[(i & ~1) | part];
  return out;
}

template <class T>
struct Multiply : Plain<Vector<T>> {
  Vector<T> signs; // -1 and 1 in turn
  XPU_LITE_LANES Vector<T> next(Vector<T> a, Vector<T> b) const {
    return repeat_part<T>(a, 0) * b + repeat_part<T>(a, 1) * swap_parts<T>(b) * signs;
  }
};

template <class E, class T>
void multiply(const ReduceArgs& args) {
  Multiply<T> op;
  for (int i = 0; i < Element<T>::kLanes; ++i) op.signs[i] = static_cast<T>((i & 1) ? 1 : -1);
  ReduceArgs parts = args;
  parts.count *= 2;
  fold<E, Multiply<T>, 0>(parts, op);
}

void multiply_complex(const ReduceArgs& args, DataType type) {
  switch (type) {
    case DataType::ComplexHalf: return multiply<Float16, float>(args);
    case DataType::ComplexFloat: return multiply<Element<float>, float>(args);
    case DataType::ComplexDouble: return multiply<Element<double>, double>(args);
    default: return;
  }
}

XPU_LITE_REGISTER_KERNEL(ccl_multiply_complex, multiply_complex);

} // namespace
} // namespace xpu_lite::ccl::XPU_LITE_LEVEL
