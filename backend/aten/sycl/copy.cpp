#include "backend/aten/sycl/copy.h"

#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/_local_scalar_dense.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/core/layouts.h"
#include "backend/aten/core/storage.h"
#include "backend/aten/ops/copy.h"
#include "backend/aten/sycl/copy_kernel.h"
#include "backend/aten/sycl/run.h"
#include "backend/runtime/allocator.h"
#include "backend/runtime/event.h"

namespace xpu_lite::aten::sycl {
namespace {

bool on_device(const at::Tensor& t) { return t.device().type() == kDevice; }

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.is_conj() == b.is_conj() && a.is_neg() == b.is_neg();
}

// One copy of bytes serves.
bool is_plain(const at::Tensor& src, const at::Tensor& dst) {
  return src.scalar_type() == dst.scalar_type() && src.sizes() == dst.sizes() &&
      src.strides() == dst.strides() && src.is_non_overlapping_and_dense() && same_bits(src, dst);
}

void copy_bytes_async(const char* name, Stream& stream, const at::Tensor& dst,
                      const at::Tensor& src) {
  const size_t bytes = dst.nbytes();
  if (bytes == 0) return;
  note_route(1, "copy_");
  KernelSpan span(name, stream, static_cast<int64_t>(bytes), 'c');
  translate([&] {
    xpu::copy_async(stream, dst.mutable_data_ptr(), src.const_data_ptr(), bytes);
  });
}

void copy_on_device(const at::Tensor& src, const at::Tensor& dst) {
  if (dst.numel() == 0) return;
  at::assert_no_internal_overlap(dst);
  if (is_plain(src, dst)) {
    if (src.const_data_ptr() == dst.const_data_ptr()) return;
    at::assert_no_partial_overlap(dst, src);
    copy_bytes_async("copy DtoD", stream_of(dst), dst, src);
    return;
  }
  copy_kernel(src, dst);
}

// The same values, contiguous and without bits to resolve, on the same device.
at::Tensor plain_on_device(const at::Tensor& src) {
  if (src.is_contiguous() && !src.is_conj() && !src.is_neg()) return src;
  at::Tensor tensor = at::empty(src.sizes(), src.options());
  copy_on_device(src, tensor);
  return tensor;
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

// After a copy with the host: may the caller go on before it is done?
void finish(const at::Tensor& host, Stream& stream, bool non_blocking) {
  if (non_blocking && is_pinned(host.const_data_ptr())) {
    keep_pinned(host, stream);
  } else {
    translate([&] { stream.synchronize(); });
  }
}

// The same, for what the host is to read. Programs read it without waiting, and get away with it
// where such a copy is quick (ZeroRedundancyOptimizer does). A CPU device has no other engine
// for copies: nothing is lost by waiting there.
void finish_read(const at::Tensor& host, Stream& stream, bool non_blocking) {
  finish(host, stream, non_blocking && !xpu::limits(stream.device()).is_cpu);
}

void copy_to_device(const at::Tensor& src, const at::Tensor& dst, bool non_blocking) {
  Stream& stream = stream_of(dst);
  if (is_plain(src, dst)) {
    copy_bytes_async("copy HtoD", stream, dst, src);
    finish(src, stream, non_blocking);
    return;
  }
  at::assert_no_internal_overlap(dst);
  // Dense in the order of dst, so that what follows on the device is a plain copy.
  const bool direct = dst.is_non_overlapping_and_dense() && !dst.is_conj() && !dst.is_neg();
  at::Tensor host = direct
      ? at::empty_strided(dst.sizes(), dst.strides(), dst.options().device(c10::kCPU))
      : at::empty(dst.sizes(), dst.options().device(c10::kCPU));
  host.copy_(src);
  at::Tensor target = direct ? dst : at::empty(dst.sizes(), dst.options());
  copy_bytes_async("copy HtoD", stream, target, host);
  translate([&] { stream.synchronize(); });
  if (!direct) copy_on_device(target, dst);
}

void copy_to_host(const at::Tensor& src, const at::Tensor& dst, bool non_blocking) {
  Stream& stream = stream_of(src);
  if (is_plain(src, dst)) {
    copy_bytes_async("copy DtoH", stream, dst, src);
    finish_read(dst, stream, non_blocking);
    return;
  }
  const at::Tensor plain = plain_on_device(src);
  const bool direct = dst.is_contiguous() && dst.scalar_type() == plain.scalar_type() &&
      dst.sizes() == plain.sizes() && !dst.is_conj() && !dst.is_neg();
  if (direct) {
    copy_bytes_async("copy DtoH", stream, dst, plain);
    finish_read(dst, stream, non_blocking);
    return;
  }
  at::Tensor host = at::empty(plain.sizes(), plain.options().device(c10::kCPU));
  copy_bytes_async("copy DtoH", stream, host, plain);
  translate([&] { stream.synchronize(); });
  dst.copy_(host);
}

void copy_between_devices(const at::Tensor& src, const at::Tensor& dst) {
  Stream& from = stream_of(src);
  Stream& to = stream_of(dst);
  const at::Tensor plain = is_plain(src, dst) ? src : plain_on_device(src);
  const bool direct = is_plain(plain, dst);
  at::Tensor target = direct ? dst : at::empty(plain.sizes(), plain.options().device(dst.device()));
  Event ready(false), done(false);
  translate([&] {
    ready.record(to); // nothing that still uses the target is overtaken
    ready.block(from);
  });
  copy_bytes_async("copy DtoD", from, target, plain);
  translate([&] {
    done.record(from);
    done.block(to);
    // Given back to its own stream's pool, it must not be used again before.
    record_stream(allocation_context(target.storage().data_ptr().get_context()), from);
    record_stream(allocation_context(plain.storage().data_ptr().get_context()), from);
  });
  if (!direct) copy_on_device(target, dst);
}

// The other layouts live as CPU tensors over the device's memory.
at::Tensor copy_other_layout(const at::Tensor& src, const at::Tensor& dst) {
  translate([&] { stream_of(on_device(dst) ? dst : src).synchronize(); });
  at::Tensor target = to_cpu_any_layout(dst);
  target.copy_(to_cpu_any_layout(src));
  return dst;
}

} // namespace

at::Tensor copy_from(const at::Tensor& src, const at::Tensor& dst, bool non_blocking) {
  if (src.is_same(dst)) return dst;
  if (!is_plain_dense(src) || !is_plain_dense(dst)) return copy_other_layout(src, dst);
  TORCH_CHECK_NOT_IMPLEMENTED(!src.device().is_meta(), "Cannot copy out of meta tensor; no data!");
  if (dst.device().is_meta()) return dst;
  TORCH_CHECK((on_device(src) || src.device().is_cpu()) && (on_device(dst) || dst.device().is_cpu()),
              "copy_: cannot copy from ", src.device(), " to ", dst.device());
  if (src._is_zerotensor()) {
    at::Tensor(dst).zero_();
    return dst;
  }
  const at::Tensor from =
      src.sizes() == dst.sizes() ? src : *at::expand_inplace(dst, src, "copy_");
  if (dst.numel() == 0) return dst;
  if (on_device(src) && on_device(dst)) {
    if (src.device() == dst.device()) {
      copy_on_device(from, dst);
    } else {
      copy_between_devices(from, dst);
    }
  } else if (on_device(dst)) {
    copy_to_device(from, dst, non_blocking);
  } else {
    copy_to_host(from, dst, non_blocking);
  }
  return dst;
}

at::Scalar local_scalar_dense(const at::Tensor& self) {
  at::Tensor host = at::empty({}, self.options().device(c10::kCPU));
  copy_from(self.dim() == 0 ? self : self.reshape({}), host, false);
  return at::_local_scalar_dense(host);
}

} // namespace xpu_lite::aten::sycl
