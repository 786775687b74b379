#pragma once

// A oneCCL communicator whose calls can be given up.
//
// oneCCL's calls block, have no deadline, and never return when a peer dies. So each
// runs on a thread of the communicator, on buffers of the communicator; the caller
// waits for it as long as it likes. One that is given up keeps its thread and its
// buffers until the process ends, and touches nothing else.

#include <functional>
#include <memory>

#include "backend/ccl/oneccl/library.h"

namespace xpu_lite::ccl::oneccl {

class Communicator {
 public:
  // `input` and `output`: bytes of the two buffers.
  Communicator(int rank, int size, size_t input, size_t output);
  // Destroys it, unless a call was given up, or abandon() was called.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  char* input() const noexcept;
  char* output() const noexcept;
  size_t input_bytes() const noexcept;
  size_t output_bytes() const noexcept;

  // work(functions, comm) on the thread of the communicator; returns at once. What it
  // returns is oneCCL's error code.
  using Work = std::function<int(const Functions&, Comm& comm)>;
  void start(Work work);
  // Readable when the work is done; then finish() returns, or throws its error.
  int done_fd() const noexcept;
  void finish();
  // From here on the destructor leaves oneCCL's side alone: the peers are gone.
  void abandon() noexcept;
  // Connects: the first work of every rank.
  Work connect(const UniqueId& id) const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_; // with the thread
  int rank_, size_;
};

} // namespace xpu_lite::ccl::oneccl
