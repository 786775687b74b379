// Truth values and bits.

#include "backend/xpu/kernels/elementwise.h"

XK_OP1(Not, return !xk::nonzero(a))
XK_OP2(And, return xk::nonzero(a) && xk::nonzero(b))
XK_OP2(Or, return xk::nonzero(a) || xk::nonzero(b))
XK_OP2(Xor, return xk::nonzero(a) != xk::nonzero(b))

struct BitNot {
  template <class T>
  static T run(const xk::Params<T>& p, T a) {
    if constexpr (std::is_same_v<T, bool>) return !a;
    else return T(~a);
  }
};
XK_OP2(BitAnd, return T(a & b))
XK_OP2(BitOr, return T(a | b))
XK_OP2(BitXor, return T(a ^ b))

// A shift by no less than the width, or by a negative count, pushes all bits out.
template <class T>
inline bool shifts_out(T count) {
  return std::make_unsigned_t<T>(count) >= sizeof(T) * 8;
}
XK_OP2(Lshift, return shifts_out(b) ? T(0) : T(std::make_unsigned_t<T>(a) << b))
XK_OP2(Rshift, return T(a >> (shifts_out(b) ? T(sizeof(T) * 8 - 1) : b)))
struct RshiftUnsigned {
  template <class T>
  static T run(const xk::Params<T>& p, T a, T b) {
    return shifts_out(b) ? T(0) : T(a >> b);
  }
};

#define EW_ANY(op, Op, n) \
  EW_FLOATS(op, Op, n) EW_INTS(op, Op, n) EW_BOOL(op, Op, n) EW_COMPLEX(op, Op, n)

EW_ANY(logical_not, Not, 1)
EW_ANY(logical_and, And, 2)
EW_ANY(logical_or, Or, 2)
EW_ANY(logical_xor, Xor, 2)
EW_INTS(bitwise_not, BitNot, 1) EW_BOOL(bitwise_not, BitNot, 1)
EW_INTS(bitwise_and, BitAnd, 2) EW_BOOL(bitwise_and, BitAnd, 2) EW_UNSIGNED(bitwise_and, BitAnd, 2)
EW_INTS(bitwise_or, BitOr, 2) EW_BOOL(bitwise_or, BitOr, 2) EW_UNSIGNED(bitwise_or, BitOr, 2)
EW_INTS(bitwise_xor, BitXor, 2) EW_BOOL(bitwise_xor, BitXor, 2) EW_UNSIGNED(bitwise_xor, BitXor, 2)
EW_INTS(lshift, Lshift, 2)
EW_TYPED(rshift, Rshift, 2, i64) EW_TYPED(rshift, Rshift, 2, i32) EW_TYPED(rshift, Rshift, 2, i16)
EW_TYPED(rshift, Rshift, 2, i8) EW_TYPED(rshift, RshiftUnsigned, 2, u8)
