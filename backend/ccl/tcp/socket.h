#pragma once

// Sockets between hosts: owned descriptors, addresses of this machine, and the
// settings that make a lost peer an error instead of a silence.

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace xpu_lite::ccl::tcp {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }
  void reset() noexcept;
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// A counter that poll() can wait for: wakes a thread that sleeps in it.
class Signal {
 public:
  Signal();
  void set() noexcept;
  void clear() noexcept;
  int fd() const noexcept { return fd_.get(); }

 private:
  Fd fd_;
};

// Listens on every address of the machine, at a port that the system picks.
Fd listen_anywhere(uint16_t& port);

// Where others may reach this machine: "10.0.0.4", "fd00::4", and at the end the
// loopback, which means the machine itself. `interfaces`: names, separated by
// commas, that alone count; ValueError if none of them is up.
std::vector<std::string> local_addresses(const std::string& interfaces);

// Starts to connect; the descriptor becomes writable when that is done or failed.
// Empty where the address cannot be used at all.
Fd start_connect(const std::string& address, uint16_t port);
// 0, or the errno that a connect ended with.
int connect_result(const Fd& fd) noexcept;

// No delay of small messages, no blocking, and keepalive probes: a peer whose machine
// is gone is an error after about 15 s, on a connection where nothing is being sent.
void set_options(const Fd& fd);

// Bytes moved; 0: nothing moves now; -1: the connection is lost (errno says how; 0: its
// other end was closed).
ssize_t write_some(const Fd& fd, const void* data, size_t bytes) noexcept;
ssize_t read_some(const Fd& fd, void* data, size_t bytes) noexcept;

// The name of the interface that the connection goes out of; empty if unknown.
std::string interface_of(const Fd& fd);

} // namespace xpu_lite::ccl::tcp
