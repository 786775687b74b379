// Copies by registers: through the cache, and past it.

#include "backend/ccl/kernels/lanes.h"
#include "backend/ccl/kernels/tables.h"

namespace xpu_lite::ccl::XPU_LITE_LEVEL {
namespace {

using Block = Vector<uint8_t>;
constexpr size_t kBlock = sizeof(Block);
constexpr size_t kUnroll = 4;

XPU_LITE_LANES void stream(char* to, Block v) {
#if defined(__AVX512F__)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), bit_cast<__m512i>(v));
#else
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), bit_cast<__m256i>(v));
#endif
}

void copy_cached(void* dst, const void* src, size_t bytes) {
  auto to = static_cast<char*>(dst);
  auto from = static_cast<const char*>(src);
  for (; bytes >= kBlock * kUnroll; bytes -= kBlock * kUnroll) {
    Block v[kUnroll];
    for (size_t u = 0; u < kUnroll; ++u) v[u] = load_bytes<Block>(from + u * kBlock);
    for (size_t u = 0; u < kUnroll; ++u) store_bytes(to + u * kBlock, v[u]);
    to += kBlock * kUnroll;
    from += kBlock * kUnroll;
  }
  __builtin_memcpy(to, from, bytes);
}

void copy_streaming(void* dst, const void* src, size_t bytes) {
  auto to = static_cast<char*>(dst);
  auto from = static_cast<const char*>(src);
  const size_t skew = (kBlock - reinterpret_cast<uintptr_t>(to) % kBlock) % kBlock;
  if (bytes < skew + kBlock * kUnroll) return copy_cached(dst, src, bytes);
  __builtin_memcpy(to, from, skew);
  to += skew;
  from += skew;
  bytes -= skew;
  for (; bytes >= kBlock * kUnroll; bytes -= kBlock * kUnroll) {
    Block v[kUnroll];
    for (size_t u = 0; u < kUnroll; ++u) v[u] = load_bytes<Block>(from + u * kBlock);
    for (size_t u = 0; u < kUnroll; ++u) stream(to + u * kBlock, v[u]);
    to += kBlock * kUnroll;
    from += kBlock * kUnroll;
  }
  _mm_sfence(); // before whatever tells a peer that the data is there
  __builtin_memcpy(to, from, bytes);
}

XPU_LITE_REGISTER_KERNEL(ccl_copy_cached, copy_cached);
XPU_LITE_REGISTER_KERNEL(ccl_copy_streaming, copy_streaming);

} // namespace
} // namespace xpu_lite::ccl::XPU_LITE_LEVEL
