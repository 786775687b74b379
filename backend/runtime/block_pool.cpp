#include "backend/runtime/block_pool.h"

#include <algorithm>
#include <utility>

namespace xpu_lite {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kPage = 4096;
constexpr size_t kSegmentUnit = 2 * kMiB;  // a huge page
constexpr size_t kLargestShared = 20 * kMiB; // of a segment for several blocks
constexpr size_t kExactFrom = 4 * kMiB; // larger requests get their own segment
constexpr size_t kLargeRemainder = 256 * 1024; // less is not worth a block
constexpr size_t kLargestRequest = size_t{1} << 46;
// Reserved may exceed the most ever in use by this share before free segments are
// given back to make room for a new one. Each time that happens the share grows: a loop
// whose sizes do not fit each other's segments would map and touch fresh memory at every
// turn, which costs more than what it computes there.
constexpr double kMostSlack = 1.25, kSlackStep = 1.0 / 128;
constexpr size_t kSlackBytes = 4 * kMiB; // and by this many for small programs
constexpr size_t kLeastShare = 4; // a request takes at least 1/4 of a big segment

size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

size_t list_of(size_t size) {
  return (size / kPage * size_t{0x9e3779b97f4a7c15}) >> 58;
}

void raise(Stat& stat, int64_t amount) {
  stat.current += amount;
  stat.peak = std::max(stat.peak, stat.current);
  stat.allocated += amount;
}

void lower(Stat& stat, int64_t amount) {
  stat.current -= amount;
  stat.freed += amount;
}

} // namespace

BlockPool::BlockPool(MemorySource& source, bool caching)
    : source_(source), caching_(caching) {}

BlockPool::~BlockPool() {
  for (auto& [address, segment] : by_address_) {
    source_.free_segment(segment->data, segment->size);
    delete segment;
  }
}

Arena& BlockPool::arena(int64_t stream) {
  std::lock_guard<SpinMutex> lock(mutex_);
  auto& slot = arenas_[stream];
  if (!slot) {
    slot = std::make_unique<Arena>();
    slot->pool = this;
    slot->stream = stream;
  }
  return *slot;
}

Block* BlockPool::new_block() {
  if (!spare_) {
    constexpr size_t kSlab = 256;
    slabs_.push_back(std::make_unique<Block[]>(kSlab));
    for (size_t i = 0; i < kSlab; ++i) {
      slabs_.back()[i].list_next = spare_;
      spare_ = &slabs_.back()[i];
    }
  }
  Block* block = spare_;
  spare_ = block->list_next;
  *block = Block{};
  return block;
}

void BlockPool::drop_block(Block* block) noexcept {
  block->list_next = spare_;
  spare_ = block;
}

Block* BlockPool::allocate_small(Arena& arena, size_t bytes, size_t size) {
  Block* block = take_fit(arena, false, size, Fit::Fair);
  if (!block) {
    flush(arena, false);
    block = take_fit(arena, false, size, Fit::Fair);
  }
  if (!block) block = grow(arena, false, size);
  if (block) hand_out(block, bytes);
  return block;
}

Block* BlockPool::allocate_large(Arena& arena, size_t bytes) {
  if (bytes > kLargestRequest) return nullptr;
  const size_t size = round_up(bytes, kPage);
  std::lock_guard<SpinMutex> lock(mutex_);
  Block*& list = arena.large_lists[list_of(size)];
  Block* block = list;
  if (block && block->size == size) {
    list = block->list_next;
  } else {
    // Cutting a block while parts of a better one lie unmerged on lists would
    // scatter large memory, so the lists are emptied first.
    block = take_fit(arena, true, size, Fit::Exact);
    if (!block) {
      flush(arena, true);
      block = take_fit(arena, true, size, Fit::Fair);
    }
    if (!block) block = grow(arena, true, size);
    if (!block) block = take_fit(arena, true, size, Fit::Any);
  }
  if (block) hand_out(block, bytes);
  return block;
}

// The best fit that may serve `size`. The block is out of its tree but still
// counts as inactive, as one from a list does: hand_out() takes it off.
Block* BlockPool::take_fit(Arena& arena, bool large, size_t size, Fit fit) {
  BlockTree& tree = arena.trees[large];
  for (auto found = tree.lower_bound(size); found != tree.end(); ++found) {
    Block* block = *found;
    if (fit == Fit::Exact && block->size != size) return nullptr;
    // A small tensor that outlives its neighbours would pin the segment of a big
    // one, which could never be used for such a big one again, nor given back.
    if (fit == Fit::Fair && block->segment->size > kLargestShared &&
        size < block->segment->size / kLeastShare)
      continue;
    tree.erase(found);
    return split(block, size);
  }
  return nullptr;
}

Block* BlockPool::split(Block* block, size_t size) {
  const size_t rest = block->size - size;
  if (rest < (block->large ? kLargeRemainder : Arena::kUnit)) return block;
  count_inactive(block, -1);
  Block* tail = new_block();
  tail->data = block->data + size;
  tail->size = rest;
  tail->arena = block->arena;
  tail->segment = block->segment;
  tail->large = block->large;
  tail->state = Block::Free;
  tail->prev = block;
  tail->next = block->next;
  if (tail->next) tail->next->prev = tail;
  block->next = tail;
  block->size = size;
  block->arena->trees[block->large].insert(tail);
  count_inactive(tail, +1);
  count_inactive(block, +1);
  return block;
}

void BlockPool::keep_slow(Block* block) noexcept {
  if (!caching_) {
    // Segments are then as large as their one block.
    block->list_next = nullptr;
    release_segment(block);
    return;
  }
  Block*& list = block->arena->large_lists[list_of(block->size)];
  if (list && list->size != block->size) flush_list(list);
  block->state = Block::Cached;
  block->list_next = list;
  list = block;
  count_inactive(block, +1);
}

void BlockPool::flush_list(Block*& list) noexcept {
  Block* block = std::exchange(list, nullptr);
  while (block) {
    Block* next = block->list_next;
    merge(block);
    block = next;
  }
}

void BlockPool::flush(Arena& arena, bool large) noexcept {
  if (large) {
    for (Block*& list : arena.large_lists) flush_list(list);
  } else {
    for (Block*& list : arena.small) flush_list(list);
  }
}

// Into the tree, as one block with its free neighbours. Neighbours on lists are
// merged when their own turn comes.
void BlockPool::merge(Block* block) noexcept {
  count_inactive(block, -1);
  if (block->prev && block->prev->state == Block::Free)
    block = absorb(block->prev, block, block->prev);
  if (block->next && block->next->state == Block::Free)
    block = absorb(block, block->next, block->next);
  block->state = Block::Free;
  block->list_next = nullptr;
  if (!block->prev && !block->next) block->segment->freed_at = ++clock_;
  block->arena->trees[block->large].insert(block);
  count_inactive(block, +1);
}

// Joins two neighbours; `in_tree` is the one of them that the tree holds.
Block* BlockPool::absorb(Block* left, Block* right, Block* in_tree) noexcept {
  left->arena->trees[left->large].erase(in_tree);
  count_inactive(in_tree, -1);
  left->size += right->size;
  left->next = right->next;
  if (left->next) left->next->prev = left;
  drop_block(right);
  return left;
}

size_t BlockPool::segment_size(bool large, size_t size) const {
  if (!caching_) return size;
  if (size >= kExactFrom) return size;
  // Segments for several blocks grow with what is held: a small program does not
  // reserve much more than it uses, a large one does not ask often.
  const size_t share = static_cast<size_t>(reserved_[kAggregate].current) / 16;
  const size_t wanted = std::clamp(share, kSegmentUnit, kLargestShared);
  return round_up(std::max(size, wanted), kSegmentUnit);
}

Block* BlockPool::grow(Arena& arena, bool large, size_t size) {
  size_t bytes = segment_size(large, size);
  auto reserved = [&] { return static_cast<size_t>(reserved_[kAggregate].current); };
  const int64_t in_use = live_[0].bytes + live_[1].bytes + pending_[0].bytes +
                         pending_[1].bytes + static_cast<int64_t>(size);
  high_water_ = std::max(high_water_, in_use);
  const size_t budget =
      std::max(static_cast<size_t>(static_cast<double>(high_water_) * slack_),
               static_cast<size_t>(high_water_) + kSlackBytes);
  if (reserved() + bytes > budget && release_oldest(reserved() + bytes - budget) > 0) {
    slack_ = std::min(kMostSlack, slack_ + kSlackStep);
  }
  // A limit leaves room for the request, perhaps not for the whole segment.
  const size_t least = caching_ ? round_up(size, kPage) : bytes;
  bool retried = false;
  if (reserved() > limit_ || bytes > limit_ - reserved()) {
    const size_t room = limit_ > reserved() ? limit_ - reserved() : 0;
    if (least > room) {
      retried = release_oldest(least - room) > 0;
      if (reserved() > limit_ || least > limit_ - reserved()) return nullptr;
    }
    bytes = std::clamp((limit_ - reserved()) / kPage * kPage, least, bytes);
  }
  void* data = source_.allocate_segment(bytes);
  if (!data) {
    retried |= release_oldest(0) > 0;
    bytes = least;
    data = source_.allocate_segment(bytes);
  }
  retries_ += retried;
  if (!data) return nullptr;
  ++source_allocs_;
  auto* segment = new Segment;
  segment->data = static_cast<char*>(data);
  segment->size = bytes;
  segment->arena = &arena;
  segment->large = large;
  Block* block = new_block();
  block->data = segment->data;
  block->size = bytes;
  block->arena = &arena;
  block->segment = segment;
  block->large = large;
  block->state = Block::Free;
  segment->first = block;
  by_address_[segment->data] = segment;
  for (StatType type : {kAggregate, large ? kLargePool : kSmallPool}) {
    raise(segments_[type], 1);
    raise(reserved_[type], static_cast<int64_t>(bytes));
  }
  return split(block, size);
}

void BlockPool::release_segment(Block* whole) noexcept {
  Segment* segment = whole->segment;
  by_address_.erase(segment->data);
  for (StatType type : {kAggregate, whole->large ? kLargePool : kSmallPool}) {
    lower(segments_[type], 1);
    lower(reserved_[type], static_cast<int64_t>(segment->size));
  }
  ++source_frees_;
  source_.free_segment(segment->data, segment->size);
  drop_block(whole);
  delete segment;
}

size_t BlockPool::release_oldest(size_t enough) noexcept {
  std::vector<Block*> whole;
  for (auto& [stream, arena] : arenas_) {
    for (bool large : {false, true}) {
      flush(*arena, large);
      for (Block* block : arena->trees[large])
        if (!block->prev && !block->next) whole.push_back(block);
    }
  }
  std::sort(whole.begin(), whole.end(), [](const Block* a, const Block* b) {
    return a->segment->freed_at < b->segment->freed_at;
  });
  size_t released = 0;
  for (Block* block : whole) {
    if (enough && released >= enough) break;
    released += block->size;
    block->arena->trees[block->large].erase(block);
    release_segment(block);
  }
  return released;
}

void BlockPool::free_later(Block* block) noexcept {
  std::lock_guard<SpinMutex> lock(mutex_);
  count_free(block);
  block->state = Block::Pending;
  pending_[block->large].count += 1;
  pending_[block->large].bytes += block->size;
}

void BlockPool::free_pending(Block* block) noexcept {
  std::lock_guard<SpinMutex> lock(mutex_);
  pending_[block->large].count -= 1;
  pending_[block->large].bytes -= block->size;
  keep(block);
}

size_t BlockPool::release_free() {
  std::lock_guard<SpinMutex> lock(mutex_);
  return release_oldest(0);
}

void BlockPool::set_limit(size_t bytes) {
  std::lock_guard<SpinMutex> lock(mutex_);
  limit_ = bytes;
}

} // namespace xpu_lite
