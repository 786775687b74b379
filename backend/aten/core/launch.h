#pragma once

// How a kernel of ours (route 1) runs in the order of the current stream.

#include <initializer_list>

#include <ATen/core/Tensor.h>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/routes.h"
#include "backend/aten/profiler/span.h"
#include "backend/runtime/stream.h"

namespace xpu_lite::aten {

// The current stream of the device of `tensor`.
Stream& stream_of(const at::Tensor& tensor);

// Out of line: queues `body` on `stream`; `keep` is alive until it has run.
void launch_queued(const char* name, Stream& stream, std::vector<at::Tensor> keep,
                   std::function<void()> body);

// Runs body() in the order of the current stream of `keep`'s first tensor: at
// once when that stream is idle and inline, else on its worker. `name` must be a
// string literal. The body may touch raw pointers of the tensors in `keep` (all
// tensors it reads or writes must be there) and nothing else that can die; it
// must not call the dispatcher or allocate tensors. All checks and all outputs
// are made before.
template <class Body>
void launch(const char* name, std::initializer_list<at::Tensor> keep, Body&& body) {
  Stream& stream = stream_of(*keep.begin());
  note_route(1, name);
  if (C10_LIKELY(stream.runs_inline())) {
    KernelSpan span(name, stream);
    body();
    return;
  }
  launch_queued(name, stream, std::vector<at::Tensor>(keep), std::forward<Body>(body));
}
template <class Body>
void launch(const char* name, std::vector<at::Tensor> keep, Body&& body) {
  Stream& stream = stream_of(keep.front());
  note_route(1, name);
  if (C10_LIKELY(stream.runs_inline())) {
    KernelSpan span(name, stream);
    body();
    return;
  }
  launch_queued(name, stream, std::move(keep), std::forward<Body>(body));
}

} // namespace xpu_lite::aten
