#pragma once

// Note [Primitives on the caller's thread]
// oneDNN's CPU engine hands a primitive to SYCL as a host task: a thread of SYCL's is
// woken for it, and the caller, who waits on CPU devices (Note [Primitives on CPU
// devices]), is woken at its end. That costs 50 us, more than many primitives. So
// libdnnl's one call of handler::SetHostTask(std::function<void()>) is led here: while
// a thread captures, its task is kept instead of queued, and the caller runs it. Other
// threads, and other users of libdnnl in the process, see no difference. Where libdnnl
// has no such call (another build), nothing is captured and the task is queued.

#include <functional>

namespace xpu_lite::xpu::onednn {

// Whether submissions to libdnnl can be captured in this process; asked for once.
bool can_capture();

// The host task that `submit` would have queued; empty if it queued none.
std::function<void()> captured_task(const std::function<void()>& submit);

} // namespace xpu_lite::xpu::onednn
