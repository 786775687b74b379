// DDP asks this registry for a clock of its parameters' device: without one it warns,
// and its logging data have no times.

#include <c10/util/Registry.h>
#include <torch/csrc/distributed/c10d/reducer_timer.hpp>

namespace xpu_lite::ccl {
namespace {

// Of the host: kernels of the default stream have run when the call returns. On other
// streams it says when work was queued.
class ReducerTimer final : public c10d::Timer {
 public:
  explicit ReducerTimer(c10::Device) {}

  std::optional<int64_t> measureDifference(Event start, Event end) override {
    const int64_t from = getTimeRef(start), to = getTimeRef(end);
    // An event that did not happen in this iteration (no_sync) holds an older time.
    if (from == c10d::kUnsetTime || to < from) return std::nullopt;
    return to - from;
  }
};

} // namespace
} // namespace xpu_lite::ccl

namespace c10d { // where the macro finds the registry
C10_REGISTER_TYPED_CLASS(TimerRegistry, c10::DeviceType::PrivateUse1,
                         ::xpu_lite::ccl::ReducerTimer)
} // namespace c10d
