#pragma once

// One kernel source, one object per instruction set.
//
// Files in backend/cpu/kernels/ are compiled once per level below, with that
// level's compiler flags and XPU_LITE_LEVEL set to its name. A kernel lives in
// `namespace xpu_lite::cpu::XPU_LITE_LEVEL` and enters its table:
//
//   // kernels/fill.h                      (included by callers)
//   XPU_LITE_DECLARE_KERNEL(fill_f32, void(float*, int64_t, float));
//   // kernels/fill.cpp                    (compiled for each level)
//   namespace xpu_lite::cpu::XPU_LITE_LEVEL {
//   static void fill_f32(float* p, int64_t n, float v) { ... }
//   XPU_LITE_REGISTER_KERNEL(fill_f32, fill_f32);
//   }
//   // caller
//   xpu_lite::cpu::fill_f32(p, n, v);
//
// Kernel files must not call inline functions of the standard library that are
// not always inlined: the linker would keep one copy, perhaps of a higher level.

#include <cstdint>

namespace xpu_lite::cpu {

// Scoped: the levels' names are also the names of the kernels' namespaces.
enum class Level : int { avx2 = 0, avx512 = 1 };
inline constexpr int kLevels = 2;

// The highest level that the processor, the build and XPU_LITE_ISA allow.
Level active_level();

template <class Signature>
class KernelTable;

template <class Ret, class... Args>
class KernelTable<Ret(Args...)> {
 public:
  using Fn = Ret (*)(Args...);
  void set(Level level, Fn fn) { entries_[static_cast<int>(level)] = fn; }
  Ret operator()(Args... args) const {
    Fn fn = entries_[active()];
    return fn(args...);
  }

 private:
  int active() const {
    static const int level = static_cast<int>(active_level());
    return entries_[level] ? level : static_cast<int>(Level::avx2);
  }
  Fn entries_[kLevels] = {};
};

} // namespace xpu_lite::cpu

#define XPU_LITE_DECLARE_KERNEL(NAME, ...)                              \
  namespace xpu_lite::cpu {                                             \
  inline KernelTable<__VA_ARGS__> NAME;                                 \
  }

#define XPU_LITE_REGISTER_KERNEL(NAME, FN)                              \
  namespace {                                                           \
  struct Register_##NAME {                                              \
    Register_##NAME() {                                                 \
      ::xpu_lite::cpu::NAME.set(::xpu_lite::cpu::Level::XPU_LITE_LEVEL, FN); \
    }                                                                   \
  } register_##NAME;                                                    \
  }
