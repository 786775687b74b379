#pragma once

// Work on tensors that runs on no stream of the device (collectives). Waiting for a
// device (synchronize_device, wait_for_device) waits for it, too.

#include <functional>

namespace xpu_lite {

// Both are called from any thread, without locks held.
struct OutsideWork {
  std::function<bool()> idle;
  std::function<void()> wait;
};

int add_outside_work(OutsideWork work); // returns what remove_outside_work() takes
void remove_outside_work(int id);
bool wait_for_outside_work(); // true when there was something to wait for

} // namespace xpu_lite
