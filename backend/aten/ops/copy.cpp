#include "backend/aten/ops/copy.h"

#include <cstring>

#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/ops/_copy_from.h>
#include <ATen/ops/copy_ops.h>

#include "backend/aten/core/alias.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/layouts.h"
#include "backend/aten/core/storage.h"
#include "backend/aten/core/write_watch.h"
#include "backend/runtime/device.h"
#include "backend/runtime/event.h"

namespace xpu_lite::aten {
namespace {

bool on_device(const at::Tensor& t) {
  return t.device().type() == kDevice;
}

// Same dtype, both dense in the same order, no bits to resolve: one memcpy.
bool is_plain(const at::Tensor& src, const at::Tensor& dst) {
  return src.scalar_type() == dst.scalar_type() && src.sizes() == dst.sizes() &&
      src.strides() == dst.strides() && src.is_non_overlapping_and_dense() &&
      src.is_conj() == dst.is_conj() && src.is_neg() == dst.is_neg() && !src._is_zerotensor();
}

// The CPU's copy raises for memory that is read and written at different places.
bool overlap_partially(const at::Tensor& src, const at::Tensor& dst) {
  return src.storage().unsafeGetStorageImpl() == dst.storage().unsafeGetStorageImpl() &&
      at::get_overlap_status(src, dst) == at::MemOverlapStatus::Partial;
}

// Can it fail? A queued copy would tell its caller too late.
bool sure_to_succeed(const at::Tensor& src, const at::Tensor& dst) {
  return at::is_expandable_to(src.sizes(), dst.sizes()) && !overlap_partially(src, dst) &&
      at::has_internal_overlap(dst) != at::MemOverlap::Yes;
}

// Below this, one core fills the memory bus about as well as OpenMP would after
// waking its team.
constexpr size_t kSmallCopy = 1 << 18;

void run_copy(const at::Tensor& src, const at::Tensor& dst, const Stream& stream) {
  const bool plain = is_plain(src, dst);
  KernelSpan span(!on_device(src)   ? "copy HtoD"
                  : !on_device(dst) ? "copy DtoH"
                                    : "copy DtoD",
                  stream, static_cast<int64_t>(dst.nbytes()), 'c');
  if (plain && dst.nbytes() <= kSmallCopy && !overlap_partially(src, dst)) {
    if (dst.numel() != 0 && src.const_data_ptr() != dst.const_data_ptr()) {
      std::memmove(dst.mutable_data_ptr(), src.const_data_ptr(), dst.nbytes());
    }
    return;
  }
  AliasFrame frame("copy_");
  frame.allow_cpu_tensors();
  const int to = on_device(dst) ? frame.add(dst, true) : AliasFrame::kAsIs;
  const bool aliased = on_device(src) && (to < 0 || src.device() == dst.device());
  const int from = aliased ? frame.add(src) : AliasFrame::kAsIs;
  const at::Tensor peer = on_device(src) && !aliased ? cpu_alias(src) : at::Tensor();
  at::Tensor target = to < 0 ? dst : frame.at(to);
  OpScope scope(stream.device(), const_cast<Stream&>(stream));
  at::_ops::copy_::redispatch(c10::DispatchKeySet(c10::DispatchKey::CPU), target,
                              peer.defined() ? peer : from < 0 ? src : frame.at(from), false);
}

// Tells the pinned allocator that `stream` uses the block of `host`.
void keep_pinned(const at::Tensor& host, const Stream& stream) {
  const auto& memory = host.storage().data_ptr();
  at::getHostAllocator(kDevice)->record_event(
      memory.get(), memory.get_context(),
      c10::Stream(c10::Stream::UNSAFE,
                  c10::Device(kDevice, static_cast<c10::DeviceIndex>(stream.device())),
                  stream.id()));
}

void queue_copy(const at::Tensor& src, const at::Tensor& dst, Stream& stream) {
  // Noted now: who comes next must not take what is kept of the old values.
  if (on_device(dst)) about_to_write(dst);
  // Tensors without a Python object, see launch_queued().
  const at::Tensor from = src.detach(), to = dst.detach();
  translate([&] {
    stream.launch("copy_", [from, to, &stream, correlation = current_correlation()] {
      CorrelationScope scope(correlation);
      run_copy(from, to, stream);
    });
  });
}

void copy_between_devices(const at::Tensor& src, const at::Tensor& dst, bool non_blocking) {
  Stream& from = current_stream(src.device().index());
  Stream& to = current_stream(dst.device().index());
  if (from.runs_inline() && to.runs_inline()) {
    run_copy(src, dst, from);
    return;
  }
  translate([&] {
    Event ready(false), done(false);
    ready.record(to); // nothing that still uses dst is overtaken
    ready.block(from);
    queue_copy(src, dst, from);
    done.record(from);
    done.block(to);
    if (!non_blocking) from.synchronize();
  });
}

// Quantized and sparse tensors: the CPU's copy on their aliases, now.
at::Tensor copy_other_layout(const at::Tensor& src, const at::Tensor& dst) {
  const at::Tensor& ours = on_device(dst) ? dst : src;
  Stream& stream = current_stream(ours.device().index());
  if (!stream.runs_inline()) translate([&] { stream.synchronize(); });
  about_to_write(dst);
  at::Tensor target = to_cpu_any_layout(dst);
  OpScope scope(stream.device(), stream);
  target.copy_(to_cpu_any_layout(src));
  return dst;
}

} // namespace

at::Tensor copy_from(const at::Tensor& src, const at::Tensor& dst, bool non_blocking) {
  if (src.is_same(dst)) return dst;
  if (!is_plain_dense(src) || !is_plain_dense(dst)) return copy_other_layout(src, dst);
  if (src.device().is_meta() || dst.device().is_meta()) {
    TORCH_CHECK_NOT_IMPLEMENTED(!src.device().is_meta(), "Cannot copy out of meta tensor; no data!");
    return dst;
  }
  TORCH_CHECK((on_device(src) || src.device().is_cpu()) && (on_device(dst) || dst.device().is_cpu()),
              "copy_: cannot copy from ", src.device(), " to ", dst.device());
  if (on_device(src) && on_device(dst) && src.device() != dst.device()) {
    copy_between_devices(src, dst, non_blocking);
    return dst;
  }
  Stream& stream = current_stream(on_device(dst) ? dst.device().index() : src.device().index());
  if (C10_LIKELY(stream.runs_inline())) {
    run_copy(src, dst, stream);
    return dst;
  }
  const bool both = on_device(src) && on_device(dst);
  const at::Tensor& host = on_device(src) ? dst : src;
  if ((both || (non_blocking && is_pinned(host.const_data_ptr()))) && sure_to_succeed(src, dst)) {
    if (!both) keep_pinned(host, stream);
    queue_copy(src, dst, stream);
    return dst;
  }
  // Pageable host memory may change as soon as we return; errors are for now.
  translate([&] { stream.synchronize(); });
  run_copy(src, dst, stream);
  return dst;
}

at::Tensor copy_from_and_resize(const at::Tensor& src, const at::Tensor& dst) {
  TORCH_CHECK(src.defined() && dst.defined(), "_copy_from_and_resize: undefined tensor");
  dst.resize_(src.sizes());
  return at::_copy_from(src, dst, false);
}

} // namespace xpu_lite::aten
