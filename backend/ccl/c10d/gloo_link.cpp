#include "backend/ccl/c10d/gloo_link.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "backend/ccl/exchange.h"

namespace xpu_lite::ccl {
namespace {

using std::chrono::milliseconds;

// gloo's own limits are out of the way: a call's deadline is kept here, because
// what gloo says when its limit is over names no rank.
constexpr milliseconds kGlooForever = std::chrono::hours(24 * 365);
constexpr milliseconds kSlice(100);     // how soon a reason given by others is seen
constexpr milliseconds kRollCall(1000); // how long others have to say where they are
constexpr int kCutTag = 0x7ffffff0;

milliseconds left_until(Deadline deadline) {
  if (deadline == Deadline::max()) return kGlooForever;
  return std::max(milliseconds(1), std::chrono::ceil<milliseconds>(deadline - Clock::now()));
}

std::string gloo_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// The group's store as gloo asks for it. What gloo leaves in it is removed.
class StoreForGloo final : public c10d::Store {
 public:
  explicit StoreForGloo(std::shared_ptr<ccl::Store> store) : store_(std::move(store)) {}
  c10::intrusive_ptr<c10d::Store> clone() override {
    return c10::make_intrusive<StoreForGloo>(store_);
  }
  void set(const std::string& key, const std::vector<uint8_t>& value) override {
    keys_.push_back(key);
    store_->set("gloo/" + key, std::string(value.begin(), value.end()));
  }
  std::vector<uint8_t> get(const std::string& key) override {
    const std::string value = store_->get("gloo/" + key, Clock::now() + getTimeout());
    return {value.begin(), value.end()};
  }
  int64_t add(const std::string& key, int64_t amount) override {
    keys_.push_back(key);
    return store_->add("gloo/" + key, amount);
  }
  bool deleteKey(const std::string& key) override {
    store_->remove("gloo/" + key);
    return true;
  }
  bool check(const std::vector<std::string>& keys) override {
    return std::all_of(keys.begin(), keys.end(),
                       [&](const std::string& key) { return store_->check("gloo/" + key); });
  }
  int64_t getNumKeys() override { return static_cast<int64_t>(keys_.size()); }
  void wait(const std::vector<std::string>& keys) override { wait(keys, getTimeout()); }
  void wait(const std::vector<std::string>& keys, const milliseconds& timeout) override {
    const Deadline deadline = Clock::now() + timeout;
    for (const std::string& key : keys) store_->get("gloo/" + key, deadline);
  }
  void clear() {
    for (const std::string& key : keys_) store_->remove("gloo/" + key);
    keys_.clear();
  }

 private:
  std::shared_ptr<ccl::Store> store_;
  std::vector<std::string> keys_; // set by this rank
};

at::Tensor over(const void* data, size_t bytes) {
  static char nothing;
  return at::from_blob(bytes ? const_cast<void*>(data) : &nothing,
                       {static_cast<int64_t>(bytes)}, at::TensorOptions().dtype(at::kByte));
}

} // namespace

GlooLink::GlooLink(const Group& group, const MakeGloo& make)
    : rank_(group.rank), size_(group.size), labels_(group.labels), store_(group.store) {
  if (size_ == 1) return;
  exchange(group, "gloo", ""); // names the ranks that never come
  auto store = c10::make_intrusive<StoreForGloo>(store_);
  const auto left = std::min(left_until(group.deadline), milliseconds(std::chrono::hours(24)));
  store->setTimeout(left);
  gloo_ = make(store, rank_, size_, left);
  gloo_->setTimeout(kGlooForever);
  std::vector<char> all(size_);
  all_gather("connecting", group.deadline, &all[rank_], all.data(), 1);
  store->clear(); // everybody is connected
}

GlooLink::~GlooLink() = default;

void GlooLink::await(const std::string& at, Deadline deadline,
                     const std::function<c10::intrusive_ptr<c10d::Work>()>& start) {
  struct Arrival {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  };
  check();
  const auto arrival = std::make_shared<Arrival>();
  c10::intrusive_ptr<c10d::Work> work;
  c10::intrusive_ptr<c10::ivalue::Future> future;
  try {
    std::lock_guard lock(starting_);
    work = start();
    future = work->getFuture();
  } catch (const std::exception& error) {
    fail(at, Cause::Peer, gloo_line(error.what()));
  }
  future->addCallback([arrival](c10::ivalue::Future&) {
    std::lock_guard lock(arrival->mutex);
    arrival->done = true;
    arrival->changed.notify_all();
  });
  const auto done_within = [&](milliseconds limit) {
    std::unique_lock lock(arrival->mutex);
    return arrival->changed.wait_for(lock, limit, [&] { return arrival->done; });
  };
  while (!done_within(std::min(kSlice, left_until(deadline)))) {
    const bool late = Clock::now() >= deadline;
    if (!late && broken().empty() && !look()) continue;
    cut();
    done_within(std::chrono::seconds(10)); // gloo must not touch the buffers afterwards
    if (late) fail(at, Cause::Timeout, "timed out");
    raise();
  }
  if (future->hasError())
    fail(at, Cause::Peer, gloo_line(future->tryRetrieveErrorMessage()));
}

void GlooLink::all_gather(const std::string& at, Deadline deadline, const void* in, void* out,
                          size_t bytes_each) {
  at::Tensor input = over(in, bytes_each), output = over(out, bytes_each * size_);
  await(at, deadline, [&] {
    c10d::AllgatherOptions options;
    options.timeout = kGlooForever;
    return gloo_->_allgather_base(output, input, options);
  });
}

void GlooLink::all_to_all(const std::string& at, Deadline deadline, const void* in,
                          const std::vector<int64_t>& in_bytes, void* out,
                          const std::vector<int64_t>& out_bytes) {
  const auto sum = [](const std::vector<int64_t>& sizes) {
    size_t total = 0;
    for (int64_t bytes : sizes) total += bytes;
    return total;
  };
  at::Tensor input = over(in, sum(in_bytes)), output = over(out, sum(out_bytes));
  auto from = in_bytes, to = out_bytes;
  await(at, deadline, [&] {
    c10d::AllToAllOptions options;
    options.timeout = kGlooForever;
    return gloo_->alltoall_base(output, input, to, from, options);
  });
}

void GlooLink::broadcast(const std::string& at, Deadline deadline, void* data, size_t bytes,
                         int root) {
  std::vector<at::Tensor> tensors = {over(data, bytes)};
  await(at, deadline, [&] {
    c10d::BroadcastOptions options;
    options.timeout = kGlooForever;
    options.rootRank = root;
    return gloo_->broadcast(tensors, options);
  });
}

c10::intrusive_ptr<c10d::Work> GlooLink::send(const void* data, size_t bytes, int to,
                                              int tag) {
  std::vector<at::Tensor> tensors = {over(data, bytes)};
  std::lock_guard lock(starting_);
  return gloo_->send(tensors, to, tag);
}

c10::intrusive_ptr<c10d::Work> GlooLink::recv(void* data, size_t bytes, int from, int tag) {
  std::vector<at::Tensor> tensors = {over(data, bytes)};
  std::lock_guard lock(starting_);
  return gloo_->recv(tensors, from, tag);
}

void GlooLink::cut() noexcept {
  if (!gloo_) return;
  // gloo closes all its connections when one wait is over; there is no other way to
  // end what it does. Each of its devices has a tag in a row of tags.
  char nothing = 0;
  const int peer = (rank_ + 1) % size_;
  for (int tag = kCutTag; tag < kCutTag + 4; ++tag) {
    try {
      recv(&nothing, 1, peer, tag)->wait(milliseconds(1));
    } catch (const std::exception&) {
      // That is the purpose.
    }
  }
}

// Whether another rank said why the group is broken.
bool GlooLink::look() noexcept {
  try {
    if (!store_->check("why")) return false;
    const std::string text = store_->get("why", Clock::now() + std::chrono::seconds(1));
    adopt(static_cast<Cause>(text.at(0)), text.substr(1));
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void GlooLink::adopt(Cause cause, const std::string& reason) noexcept {
  std::lock_guard lock(mutex_);
  if (!reason_.empty()) return;
  cause_ = cause;
  reason_ = reason.empty() ? "aborted" : reason;
}

void GlooLink::give_up(Cause cause, const std::string& reason) noexcept {
  adopt(cause, reason);
  if (size_ == 1) return;
  try {
    if (store_->add("broken", 1) == 1)
      store_->set("why", static_cast<char>(cause) + broken());
  } catch (const std::exception&) {
    // Without the store the others learn it from their connections.
  }
  cut();
}

// Who is where, one second after the connections were closed.
std::string GlooLink::roll_call(const std::string& at) {
  std::vector<int> missing;
  std::string elsewhere;
  const Deadline until = Clock::now() + kRollCall;
  for (int rank = 0; rank < size_; ++rank) {
    const std::string key = message("at/", rank);
    while (!store_->check(key) && Clock::now() < until)
      std::this_thread::sleep_for(milliseconds(10));
    if (!store_->check(key)) {
      missing.push_back(label(rank));
      continue;
    }
    const std::string there = store_->get(key, until + kRollCall);
    if (there != at) elsewhere += message("; rank ", label(rank), " is at ", there);
  }
  if (missing.empty()) return elsewhere;
  return message("; did not arrive: rank", missing.size() == 1 ? " " : "s ", list_of(missing),
                 elsewhere);
}

void GlooLink::fail(const std::string& at, Cause cause, const std::string& why) {
  check();
  if (look()) {
    cut();
    raise();
  }
  cut();
  std::string reason = message(at, " on rank ", label(rank_), ": ", why);
  try {
    store_->set(message("at/", rank_), at);
    if (store_->add("broken", 1) == 1) {
      reason += roll_call(at);
      store_->set("why", static_cast<char>(cause) + reason);
    } else {
      const Deadline until = Clock::now() + 5 * kRollCall;
      while (!look() && Clock::now() < until) std::this_thread::sleep_for(milliseconds(10));
    }
  } catch (const std::exception& error) {
    reason += message(" (", gloo_line(error.what()), ")");
  }
  adopt(cause, reason);
  raise();
}

std::string GlooLink::broken() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

void GlooLink::raise() const {
  std::lock_guard lock(mutex_);
  switch (cause_) {
    case Cause::Timeout: throw TimeoutError(reason_);
    case Cause::Mismatch: throw MismatchError(reason_);
    case Cause::Peer: break;
  }
  throw PeerError(reason_);
}

} // namespace xpu_lite::ccl
