// The loops of elementwise.h, each written once: one loop for all operators on
// float, double and int64, and one walk over blocks for the 16-bit types.

#include "backend/cpu/kernels/elementwise.h"

#include "backend/cpu/kernels/elementwise_ops.h"
#include "backend/cpu/kernels/staging.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

namespace {

template <class T>
using Loop = void (*)(T* out, const T* a, const T* b, const T* c, T s, int64_t n);

// Operands that an operator does not read are null: the compiler drops the loads.
template <class Op, class T>
void loop(T* out, const T* a, const T* b, const T* c, T s, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = Op::template run<T>(a[i], b[i], c[i], s);
}

template <class T>
Loop<T> find_loop(ElementwiseOp op) {
  switch (op) {
#define CASE(NAME) \
  case ElementwiseOp::NAME: \
    return loop<NAME##Op, T>;
    CASE(Add) CASE(Sub) CASE(Mul) CASE(Maximum) CASE(Minimum)
    CASE(AddScalar) CASE(SubScalar) CASE(MulScalar)
    CASE(MaximumScalar) CASE(MinimumScalar)
    CASE(Abs) CASE(Neg) CASE(Relu) CASE(Sign)
    default: break;
  }
  if constexpr (!__is_same(T, int64_t)) {
    switch (op) {
      CASE(Div) CASE(Pow) CASE(DivScalar) CASE(PowScalar) CASE(ScalarPow)
      CASE(Addcmul) CASE(Addcdiv) CASE(Lerp) CASE(LerpScalar)
      CASE(Sqrt) CASE(Rsqrt) CASE(Reciprocal)
      CASE(Ceil) CASE(Floor) CASE(Round) CASE(Trunc) CASE(Frac)
      default: break;
#undef CASE
    }
  }
  return nullptr;
}

template <class T>
const T* at(const T* data, int64_t first) {
  return data ? data + first : nullptr;
}

// From L1 to memory around the caches: saves reading the lines to be overwritten.
void stream_bytes(void* to, const void* from, int64_t bytes) {
  char* dst = static_cast<char*>(to);
  const char* src = static_cast<const char*>(from);
  const int64_t head = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(dst) & 31);
  if (head >= bytes) {
    __builtin_memcpy(dst, src, bytes);
    return;
  }
  __builtin_memcpy(dst, src, head);
  int64_t i = head;
  for (; i + 32 <= bytes; i += 32) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(dst + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(src + i)));
  }
  __builtin_memcpy(dst + i, src + i, bytes - i);
}

template <class T>
void run_wide(Loop<T> loop, T* out, const T* a, const T* b, const T* c, T s, int64_t n,
              bool stream) {
  if (!stream) {
    loop(out, a, b, c, s, n);
    return;
  }
  alignas(64) T block[kStageBlock];
  for (int64_t first = 0; first < n; first += kStageBlock) {
    const int64_t m = n - first < kStageBlock ? n - first : kStageBlock;
    loop(block, at(a, first), at(b, first), at(c, first), s, m);
    stream_bytes(out + first, block, m * static_cast<int64_t>(sizeof(T)));
  }
  _mm_sfence();
}

template <class T>
void run_narrow(Loop<float> loop, T* out, const T* a, const T* b, const T* c, float s,
                int64_t n, bool stream) {
  alignas(64) float wide[3][kStageBlock];
  alignas(64) uint16_t narrow[kStageBlock];
  for (int64_t first = 0; first < n; first += kStageBlock) {
    const int64_t m = n - first < kStageBlock ? n - first : kStageBlock;
    if (a) load_block(wide[0], a + first, m);
    if (b) load_block(wide[1], b + first, m);
    if (c) load_block(wide[2], c + first, m);
    loop(wide[0], wide[0], wide[1], wide[2], s, m);
    if (stream) {
      store_block(reinterpret_cast<T*>(narrow), wide[0], m);
      stream_bytes(out + first, narrow, m * 2);
    } else {
      store_block(out + first, wide[0], m);
    }
  }
  if (stream) _mm_sfence();
}

bool elementwise(ElementwiseOp op, DType dtype, void* out, const void* a, const void* b,
                 const void* c, double s, int64_t n, bool stream) {
  const auto wide = [&]<class T>(T) {
    const Loop<T> found = find_loop<T>(op);
    if (found) {
      run_wide<T>(found, static_cast<T*>(out), static_cast<const T*>(a),
                  static_cast<const T*>(b), static_cast<const T*>(c), static_cast<T>(s), n,
                  stream);
    }
    return found != nullptr;
  };
  const auto narrow = [&]<class T>(T*) {
    run_narrow<T>(find_loop<float>(op), static_cast<T*>(out), static_cast<const T*>(a),
                  static_cast<const T*>(b), static_cast<const T*>(c),
                  static_cast<float>(s), n, stream);
    return true;
  };
  switch (dtype) {
    case DType::Float: return wide(float());
    case DType::Double: return wide(double());
    case DType::Int64: return wide(int64_t());
    case DType::BFloat16: return narrow(static_cast<bfloat16*>(nullptr));
    case DType::Half: return narrow(static_cast<half*>(nullptr));
  }
  return false;
}

template <class T>
double reduce_block(ReduceOp op, const T* a, int64_t n) {
  T total = 0;
  switch (op) {
    case ReduceOp::Sum:
#pragma omp simd reduction(+ : total)
      for (int64_t i = 0; i < n; ++i) total += a[i];
      return static_cast<double>(total);
    case ReduceOp::SumAbs:
#pragma omp simd reduction(+ : total)
      for (int64_t i = 0; i < n; ++i) total += magnitude(a[i]);
      return static_cast<double>(total);
    case ReduceOp::SumSquares:
#pragma omp simd reduction(+ : total)
      for (int64_t i = 0; i < n; ++i) total += a[i] * a[i];
      return static_cast<double>(total);
    case ReduceOp::Max:
    case ReduceOp::AbsMax: {
      T most = op == ReduceOp::Max ? -static_cast<T>(__builtin_inf()) : T(0);
      // A NaN compares false with everything: counted aside.
      int nans = 0;
      if (op == ReduceOp::Max) {
#pragma omp simd reduction(max : most) reduction(+ : nans)
        for (int64_t i = 0; i < n; ++i) {
          most = a[i] > most ? a[i] : most;
          nans += a[i] != a[i];
        }
      } else {
#pragma omp simd reduction(max : most) reduction(+ : nans)
        for (int64_t i = 0; i < n; ++i) {
          const T value = magnitude(a[i]);
          most = value > most ? value : most;
          nans += a[i] != a[i];
        }
      }
      return nans ? __builtin_nan("") : static_cast<double>(most);
    }
  }
  return 0;
}

double combine(ReduceOp op, double left, double right) {
  if (op == ReduceOp::Max || op == ReduceOp::AbsMax) {
    return left > right || left != left ? left : right;
  }
  return left + right;
}

template <class Acc>
double reduce(ReduceOp op, DType dtype, const void* a, int64_t n) {
  Staged<Acc> staged(const_cast<void*>(a), dtype);
  double total = op == ReduceOp::Max ? -__builtin_inf() : 0;
  for (int64_t first = 0; first < n; first += kStageBlock) {
    const int64_t m = n - first < kStageBlock ? n - first : kStageBlock;
    total = combine(op, total, reduce_block<Acc>(op, staged.load(first, m), m));
  }
  return total;
}

double reduce_range(ReduceOp op, DType dtype, const void* a, int64_t n) {
  return dtype == DType::Double ? reduce<double>(op, dtype, a, n)
                                : reduce<float>(op, dtype, a, n);
}

template <class Acc>
bool unscale(DType dtype, void* data, Acc scale, int64_t n) {
  Staged<Acc> staged(data, dtype);
  bool found = false;
  for (int64_t first = 0; first < n; first += kStageBlock) {
    const int64_t m = n - first < kStageBlock ? n - first : kStageBlock;
    Acc* block = staged.load(first, m);
    int bad = 0;
    // x - x is NaN exactly for infinities and NaNs.
#pragma omp simd reduction(+ : bad)
    for (int64_t i = 0; i < m; ++i) bad += (block[i] - block[i]) != Acc(0);
    found |= bad != 0;
    if (scale == Acc(1)) continue;
    for (int64_t i = 0; i < m; ++i) block[i] *= scale;
    staged.store(first, m);
  }
  return found;
}

bool unscale_range(DType dtype, void* data, float scale, int64_t n) {
  return dtype == DType::Double ? unscale<double>(dtype, data, scale, n)
                                : unscale<float>(dtype, data, scale, n);
}

} // namespace

XPU_LITE_REGISTER_KERNEL(elementwise, elementwise)
XPU_LITE_REGISTER_KERNEL(reduce_range, reduce_range)
XPU_LITE_REGISTER_KERNEL(unscale_range, unscale_range)

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
