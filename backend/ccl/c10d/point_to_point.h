#pragma once

// Sends and receives of a group. They run beside its collectives: a send must not
// keep an all_reduce from starting, nor the other way round. One thread at a time
// drives them: whoever waits, or, when nobody does, a thread of their own, so that
// a message moves while its owner computes.

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "backend/ccl/c10d/work.h"
#include "backend/ccl/transport.h"
#include "backend/runtime/event.h"

namespace xpu_lite::ccl {

class PointToPoint : public std::enable_shared_from_this<PointToPoint> {
 public:
  struct Message {
    c10::intrusive_ptr<WorkXpuLite> work;
    // Starts it, once `ready` is complete.
    std::function<std::unique_ptr<Request>(Transport&)> start;
    std::function<void(int source)> finish; // after success
    std::shared_ptr<Event> ready;           // may be null
    std::unique_ptr<Request> request;
  };

  explicit PointToPoint(std::shared_ptr<Transport> transport);
  ~PointToPoint();

  // Starts the message, and moves everything on once if nobody else does.
  void submit(Message message);
  bool help(const WorkXpuLite& work, Deadline deadline);
  bool drain(Deadline deadline);
  // Ends the thread; messages under way end with `reason`.
  void stop(const std::string& reason);

 private:
  void background();
  bool pass(); // role held: one round over all messages; true if nothing is left
  void drive_until(const std::function<bool()>& done, Deadline deadline,
                   std::unique_lock<std::mutex>& lock);
  std::shared_ptr<Transport> transport_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Message> fresh_;   // under mutex_: submitted, not yet seen by the driver
  std::list<Message> waiting_; // of the driver: in order, not yet started
  std::list<Message> active_;  // of the driver
  std::list<std::pair<Message, std::exception_ptr>> ended_; // of the driver
  size_t outstanding_ = 0;     // under mutex_
  bool driving_ = false, stopped_ = false;
  std::thread thread_;
};

} // namespace xpu_lite::ccl
