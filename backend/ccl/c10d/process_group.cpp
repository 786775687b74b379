// The life of a ProcessGroupXpuLite, and everything but its collectives.

#include "backend/ccl/c10d/without_gil.h" // Python.h comes first

#include "backend/ccl/c10d/process_group.h"

#include <algorithm>
#include <mutex>
#include <set>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include "backend/ccl/c10d/gloo_transport.h"
#include "backend/ccl/c10d/group_run.h"
#include "backend/ccl/c10d/store_adapter.h"
#include "backend/ccl/host.h"
#include "backend/runtime/outside_work.h"

namespace xpu_lite::ccl {

using namespace std::chrono_literals;

namespace {
// How long shutdown() waits for what is under way before it breaks the group.
constexpr auto kGrace = 1s;

struct Groups {
  std::recursive_mutex mutex;
  std::set<ProcessGroupXpuLite*> all;
};
Groups& groups() {
  static Groups& it = *new Groups;
  return it;
}
} // namespace

ProcessGroupXpuLite::ProcessGroupXpuLite(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                         int size, c10::intrusive_ptr<Options> options)
    : Backend(rank, size),
      options_(std::move(options)),
      c10d_store_(store),
      store_(adapt_store(store)),
      queue_(std::make_shared<CommQueue>()) {
  init();
  Group group;
  group.rank = rank;
  group.size = size;
  group.store = store_;
  group.deadline = Clock::now() + options_->timeout;
  group.name = options_->group_name;
  try {
    transport_ = make_transport(group, gloo_factory(gloo_of_torch()));
  } catch (const std::exception&) {
    std::rethrow_exception(to_torch_error(std::current_exception()));
  }
  messages_ = std::make_shared<PointToPoint>(transport_);
  device_wait_ = add_outside_work({[queue = queue_] { return queue->idle(); },
                                   [queue = queue_] { queue->drain(Deadline::max()); }});
  std::lock_guard<std::recursive_mutex> lock(groups().mutex);
  groups().all.insert(this);
}

ProcessGroupXpuLite::~ProcessGroupXpuLite() {
  WithoutGil released;
  {
    std::lock_guard<std::recursive_mutex> lock(groups().mutex);
    groups().all.erase(this);
  }
  close("the process group was destroyed");
}

void ProcessGroupXpuLite::shutdown_all() {
  WithoutGil released;
  std::lock_guard<std::recursive_mutex> lock(groups().mutex);
  for (ProcessGroupXpuLite* group : groups().all) group->close("the program ends");
}

void ProcessGroupXpuLite::close(const std::string& reason) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    closed_ = true;
  }
  remove_outside_work(device_wait_);
  WithoutGil released;
  const bool usable = transport_->broken().empty();
  const Deadline deadline = usable ? Clock::now() + kGrace : Clock::now();
  const bool collectives_over = queue_->drain(deadline);
  const bool messages_over = messages_->drain(deadline);
  if (!collectives_over || !messages_over)
    transport_->abort(message("rank ", rank_, " left the group with ",
                              collectives_over ? "messages" : "collectives", " under way (",
                              reason, ")"));
  for (auto& job : queue_->stop()) {
    job->run(); // ends with the transport's reason, at once
    job->publish();
    job->call_back();
  }
  messages_->stop(reason);
}

void ProcessGroupXpuLite::shutdown() { close("shutdown() was called"); }

void ProcessGroupXpuLite::abort() {
  transport_->abort(message("abort() was called on rank ", rank_));
}

void ProcessGroupXpuLite::check_usable(const char* op) const {
  TORCH_CHECK_WITH(DistBackendError, !closed_, op, ": the process group was shut down");
}

int ProcessGroupXpuLite::check_root(const char* op, int64_t root) const {
  TORCH_CHECK_VALUE(root >= 0 && root < size_, op, ": rank ", root, " is not in the group of ",
                    size_, " ranks");
  return static_cast<int>(root);
}

std::chrono::milliseconds ProcessGroupXpuLite::timeout_of(
    std::chrono::milliseconds asked) const {
  return asked == c10d::kUnsetTimeout || asked.count() <= 0 ? options_->timeout : asked;
}

Call ProcessGroupXpuLite::make_call(Collective kind, uint64_t sequence,
                                    std::chrono::milliseconds timeout) const {
  Call call;
  call.kind = kind;
  call.sequence = sequence;
  call.deadline = Clock::now() + timeout;
  call.check_all = dist_debug_level_ != c10d::DebugLevel::Off;
  return call;
}

void ProcessGroupXpuLite::startCoalescing() {
  std::lock_guard<std::mutex> lock(mutex_);
  coalescing_ = true;
  coalesced_.clear();
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::endCoalescing() {
  std::lock_guard<std::mutex> lock(mutex_);
  coalescing_ = false;
  return c10::make_intrusive<CoalescedWork>(rank_, std::exchange(coalesced_, {}));
}

// --- Point to point -----------------------------------------------------------

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::exchange(OpType type, Tensors& tensors,
                                                          int peer, int tag) {
  const bool sends = type == OpType::SEND;
  const char* op = sends ? "send" : "recv";
  check_usable(op);
  TORCH_CHECK_VALUE(tensors.size() == 1, op, ": expected one tensor, got ", tensors.size());
  check_tensor(op, "tensor", tensors[0]);
  // A handle of its own: the caller's tensor may get other data before the message goes.
  const at::Tensor t = tensors[0].tensor_data();
  TORCH_CHECK_VALUE(tag >= 0, op, ": tag must not be negative, got ", tag);
  if (type != OpType::RECVANYSOURCE) {
    check_root(op, peer);
    TORCH_CHECK_VALUE(peer != rank_, op, ": rank ", rank_, " is the calling rank itself");
  }
  const char* title = sends ? "xpulite:send" : "xpulite:recv";
  if (type == OpType::RECVANYSOURCE) title = "xpulite:recvAnySource";
  const uint64_t sequence = ++message_sequence_;
  auto work = c10::make_intrusive<WorkXpuLite>(rank_, type, title, tensors,
                                               tensors, sequence, t.device());
  PointToPoint::Message m;
  m.work = work;
  m.ready = ready_event(tensors);
  const Call call = make_call(sends ? Collective::Send : Collective::Recv, sequence,
                              options_->timeout);
  if (sends) {
    // The packed copy is made when the message starts: after its stream's work.
    auto data = std::make_shared<std::optional<Input>>();
    m.start = [t, data, call, peer, tag](Transport& transport) {
      data->emplace(t);
      return transport.send(call, (*data)->slice(), peer, tag);
    };
    m.finish = [t, data](int) { data->reset(); };
  } else {
    auto data = std::make_shared<std::optional<Output>>();
    const int from = type == OpType::RECVANYSOURCE ? -1 : peer;
    m.start = [t, data, call, from, tag](Transport& transport) {
      data->emplace(t);
      return transport.recv(call, (*data)->slice(), from, tag);
    };
    m.finish = [data, work = work.get()](int source) {
      at::AutoDispatchBelowADInplaceOrView below_autograd;
      (*data)->commit();
      data->reset();
      work->set_source(source);
    };
  }
  work->help = [messages = std::weak_ptr<PointToPoint>(messages_), w = work.get()](
                   Deadline deadline) {
    auto p = messages.lock();
    return p && p->help(*w, deadline);
  };
  work->on_abort = [transport = std::weak_ptr<Transport>(transport_), op, sequence] {
    if (auto live = transport.lock())
      live->abort(message("abort() was called on the work of ", op, " ", sequence));
  };
  messages_->submit(std::move(m));
  if (coalescing_) {
    std::lock_guard<std::mutex> lock(mutex_);
    coalesced_.push_back(work);
  }
  return work;
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::send(Tensors& tensors, int to, int tag) {
  return exchange(OpType::SEND, tensors, to, tag);
}
ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::recv(Tensors& tensors, int from, int tag) {
  return exchange(OpType::RECV, tensors, from, tag);
}
ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::recvAnysource(Tensors& tensors, int tag) {
  return exchange(OpType::RECVANYSOURCE, tensors, -1, tag);
}

// --- Hooks, errors, sub-groups ------------------------------------------------

void ProcessGroupXpuLite::registerOnCompletionHook(
    std::function<void(std::shared_ptr<c10d::WorkInfo>)>&& hook) {
  TORCH_CHECK(!onCompletionHook_, "a completion hook is registered already");
  TORCH_CHECK_VALUE(hook, "the completion hook is empty");
  onCompletionHook_ = std::move(hook);
}

void ProcessGroupXpuLite::finish_hook(const WorkXpuLite& work, OpType type) {
  const std::chrono::duration<float> active = work.end_time() - work.start_time();
  onCompletionHook_(std::make_shared<c10d::WorkInfo>(
      type, work.getSequencenumber(), work.start_time(), work.end_time(), active));
}

void ProcessGroupXpuLite::waitForPendingWorks() {
  queue_->drain(Deadline::max());
  messages_->drain(Deadline::max());
}

c10d::ErrorType ProcessGroupXpuLite::getError() {
  const std::string reason = transport_->broken();
  if (reason.empty()) return c10d::ErrorType::SUCCESS;
  return reason.find("timed out") != std::string::npos ? c10d::ErrorType::TIMEOUT
                                                       : c10d::ErrorType::REMOTE_ERROR;
}

c10::intrusive_ptr<c10d::Backend> ProcessGroupXpuLite::split(
    const c10::intrusive_ptr<c10d::Store>& store, const std::vector<int>& ranks,
    const c10::intrusive_ptr<c10d::Backend::Options>& opts) {
  const auto mine = std::find(ranks.begin(), ranks.end(), rank_);
  if (mine == ranks.end()) return nullptr;
  if (store == split_store_) return split_result_;
  auto options = c10::make_intrusive<Options>(opts ? opts->timeout : options_->timeout);
  if (opts) {
    options->group_name = opts->group_name;
    options->group_desc = opts->group_desc;
  }
  for (int r : ranks)
    options->global_ranks_in_group.push_back(
        options_->global_ranks_in_group.empty() ? r : options_->global_ranks_in_group.at(r));
  split_result_ = c10::make_intrusive<ProcessGroupXpuLite>(
      store, static_cast<int>(mine - ranks.begin()), static_cast<int>(ranks.size()),
      std::move(options));
  split_store_ = store;
  return split_result_;
}

std::string ProcessGroupXpuLite::transport_name() const { return transport_->name(); }
std::string ProcessGroupXpuLite::describe() const { return transport_->describe(); }

} // namespace xpu_lite::ccl
