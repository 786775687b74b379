#include "backend/ccl/tcp/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "backend/runtime/error.h"

namespace xpu_lite::ccl::tcp {
namespace {

[[noreturn]] void fail(const char* what) {
  throw Error(message("tcp: ", what, ": ", std::strerror(errno)));
}

void set(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

bool named(const std::string& interfaces, const std::string& name) {
  for (size_t at = 0; at <= interfaces.size();) {
    const size_t end = std::min(interfaces.find(',', at), interfaces.size());
    if (interfaces.compare(at, end - at, name) == 0 && end > at) return true;
    at = end + 1;
  }
  return false;
}

// "10.0.0.4", or empty for what another machine cannot use as it is.
std::string text_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
  } else if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) return "";
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  }
  return text;
}

} // namespace

void Fd::reset() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Signal::Signal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_) fail("eventfd");
}

void Signal::set() noexcept {
  const uint64_t one = 1;
  if (::write(fd_.get(), &one, sizeof one) < 0) return; // full: it is set already
}

void Signal::clear() noexcept {
  uint64_t count;
  if (::read(fd_.get(), &count, sizeof count) < 0) return; // was not set
}

Fd listen_anywhere(uint16_t& port) {
  const int flags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  Fd fd(::socket(AF_INET6, flags, 0));
  sockaddr_storage address{};
  socklen_t size = 0;
  if (fd) { // also takes IPv4
    set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    v6->sin6_family = AF_INET6;
    size = sizeof *v6;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) fd.reset();
  }
  if (!fd) { // a machine without IPv6
    fd = Fd(::socket(AF_INET, flags, 0));
    if (!fd) fail("socket");
    address = {};
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    v4->sin_family = AF_INET;
    size = sizeof *v4;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) fail("bind");
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) fail("listen");
  size = sizeof address;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                   : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  return fd;
}

std::vector<std::string> local_addresses(const std::string& interfaces) {
  std::vector<std::string> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) fail("getifaddrs");
  std::string loopback;
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr || !(entry->ifa_flags & IFF_UP)) continue;
    if (!interfaces.empty() && !named(interfaces, entry->ifa_name)) continue;
    const std::string text = text_of(entry->ifa_addr);
    if (text.empty()) continue;
    if (!(entry->ifa_flags & IFF_LOOPBACK)) found.push_back(text);
    else if (loopback.empty() || text == "127.0.0.1") loopback = text;
  }
  ::freeifaddrs(list);
  if (!loopback.empty()) found.push_back(loopback);
  if (found.empty() && !interfaces.empty())
    throw ValueError(message("XPU_LITE_CCL_INTERFACE=", interfaces,
                             ": no network interface of these names is up and has an address"));
  return found;
}

Fd start_connect(const std::string& address, uint16_t port) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    size = sizeof *v6;
  } else {
    return {};
  }
  Fd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fd;
  set_options(fd);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0 &&
      errno != EINPROGRESS)
    fd.reset();
  return fd;
}

int connect_result(const Fd& fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

void set_options(const Fd& fd) {
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  set(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd.get(), IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set(fd.get(), IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(fd.get(), IPPROTO_TCP, TCP_KEEPCNT, 5);
}

ssize_t write_some(const Fd& fd, const void* data, size_t bytes) noexcept {
  ssize_t moved;
  do {
    moved = ::send(fd.get(), data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (moved < 0 && errno == EINTR);
  if (moved < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  return moved;
}

ssize_t read_some(const Fd& fd, void* data, size_t bytes) noexcept {
  if (bytes == 0) return 0;
  ssize_t moved;
  do {
    moved = ::recv(fd.get(), data, bytes, MSG_DONTWAIT);
  } while (moved < 0 && errno == EINTR);
  if (moved < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  if (moved == 0) {
    errno = 0;
    return -1;
  }
  return moved;
}

std::string interface_of(const Fd& fd) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0) return "";
  std::string wanted = text_of(reinterpret_cast<sockaddr*>(&own));
  if (wanted.rfind("::ffff:", 0) == 0) wanted.erase(0, 7); // IPv4 on a socket of IPv6
  std::string name;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return "";
  for (const ifaddrs* entry = list; entry && name.empty(); entry = entry->ifa_next)
    if (entry->ifa_addr && text_of(entry->ifa_addr) == wanted) name = entry->ifa_name;
  ::freeifaddrs(list);
  return name;
}

} // namespace xpu_lite::ccl::tcp
