// A barrier that tells who is missing, through the store alone: it works, and its
// failure leaves the group as it was, when a rank hangs in the middle of a collective.

#include "backend/ccl/c10d/process_group.h"

namespace xpu_lite::ccl {
namespace {

std::string join(const std::vector<int>& ranks) {
  std::string text;
  for (int r : ranks) text += (text.empty() ? "" : ", ") + std::to_string(r);
  return text;
}

} // namespace

void ProcessGroupXpuLite::monitoredBarrier(const c10d::BarrierOptions& opts,
                                           bool wait_all_ranks) {
  check_usable("monitored_barrier");
  // Here 0 is no default: only those who are there already pass.
  const auto timeout = opts.timeout.count() == 0 ? opts.timeout : timeout_of(opts.timeout);
  const Deadline deadline = Clock::now() + timeout;
  const uint64_t number = ++monitored_barriers_;
  const std::string prefix = message("monitored_barrier/", number, "/");
  const std::string verdict = prefix + "verdict";
  try {
    if (rank_ != 0) {
      store_->set(prefix + std::to_string(rank_), "here");
      std::string said;
      try {
        // A little longer than rank 0, so that its answer names who is missing.
        said = store_->get(verdict, deadline + std::chrono::milliseconds(500));
      } catch (const TimeoutError&) {
        said = message("it did not answer in ", timeout.count(),
                       " ms. Please check rank 0 logs for faulty rank.");
      }
      TORCH_CHECK(said == "ok", "Rank ", rank_, " successfully reached monitoredBarrier, but "
                  "received errors while waiting for send/recv from rank 0: ", said);
      return;
    }
    std::vector<int> missing;
    for (int r = 1; r < size_; ++r) {
      try {
        // Those who are here already are found even when the time is over.
        const std::string key = prefix + std::to_string(r);
        if (!store_->check(key)) store_->get(key, deadline);
      } catch (const TimeoutError&) {
        missing.push_back(r);
        if (!wait_all_ranks) break;
      }
    }
    if (missing.empty()) {
      store_->set(verdict, "ok");
      // The keys of the barrier before: everybody has read them to come here.
      if (number > 1) {
        const std::string old = message("monitored_barrier/", number - 1, "/");
        for (int r = 1; r < size_; ++r) store_->remove(old + std::to_string(r));
        store_->remove(old + "verdict");
      }
      return;
    }
    const std::string text =
        message("[Rank 0]: ", missing.size() == 1 && !wait_all_ranks ? "Rank " : "Ranks ",
                join(missing), " failed to pass monitoredBarrier in ", timeout.count(),
                " ms: Rank 0 timed out in monitoredBarrier");
    store_->set(verdict, message("monitored_barrier ", number, " failed: ", text));
    TORCH_CHECK(false, text);
  } catch (const Error&) {
    std::rethrow_exception(to_torch_error(std::current_exception()));
  }
}

} // namespace xpu_lite::ccl
