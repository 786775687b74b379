// Statistics and snapshots of a block pool: what is not on the way of a request.

#include <algorithm>

#include "backend/runtime/block_pool.h"

namespace xpu_lite {
namespace {

void set_max(int64_t& peak, int64_t value) { peak = std::max(peak, value); }

} // namespace

void BlockPool::raise_peaks() {
  rising_ = false;
  for (int pool = 0; pool < 2; ++pool) {
    Peaks& p = peaks_[kSmallPool + pool];
    set_max(p.live.count, live_[pool].count);
    set_max(p.live.bytes, live_[pool].bytes);
    set_max(p.live.requested, live_[pool].requested);
    set_max(p.active.count, live_[pool].count + pending_[pool].count);
    set_max(p.active.bytes, live_[pool].bytes + pending_[pool].bytes);
    set_max(p.inactive.count, inactive_[pool].count);
    set_max(p.inactive.bytes, inactive_[pool].bytes);
  }
  Peaks& p = peaks_[kAggregate];
  const int64_t count = live_[0].count + live_[1].count;
  const int64_t bytes = live_[0].bytes + live_[1].bytes;
  set_max(p.live.count, count);
  set_max(p.live.bytes, bytes);
  set_max(p.live.requested, live_[0].requested + live_[1].requested);
  set_max(p.active.count, count + pending_[0].count + pending_[1].count);
  set_max(p.active.bytes, bytes + pending_[0].bytes + pending_[1].bytes);
  set_max(p.inactive.count, inactive_[0].count + inactive_[1].count);
  set_max(p.inactive.bytes, inactive_[0].bytes + inactive_[1].bytes);
  set_max(high_water_, bytes);
}

AllocatorStats BlockPool::stats() {
  std::lock_guard<SpinMutex> lock(mutex_);
  raise_peaks();
  AllocatorStats s;
  s.segment = segments_;
  s.reserved_bytes = reserved_;
  auto fill = [&](StatArray& out, int64_t Usage::*field, Usage Peaks::*peak,
                  const Usage (&now)[2], const Usage* extra, const Usage (&total)[2],
                  const Usage (&total_base)[2], const Usage (&freed_base)[2]) {
    for (int pool = 0; pool < 2; ++pool) {
      Stat& stat = out[kSmallPool + pool];
      stat.current = now[pool].*field + (extra ? extra[pool].*field : 0);
      stat.peak = peaks_[kSmallPool + pool].*peak.*field;
      stat.allocated = total[pool].*field - total_base[pool].*field;
      // Whatever was handed out and is not in use now has come back.
      stat.freed = total[pool].*field - stat.current - freed_base[pool].*field;
    }
    Stat& sum = out[kAggregate];
    sum.current = out[kSmallPool].current + out[kLargePool].current;
    sum.allocated = out[kSmallPool].allocated + out[kLargePool].allocated;
    sum.freed = out[kSmallPool].freed + out[kLargePool].freed;
    sum.peak = peaks_[kAggregate].*peak.*field;
  };
  fill(s.allocation, &Usage::count, &Peaks::live, live_, nullptr, total_, total_base_, freed_base_);
  fill(s.allocated_bytes, &Usage::bytes, &Peaks::live, live_, nullptr, total_, total_base_,
       freed_base_);
  fill(s.requested_bytes, &Usage::requested, &Peaks::live, live_, nullptr, total_,
       total_base_, freed_base_);
  fill(s.active, &Usage::count, &Peaks::active, live_, pending_, total_, total_base_,
       active_freed_base_);
  fill(s.active_bytes, &Usage::bytes, &Peaks::active, live_, pending_, total_, total_base_,
       active_freed_base_);
  fill(s.inactive_split, &Usage::count, &Peaks::inactive, inactive_, nullptr,
       inactive_total_, inactive_base_, inactive_freed_base_);
  fill(s.inactive_split_bytes, &Usage::bytes, &Peaks::inactive, inactive_, nullptr,
       inactive_total_, inactive_base_, inactive_freed_base_);
  s.num_alloc_retries = retries_;
  s.num_ooms = ooms_;
  s.num_sync_all_streams = syncs_;
  s.num_device_alloc = source_allocs_;
  s.num_device_free = source_frees_;
  return s;
}

std::pair<int64_t, int64_t> BlockPool::allocated_and_reserved() {
  std::lock_guard<SpinMutex> lock(mutex_);
  return {live_[0].bytes + live_[1].bytes, reserved_[kAggregate].current};
}

void BlockPool::reset_peaks() {
  std::lock_guard<SpinMutex> lock(mutex_);
  for (Peaks& peaks : peaks_) peaks = {};
  raise_peaks();
  for (int type = 0; type < kStatTypes; ++type) {
    segments_[type].peak = segments_[type].current;
    reserved_[type].peak = reserved_[type].current;
  }
}

void BlockPool::reset_totals() {
  std::lock_guard<SpinMutex> lock(mutex_);
  auto minus = [](const Usage& a, const Usage& b) {
    return Usage{a.count - b.count, a.bytes - b.bytes, a.requested - b.requested};
  };
  for (int pool = 0; pool < 2; ++pool) {
    total_base_[pool] = total_[pool];
    freed_base_[pool] = minus(total_[pool], live_[pool]);
    active_freed_base_[pool] = minus(freed_base_[pool], pending_[pool]);
    inactive_base_[pool] = inactive_total_[pool];
    inactive_freed_base_[pool] = minus(inactive_total_[pool], inactive_[pool]);
  }
  for (int type = 0; type < kStatTypes; ++type)
    for (Stat* stat : {&segments_[type], &reserved_[type]}) stat->allocated = stat->freed = 0;
  retries_ = ooms_ = syncs_ = source_allocs_ = source_frees_ = 0;
}

void BlockPool::count_oom() {
  std::lock_guard<SpinMutex> lock(mutex_);
  ++ooms_;
}

void BlockPool::count_sync() {
  std::lock_guard<SpinMutex> lock(mutex_);
  ++syncs_;
}

std::vector<SegmentSnapshot> BlockPool::snapshot(int device) {
  std::lock_guard<SpinMutex> lock(mutex_);
  std::vector<SegmentSnapshot> segments;
  for (const auto& [address, segment] : by_address_) {
    SegmentSnapshot s{};
    s.device = device;
    s.address = reinterpret_cast<size_t>(address);
    s.total_size = segment->size;
    s.stream = segment->arena->stream;
    s.is_large = segment->large;
    for (const Block* b = segment->first; b; b = b->next) {
      const bool used = b->state == Block::Allocated, waits = b->state == Block::Pending;
      if (used) s.allocated_size += b->size;
      if (used || waits) s.active_size += b->size;
      s.blocks.push_back({reinterpret_cast<size_t>(b->data), b->size,
                          used || waits ? b->requested : 0,
                          used    ? BlockSnapshot::Allocated
                          : waits ? BlockSnapshot::PendingFree
                                  : BlockSnapshot::Free});
    }
    segments.push_back(std::move(s));
  }
  return segments;
}

bool BlockPool::in_use(const void* ptr) {
  std::lock_guard<SpinMutex> lock(mutex_);
  char* p = static_cast<char*>(const_cast<void*>(ptr));
  auto after = by_address_.upper_bound(p);
  if (after == by_address_.begin()) return false;
  const Segment* segment = std::prev(after)->second;
  for (const Block* b = segment->first; b; b = b->next)
    if (p >= b->data && p < b->data + b->size) return b->state == Block::Allocated;
  return false;
}

} // namespace xpu_lite
