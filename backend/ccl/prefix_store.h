#pragma once

// A part of a store, for a part of a group.

#include <memory>
#include <string>
#include <utility>

#include "backend/ccl/store.h"

namespace xpu_lite::ccl {

class PrefixStore final : public Store {
 public:
  PrefixStore(std::string prefix, std::shared_ptr<Store> base)
      : prefix_(std::move(prefix) + "/"), base_(std::move(base)) {}
  void set(const std::string& key, const std::string& value) override {
    base_->set(prefix_ + key, value);
  }
  std::string get(const std::string& key, Deadline deadline) override {
    return base_->get(prefix_ + key, deadline);
  }
  bool check(const std::string& key) override { return base_->check(prefix_ + key); }
  int64_t add(const std::string& key, int64_t amount) override {
    return base_->add(prefix_ + key, amount);
  }
  void remove(const std::string& key) override { base_->remove(prefix_ + key); }

 private:
  std::string prefix_;
  std::shared_ptr<Store> base_;
};

} // namespace xpu_lite::ccl
