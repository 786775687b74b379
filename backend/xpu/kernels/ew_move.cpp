// Fills, copies and choices: types only matter by their size.

#include "backend/xpu/kernels/elementwise.h"

XK_OP0(Fill, return p(0))
XK_OP1(Same, return a)
struct Where {
  template <class T>
  static T run(const xk::Params<T>& p, bool condition, T a, T b) {
    return condition ? a : b;
  }
};

#define EW_SIZES(op, Op, n) \
  EW_TYPED(op, Op, n, u8) EW_TYPED(op, Op, n, u16) EW_TYPED(op, Op, n, u32) \
  EW_TYPED(op, Op, n, u64) EW_TYPED(op, Op, n, c128)
#define EW_WHERE(t) \
  XK(ew_where_##t, xpu_lite::xpu::EwArgs) { \
    xk::rows<Where, xk::type::t, xk::type::b8, xk::type::t, xk::type::t>( \
        args, std::index_sequence<0, 1, 2>()); \
  }

EW_SIZES(fill, Fill, 0)
EW_SIZES(copy, Same, 1)
EW_WHERE(u8) EW_WHERE(u16) EW_WHERE(u32) EW_WHERE(u64) EW_WHERE(c128)
