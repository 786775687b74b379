#pragma once

// How ranks find each other before a transport stands: a key-value store that
// all of them reach. c10d's store is behind it in production, a map in tests.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/ccl/types.h"

namespace xpu_lite::ccl {

class Store {
 public:
  virtual ~Store() = default;
  virtual void set(const std::string& key, const std::string& value) = 0;
  // Blocks until the key is there; TimeoutError names the key.
  virtual std::string get(const std::string& key, Deadline deadline) = 0;
  virtual bool check(const std::string& key) = 0;
  // Adds to a counter that starts at 0 and returns the sum.
  virtual int64_t add(const std::string& key, int64_t amount) = 0;
  virtual void remove(const std::string& key) = 0;
};

// The ranks of a group and how to reach them.
struct Group {
  int rank = 0;
  int size = 1;
  std::shared_ptr<Store> store; // keys are this group's own: no prefix is needed
  Deadline deadline = Deadline::max(); // for setting up
  std::string name;             // for messages and logs
  // Which machine each rank is on; equal text means the same (see host.h).
  // Filled by gather_hosts(); transports may rely on it.
  std::vector<std::string> hosts;
  // What messages call each rank, where this is a part of another group (the ranks of
  // one host, say): their ranks there. Empty: 0, 1, ...
  std::vector<int> labels;
  int label(int r) const { return labels.empty() ? r : labels[r]; }
};

} // namespace xpu_lite::ccl
