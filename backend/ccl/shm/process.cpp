// Liveness by pidfd, which is exact; else by /proc, else by kill(pid, 0).

#include "backend/ccl/shm/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace xpu_lite::ccl::shm {
namespace {

// The descriptor must not reach child programs, so O_CLOEXEC: pidfds have it always.
int open_pidfd(int pid) noexcept {
#ifdef SYS_pidfd_open
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
#else
  return -1;
#endif
}

} // namespace

uint64_t start_time_of(int pid) noexcept {
  char path[32], text[1024];
  std::snprintf(path, sizeof(path), "/proc/%d/stat", pid);
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t size = ::read(fd, text, sizeof(text) - 1);
  ::close(fd);
  if (size <= 0) return 0;
  text[size] = 0;
  // The name, in brackets, may hold anything; field 3, the state, follows its end.
  const char* at = std::strrchr(text, ')');
  if (at == nullptr || std::strlen(at) < 3 || at[2] == 'Z' || at[2] == 'X') return 0;
  at += 2;
  for (int field = 3; field < 22 && at != nullptr; ++field) {
    at = std::strchr(at, ' ');
    if (at != nullptr) ++at;
  }
  return at == nullptr ? 0 : std::strtoull(at, nullptr, 10);
}

std::shared_ptr<Process> Process::watch(int pid, uint64_t start_time) {
  static auto& mutex = *new std::mutex;
  static auto& watched = *new std::map<std::pair<int, uint64_t>, std::weak_ptr<Process>>;
  std::lock_guard lock(mutex);
  std::erase_if(watched, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Process>& known = watched[{pid, start_time}];
  std::shared_ptr<Process> process = known.lock();
  if (!process) known = process = std::shared_ptr<Process>(new Process(pid, start_time));
  return process;
}

Process::Process(int pid, uint64_t start_time) : pid_(pid), start_time_(start_time) {
  if (pid == ::getpid()) return;
  fd_ = open_pidfd(pid);
  // Whoever has that pid now may be another.
  if (fd_ >= 0 && start_time_of(pid) != start_time) {
    ::close(fd_);
    fd_ = -1;
  }
}

Process::~Process() {
  if (fd_ >= 0) ::close(fd_);
}

bool Process::alive() noexcept {
  if (pid_ == ::getpid()) return true;
  if (fd_ >= 0) {
    pollfd poll_fd{fd_, POLLIN, 0};
    return ::poll(&poll_fd, 1, 0) <= 0;
  }
  if (start_time_ != 0) return start_time_of(pid_) == start_time_;
  return ::kill(pid_, 0) == 0 || errno == EPERM;
}

} // namespace xpu_lite::ccl::shm
