#pragma once

// How a collective of ProcessGroupXpuLite becomes a job: included by the files
// that define its members, by nobody else.

#include <ATen/core/LegacyTypeDispatch.h>

#include "backend/ccl/c10d/host_view.h"
#include "backend/ccl/c10d/process_group.h"
#include "backend/runtime/blocking.h"
#include "backend/runtime/event.h"
#include "backend/runtime/stream.h"

namespace xpu_lite::ccl {

struct ProcessGroupXpuLite::CallInfo {
  const char* op; // "all_reduce", for messages
  const char* title; // of the profiler: "xpulite:all_reduce"
  Collective kind;
  OpType type;
  std::chrono::milliseconds timeout;
  bool async;
};

template <class Body>
struct CollectiveJob final : Job {
  CollectiveJob(c10::intrusive_ptr<WorkXpuLite> w, Call c, std::chrono::milliseconds t,
                std::shared_ptr<std::atomic<uint64_t>> n, Body b)
      : work(std::move(w)), call(c), timeout(t), executed(std::move(n)), body(std::move(b)) {}
  void prepare() override {
    if (ready) ready->wait();
  }
  void run() noexcept override {
    work->mark_start();
    call.deadline = Clock::now() + timeout;
    // What ranks compare is the order of execution: a callback's collective runs
    // before those that this rank, and perhaps not another, has queued already.
    call.sequence = ++*executed;
    try {
      // The job writes into tensors as kernels do: no autograd, no view tracking.
      at::AutoDispatchBelowADInplaceOrView below_autograd;
      (*body)(call);
    } catch (...) {
      error = to_torch_error(std::current_exception());
    }
    body.reset(); // its tensors go before anybody is told that it is done
  }
  void publish() noexcept override { work->end(error); }
  void call_back() noexcept override {
    work->call_back();
    if (after) after(*work);
  }
  bool done() const noexcept override { return work->ended(); }

  c10::intrusive_ptr<WorkXpuLite> work;
  Call call;
  std::chrono::milliseconds timeout;
  std::shared_ptr<std::atomic<uint64_t>> executed;
  std::optional<Body> body;
  std::shared_ptr<Event> ready;
  std::exception_ptr error;
  std::function<void(const WorkXpuLite&)> after;
};

// The mark after which the caller's stream has produced `tensors`; null where that
// is now.
std::shared_ptr<Event> ready_event(const std::vector<at::Tensor>& tensors);

// True where the caller's stream runs its work on the calling thread.
bool host_waits_on(c10::Device device);

template <class Body>
c10::intrusive_ptr<c10d::Work> ProcessGroupXpuLite::run(const CallInfo& info, Tensors inputs,
                                                        Tensors outputs, Body body) {
  check_usable(info.op);
  const c10::Device device = !outputs.empty() ? outputs.front().device()
      : !inputs.empty()                       ? inputs.front().device()
                                              : c10::Device(c10::kCPU);
  std::shared_ptr<Event> ready = ready_event(inputs);
  if (!ready) ready = ready_event(outputs);
  const auto timeout = timeout_of(info.timeout);
  // Not on a side stream, even an idle one: there the stream waits, and not the host.
  const bool inline_wanted = !info.async && !coalescing_ && host_waits_on(device);

  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t sequence = ++sequence_;
  auto work = c10::make_intrusive<WorkXpuLite>(rank_, info.type, info.title, std::move(inputs),
                                               std::move(outputs), sequence, device);
  using J = CollectiveJob<Body>;
  const Call call = make_call(info.kind, sequence, timeout);
  auto add_hook = [&](J& job) {
    if (onCompletionHook_)
      job.after = [this, type = info.type](const WorkXpuLite& w) { finish_hook(w, type); };
  };
  auto enqueue = [&](std::shared_ptr<J> job) {
    job->ready = std::move(ready);
    add_hook(*job);
    // The queue keeps the job, and the job the work: the work must not keep the job.
    work->help = [queue = std::weak_ptr<CommQueue>(queue_), weak = std::weak_ptr<Job>(job)](
                     Deadline deadline) {
      auto q = queue.lock();
      auto j = weak.lock();
      return q && j && q->help(*j, deadline);
    };
    work->on_abort = [transport = std::weak_ptr<Transport>(transport_), op = info.op, sequence] {
      if (auto t = transport.lock())
        t->abort(message("abort() was called on the work of ", op, ", sequence number ", sequence));
    };
    queue_->submit(std::move(job));
    if (coalescing_) coalesced_.push_back(work);
  };
  if (inline_wanted) {
    J job(work, call, timeout, executed_, std::move(body));
    add_hook(job);
    lock.unlock();
    {
      BlockingScope blocking;
      if (queue_->try_run_here(job)) return work;
    }
    lock.lock();
    enqueue(std::make_shared<J>(work, call, timeout, executed_, std::move(*job.body)));
    return work;
  }
  enqueue(std::make_shared<J>(work, call, timeout, executed_, std::move(body)));
  return work;
}

} // namespace xpu_lite::ccl
