#pragma once

// Scans along the middle one of three dense dimensions.

#include <cstdint>

namespace xpu_lite::xpu {

enum class ScanStage : int32_t {
  Whole,  // each row by one sub-group (or column by one lane)
  Totals, // what each part of a row comes to, into totals
  Parts,  // each part, from what the parts before it come to
};

struct ScanArgs {
  const void* in;
  void* out;
  int64_t* index; // cummax and cummin
  void* totals;   // [rows][splits]
  int64_t outer, length, inner;
  int64_t splits, chunk;
  ScanStage stage;
  int32_t flag; // what it means is the operator's business
};

} // namespace xpu_lite::xpu
