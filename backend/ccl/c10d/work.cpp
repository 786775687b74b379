#include "backend/ccl/c10d/work.h"

#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>
#include <c10/util/Exception.h>

#include "backend/runtime/blocking.h"
#include "backend/runtime/stream.h"

namespace xpu_lite::ccl {

std::exception_ptr to_torch_error(std::exception_ptr error) noexcept {
  if (!error) return error;
  try {
    try {
      std::rethrow_exception(error);
    } catch (const TimeoutError& e) {
      C10_THROW_ERROR(DistBackendError, message(e.what(), "; see the timeout of "
                      "init_process_group and new_group"));
    } catch (const PeerError& e) {
      C10_THROW_ERROR(DistBackendError, e.what());
    } catch (const OutOfMemoryError& e) {
      C10_THROW_ERROR(OutOfMemoryError, e.what());
    } catch (const ValueError& e) {
      C10_THROW_ERROR(ValueError, e.what());
    } catch (const Error& e) {
      C10_THROW_ERROR(DistBackendError, e.what());
    }
  } catch (...) {
    return std::current_exception();
  }
}

WorkXpuLite::WorkXpuLite(int rank, OpType type, const char* title,
                         std::vector<at::Tensor> inputs, std::vector<at::Tensor> outputs,
                         uint64_t sequence, c10::Device device)
    // The base makes a profiler's record, of a kilobyte, whenever it gets a title.
    : Work(rank, type, at::hasCallbacks() ? title : nullptr,
           inputs.empty() ? std::nullopt : std::make_optional(std::move(inputs))),
      outputs_(std::move(outputs)),
      sequence_(sequence),
      device_(device) {}

void WorkXpuLite::end(std::exception_ptr error) noexcept {
  end_ = Clock::now();
  if (start_ == Clock::time_point{}) start_ = end_;
  try {
    finish(error); // of the base: wakes waiters, ends the profiler's record
  } catch (...) {
    // The profiler's callback failed; the collective did not.
  }
  std::lock_guard<std::mutex> lock(mutex_);
  futures_wait_ = future_ || result_future_;
  ended_.store(true, std::memory_order_release);
}

void WorkXpuLite::call_back() noexcept {
  if (!futures_wait_) return; // those made later were complete at once
  c10::intrusive_ptr<c10::ivalue::Future> future, result_future;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (future_ && !future_->completed()) future = future_;
    if (result_future_ && !result_future_->completed()) result_future = result_future_;
  }
  try {
    if (future) {
      if (exception_) future->setErrorIfNeeded(exception_);
      else future->markCompleted(c10::IValue(outputs_));
    }
    if (result_future) result_future->markCompleted(c10::IValue(static_cast<int64_t>(outcome())));
  } catch (...) {
    // A callback of the user's failed; its own future carries that.
  }
}

bool WorkXpuLite::isCompleted() { return ended(); }

bool WorkXpuLite::isSuccess() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return completed_ && !exception_;
}

int WorkXpuLite::sourceRank() const {
  TORCH_CHECK(source_ >= 0,
              "sourceRank() is of receives only, and known once they are complete");
  return source_;
}

std::vector<at::Tensor> WorkXpuLite::result() {
  TORCH_CHECK(ended(), "result() of a collective that is not complete: call wait() first");
  return outputs_;
}

c10d::WorkResult WorkXpuLite::outcome() const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!exception_) return c10d::WorkResult::SUCCESS;
  try {
    std::rethrow_exception(exception_);
  } catch (const std::exception& e) {
    return std::string(e.what()).find("timed out") != std::string::npos
        ? c10d::WorkResult::TIMEOUT
        : c10d::WorkResult::COMM_ERROR;
  } catch (...) {
    return c10d::WorkResult::UNKNOWN;
  }
}

bool WorkXpuLite::block(Deadline deadline) {
  if (ended()) return true;
  BlockingScope blocking;
  if (help && help(deadline)) return true;
  std::unique_lock<std::mutex> lock(mutex_);
  auto is_done = [&] { return completed_; };
  if (deadline == Deadline::max()) {
    cv_.wait(lock, is_done);
    return true;
  }
  return cv_.wait_until(lock, deadline, is_done);
}

void WorkXpuLite::throw_timeout(std::chrono::milliseconds timeout) {
  TORCH_CHECK_WITH(DistBackendError, false, "wait(): ", c10d::opTypeToString(opType_),
                   ", sequence number ", sequence_, ", timed out: not complete after ",
                   timeout.count(), " ms");
}

bool WorkXpuLite::wait(std::chrono::milliseconds timeout) {
  if (!ended()) {
    if (device_.type() == c10::DeviceType::PrivateUse1 && timeout == kNoTimeout) {
      // On the default stream the host waits, and gets the error, also where that stream is
      // a queue of the device; on a side stream the stream waits.
      Stream& stream = current_stream(device_.index());
      if (stream.id() != 0 && !stream.runs_inline() && Stream::of_worker() != &stream) {
        blockCurrentStream();
        return true;
      }
    }
    const Deadline deadline =
        timeout == kNoTimeout ? Deadline::max() : Clock::now() + timeout;
    if (!block(deadline)) throw_timeout(timeout);
  }
  std::exception_ptr error = exception();
  if (error) std::rethrow_exception(error);
  return true;
}

void WorkXpuLite::synchronize() { wait(kNoTimeout); }

void WorkXpuLite::blockCurrentStream() {
  if (ended()) return;
  TORCH_CHECK(device_.type() == c10::DeviceType::PrivateUse1,
              "block_current_stream() needs tensors on xpu_lite; these are on ", device_);
  auto self = c10::intrusive_ptr<WorkXpuLite>::reclaim_copy(this);
  current_stream(device_.index()).launch("wait for a collective", [self] {
    self->block(Deadline::max());
    if (std::exception_ptr error = self->exception()) std::rethrow_exception(error);
  });
}

void WorkXpuLite::abort() {
  if (on_abort) on_abort();
}

c10::intrusive_ptr<c10::ivalue::Future> WorkXpuLite::getFuture() {
  // Made on demand: few callers ask, and it costs as much as a small collective.
  std::unique_lock<std::mutex> lock(mutex_);
  if (!future_) {
    // Without devices: it is complete when the data is there, so its callbacks
    // need no stream to order them.
    future_ = c10::make_intrusive<c10::ivalue::Future>(
        c10::ListType::create(c10::TensorType::get()));
    if (ended()) {
      if (exception_) future_->setError(exception_);
      else future_->markCompleted(c10::IValue(outputs_));
    }
  }
  return future_;
}

c10::intrusive_ptr<c10::ivalue::Future> WorkXpuLite::getFutureResult() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!result_future_) {
    result_future_ = c10::make_intrusive<c10::ivalue::Future>(c10::IntType::get());
    if (ended()) {
      lock.unlock();
      const auto value = static_cast<int64_t>(outcome());
      lock.lock();
      result_future_->markCompleted(c10::IValue(value));
    }
  }
  return result_future_;
}

float WorkXpuLite::getDuration() const {
  TORCH_CHECK(ended(), "the duration of a collective is known when it is complete");
  return std::chrono::duration<float, std::milli>(end_ - start_).count();
}

CoalescedWork::CoalescedWork(int rank, std::vector<c10::intrusive_ptr<c10d::Work>> works)
    : Work(rank, OpType::COALESCED), works_(std::move(works)) {}

bool CoalescedWork::isCompleted() {
  for (auto& work : works_)
    if (!work->isCompleted()) return false;
  return true;
}

bool CoalescedWork::isSuccess() const {
  for (auto& work : works_)
    if (!work->isSuccess()) return false;
  return true;
}

std::exception_ptr CoalescedWork::exception() const {
  for (auto& work : works_)
    if (std::exception_ptr error = work->exception()) return error;
  return nullptr;
}

bool CoalescedWork::wait(std::chrono::milliseconds timeout) {
  for (auto& work : works_) work->wait(timeout);
  return true;
}

void CoalescedWork::synchronize() { wait(kNoTimeout); }

std::vector<at::Tensor> CoalescedWork::result() {
  std::vector<at::Tensor> all;
  for (auto& work : works_)
    for (at::Tensor& t : work->result()) all.push_back(std::move(t));
  return all;
}

c10::intrusive_ptr<c10::ivalue::Future> CoalescedWork::getFuture() {
  auto type = c10::ListType::create(c10::TensorType::get());
  auto all = c10::make_intrusive<c10::ivalue::Future>(type);
  struct State {
    std::atomic<size_t> left;
    std::vector<c10::intrusive_ptr<c10::ivalue::Future>> parts;
  };
  auto state = std::make_shared<State>();
  state->left = works_.size();
  for (auto& work : works_) state->parts.push_back(work->getFuture());
  if (works_.empty()) all->markCompleted(c10::IValue(std::vector<at::Tensor>{}));
  for (auto& part : state->parts)
    part->addCallback([state, all](c10::ivalue::Future&) {
      if (--state->left) return;
      std::vector<at::Tensor> values;
      for (auto& done : state->parts) {
        if (done->hasError()) {
          all->setErrorIfNeeded(done->exception_ptr());
          state->parts.clear();
          return;
        }
        for (const at::Tensor& t : done->constValue().toTensorVector()) values.push_back(t);
      }
      state->parts.clear();
      all->markCompleted(c10::IValue(std::move(values)));
    });
  return all;
}

uint64_t CoalescedWork::getSequencenumber() const {
  return works_.empty() ? 0 : works_.back()->getSequencenumber();
}

} // namespace xpu_lite::ccl
