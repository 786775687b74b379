#include "backend/ccl/c10d/store_adapter.h"

#include <algorithm>

namespace xpu_lite::ccl {
namespace {

std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}
template <class Fn>
auto guarded(const char* what, const std::string& key, Fn&& fn) {
  try {
    return fn();
  } catch (const std::exception& error) {
    throw PeerError(
        message("the store cannot be reached (", what, " \"", key, "\"): ", first_line(error)));
  }
}

class AdaptedStore final : public Store {
 public:
  explicit AdaptedStore(c10::intrusive_ptr<c10d::Store> store) : store_(std::move(store)) {}

  void set(const std::string& key, const std::string& value) override {
    guarded("set", key, [&] { store_->set(key, value); });
  }

  std::string get(const std::string& key, Deadline deadline) override {
    using std::chrono::milliseconds;
    // A day stands for "no deadline": c10d adds the duration to a clock.
    const auto left = deadline == Deadline::max()
        ? milliseconds(24 * 3600 * 1000)
        : std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    try {
      store_->wait({key}, std::max(left, milliseconds(1)));
      return store_->get_to_str(key);
    } catch (const std::exception& error) {
      if (Clock::now() + milliseconds(1) >= deadline)
        throw TimeoutError(message("the store had no key \"", key, "\" when the time was over"));
      throw PeerError(message("the store cannot be reached (get \"", key, "\"): ", first_line(error)));
    }
  }

  bool check(const std::string& key) override {
    return guarded("check", key, [&] { return store_->check({key}); });
  }
  int64_t add(const std::string& key, int64_t amount) override {
    return guarded("add", key, [&] { return store_->add(key, amount); });
  }
  void remove(const std::string& key) override {
    guarded("remove", key, [&] { store_->deleteKey(key); });
  }

 private:
  c10::intrusive_ptr<c10d::Store> store_;
};

} // namespace

std::shared_ptr<Store> adapt_store(const c10::intrusive_ptr<c10d::Store>& store) {
  return std::make_shared<AdaptedStore>(store);
}

} // namespace xpu_lite::ccl
