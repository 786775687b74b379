#pragma once

// What a rank calls, as it stands in its slots: peers compare it with their own call
// before they touch the data behind it.

#include <cstddef>
#include <cstdint>
#include <string>

#include "backend/ccl/types.h"

namespace xpu_lite::ccl::shm {

struct Description {
  Collective kind = Collective::Barrier;
  DataType type = DataType::Opaque;
  ReduceKind reduction = ReduceKind::Sum;
  bool checking = false; // Call::check_all: costs a step, so all must agree
  int32_t detail = 0;    // the root; of reduce_scatter, a digest of the counts
  float factor = 0;      // of PreMulSum
  uint32_t sequence = 0; // the lower half is enough to tell calls apart
  uint64_t bytes = 0;    // of this rank; which peers expect, the collective knows
};
static_assert(sizeof(Description) == 24);

// All but `bytes`.
bool same_call(const Description& a, const Description& b) noexcept;
// "all_reduce #12 (sum of float32, 4096 bytes)"
std::string text_of(const Description& description);

} // namespace xpu_lite::ccl::shm
