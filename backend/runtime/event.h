#pragma once

// Events mark a point in a stream. Created at first record, reusable.

#include <cstdint>
#include <memory>

#include "backend/runtime/stream.h"

namespace xpu_lite {

class Event {
 public:
  explicit Event(bool enable_timing);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Marks the present end of `stream`. Recording again moves the mark; those
  // who already wait keep waiting for the earlier one.
  void record(Stream& stream);
  // Later work of `stream` waits for the mark. Does not block the host. A no-op
  // for an event never recorded or already complete.
  void block(Stream& stream);
  bool query() const noexcept; // true if complete or never recorded
  void synchronize();          // throws the error of work before the mark
  void wait() const;           // waits only; the error stays where it is
  bool recorded() const noexcept;
  int device() const noexcept; // -1 before the first record
  bool timing() const noexcept;

 private:
  friend double elapsed_ms(const Event& start, const Event& end);
  std::shared_ptr<Mark> mark_; // shared with the tasks that complete and await it
  Stream* stream_ = nullptr;   // where it was recorded
  bool made_by_queue_ = false;
  bool timing_;
};

// Milliseconds between two completed marks of one device, both made with
// timing; throws ValueError otherwise.
double elapsed_ms(const Event& start, const Event& end);

} // namespace xpu_lite
