#pragma once

// Additions (and other combinations) at indexed places; see
// kernels/sorted_apply_args.h. The caller plans, gives memory, and applies.

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/sorted_apply_args.h"
#include "backend/xpu/ops/sort.h"

namespace xpu_lite::xpu {

// Whether the walk has enough columns for one work-item each, in a dtype that has kernels
// for it; else sort.
bool suits_columns(int device, DType type, const IndexArgs& walk);
void combine_columns(Stream& stream, DType type, Combine combine, IndexArgs walk);

struct ApplyPlan {
  IndexArgs positions;   // dimensions that an index varies along
  SortedApplyArgs apply; // and the others, which are columns of each position
  int64_t count;         // positions to sort; at most 2^32 - 1
  bool wide;             // keys are uint64
  size_t bytes() const;  // of memory that apply_sorted needs
};

// `walk` as for index_put, with src.
ApplyPlan plan_apply(IndexArgs walk);

void apply_sorted(Stream& stream, DType type, Combine combine, const ApplyPlan& plan,
                  void* memory);

} // namespace xpu_lite::xpu
