#pragma once

// Whether another process of this host still lives.

#include <cstdint>
#include <memory>

namespace xpu_lite::ccl::shm {

// When a process began, in ticks since the kernel's start; 0 where it is not to be
// found, or has ended and was not yet waited for. With the pid it names a process
// for ever.
uint64_t start_time_of(int pid) noexcept;

class Process {
 public:
  // All groups of this process share one watch of a peer, so that many groups do not
  // cost a file descriptor per peer each.
  static std::shared_ptr<Process> watch(int pid, uint64_t start_time);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool alive() noexcept; // a system call

 private:
  Process(int pid, uint64_t start_time);
  int pid_;
  uint64_t start_time_;
  int fd_ = -1; // a pidfd, readable once the process ends; or -1: the kernel has none
};

} // namespace xpu_lite::ccl::shm
