#pragma once

// A receive from whoever sends first, where ranks are reached in two ways. A receive
// that is posted both ways could take a message of each; so one is posted at a time,
// withdrawn if nothing belongs to it yet, and posted the other way, in turns.

#include <algorithm>
#include <deque>
#include <exception>
#include <functional>
#include <memory>

#include "backend/ccl/transport.h"

namespace xpu_lite::ccl {

class AnyReceives {
 public:
  // Posts the receive in one of the two ways.
  using Post = std::function<std::unique_ptr<Request>(int way)>;

  std::unique_ptr<Request> add(int64_t tag, Post post) {
    auto entry = std::make_shared<Entry>();
    entry->tag = tag;
    entry->post = std::move(post);
    entries_->push_back(entry);
    return std::make_unique<AnyRequest>(entries_, entry);
  }
  bool empty() const noexcept { return entries_->empty(); }

  // After progress() of both ways. Of the receives with one tag only the oldest is
  // posted: messages of a rank must not overtake each other.
  void turn() {
    std::deque<std::shared_ptr<Entry>> open;
    for (const auto& entry : *entries_) {
      if (entry->over()) continue;
      const auto same = [&](const auto& older) { return older->tag == entry->tag; };
      if (std::none_of(open.begin(), open.end(), same)) entry->step();
      if (!entry->over()) open.push_back(entry);
    }
    *entries_ = std::move(open);
  }

 private:
  struct Entry {
    int64_t tag = 0;
    Post post;
    std::unique_ptr<Request> now;
    int way = 0;
    bool done = false;
    std::exception_ptr error;
    bool over() const { return done || error; }

    void step() {
      try {
        if (!now) now = post(way);
        done = now->test();
        if (!done && now->cancel()) {
          now.reset();
          way = 1 - way;
        }
      } catch (...) {
        error = std::current_exception();
      }
    }
  };
  using List = std::deque<std::shared_ptr<Entry>>;
  class AnyRequest final : public Request {
   public:
    AnyRequest(std::shared_ptr<List> all, std::shared_ptr<Entry> entry)
        : all_(std::move(all)), entry_(std::move(entry)) {}
    ~AnyRequest() override {
      remove();
    }
    bool test() override {
      if (entry_->error) std::rethrow_exception(entry_->error);
      return entry_->done;
    }
    int source() const noexcept override { return entry_->done ? entry_->now->source() : -1; }
    bool cancel() noexcept override {
      if (entry_->over() || (entry_->now && !entry_->now->cancel())) return false;
      entry_->now.reset();
      remove();
      return true;
    }

   private:
    void remove() { all_->erase(std::remove(all_->begin(), all_->end(), entry_), all_->end()); }
    std::shared_ptr<List> all_; // requests may outlive the transport
    std::shared_ptr<Entry> entry_;
  };
  std::shared_ptr<List> entries_ = std::make_shared<List>();
};

} // namespace xpu_lite::ccl
