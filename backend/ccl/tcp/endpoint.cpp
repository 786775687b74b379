#include "backend/ccl/tcp/endpoint.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "backend/ccl/exchange.h"
#include "backend/runtime/options.h"

namespace xpu_lite::ccl::tcp {
namespace {

constexpr uint64_t kMagic = 0x31746c2d757078; // "xpu-lt1"
constexpr size_t kSecret = 32;                // characters
constexpr char kWelcome = 'W', kChosen = 'C';

struct Hello {
  uint64_t magic;
  char secret[kSecret];
  int32_t from;
  int32_t channel;
};

std::string make_secret() {
  unsigned char bytes[kSecret / 2];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
    throw Error("tcp: the system gives no random bytes");
  std::string text;
  for (unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

// Loopback addresses mean something to those with the same text only.
std::string network_of_this_process() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  struct stat info {};
  ::stat("/proc/self/ns/net", &info);
  return message(boot.empty() ? "?" : boot, '/', info.st_ino);
}

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return *name ? name : "?";
}

std::string own_text(const std::string& secret, uint16_t port) {
  std::string text = message(secret, ' ', port, ' ', ::getpid(), ' ', host_name(), ' ',
                             network_of_this_process());
  for (const auto& address : local_addresses(read_environment().ccl_interface))
    text += ' ' + address;
  return text;
}

bool is_loopback(const std::string& address) {
  return address == "::1" || address.rfind("127.", 0) == 0;
}

int milliseconds_until(Deadline deadline) {
  const auto now = Clock::now();
  if (deadline <= now) return 0;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now);
  return static_cast<int>(std::min<int64_t>(left.count() + 1, 100));
}

} // namespace

Endpoint::Endpoint(const Group& group, const std::string& topic)
    : rank_(group.rank), labels_(group.labels) {
  const std::string secret = make_secret();
  uint16_t port = 0;
  std::string mine;
  try {
    listener_ = listen_anywhere(port);
    mine = "+" + own_text(secret, port);
  } catch (const std::exception& error) {
    mine = message("-", error.what());
  }
  const auto texts = exchange(group, topic, mine);
  for (int rank = 0; rank < group.size; ++rank)
    if (texts[rank][0] != '+')
      throw Error(message("rank ", group.label(rank), ": ", texts[rank].substr(1)));
  for (const std::string& text : texts) {
    Peer peer;
    std::istringstream in(text.substr(1));
    in >> peer.secret >> peer.port >> peer.pid >> peer.host >> peer.machine;
    for (std::string address; in >> address;) peer.addresses.push_back(address);
    peers_.push_back(std::move(peer));
  }
  for (Peer& peer : peers_) {
    // The machine itself is reached by the loopback, others by anything but that.
    const bool here = peer.machine == peers_[rank_].machine;
    auto& list = peer.addresses;
    if (here) {
      std::stable_partition(list.begin(), list.end(), is_loopback);
      if (!list.empty() && is_loopback(list[0])) list.resize(1);
    } else {
      list.erase(std::remove_if(list.begin(), list.end(), is_loopback), list.end());
    }
  }
  thread_ = std::thread([this] { answer(); });
}

Endpoint::~Endpoint() { close(); }

void Endpoint::close() noexcept {
  stop_.set();
  if (thread_.joinable()) thread_.join();
  listener_.reset();
}

std::string Endpoint::describe(int rank) const {
  return message("rank ", labels_.empty() ? rank : labels_[rank], " (pid ", peers_[rank].pid,
                 " on ", peers_[rank].host, ")");
}

std::vector<Endpoint::Visitor> Endpoint::visitors() {
  std::lock_guard lock(mutex_);
  return std::exchange(visitors_, {});
}

// Every connection starts with a Hello; a caller that tried several addresses gets
// several welcomes and chooses one.
void Endpoint::answer() {
  struct Guest {
    Fd fd;
    Hello hello;
    size_t got = 0;
  };
  std::vector<Guest> guests;
  const std::string& secret = peers_[rank_].secret;
  for (;;) {
    std::vector<pollfd> polls{{stop_.fd(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Guest& guest : guests) polls.push_back({guest.fd.get(), POLLIN, 0});
    if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) return;
    if (polls[0].revents) return;
    const size_t known = guests.size();
    if (polls[1].revents) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd) {
        set_options(fd);
        guests.push_back({std::move(fd), {}, 0});
      } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10)); // no descriptors left
      }
    }
    for (size_t i = 0; i < known; ++i) {
      if (!polls[i + 2].revents) continue;
      Guest& guest = guests[i];
      char* bytes = reinterpret_cast<char*>(&guest.hello);
      char chosen = 0;
      const bool greeted = guest.got == sizeof(Hello);
      const ssize_t moved =
          greeted ? read_some(guest.fd, &chosen, 1)
                  : read_some(guest.fd, bytes + guest.got, sizeof(Hello) - guest.got);
      if (moved < 0) {
        guest.fd.reset();
        continue;
      }
      if (moved == 0) continue;
      if (greeted) {
        if (chosen == kChosen) {
          const auto channel = static_cast<Channel>(guest.hello.channel);
          std::lock_guard lock(mutex_);
          visitors_.push_back({guest.hello.from, channel, std::move(guest.fd)});
          arrived_.set();
        }
        guest.fd.reset();
        continue;
      }
      guest.got += moved;
      if (guest.got < sizeof(Hello)) continue;
      const Hello& hello = guest.hello;
      const bool known_peer = hello.magic == kMagic &&
                              std::memcmp(hello.secret, secret.data(), kSecret) == 0 &&
                              hello.from >= 0 && hello.from < static_cast<int>(peers_.size());
      if (!known_peer || write_some(guest.fd, &kWelcome, 1) != 1) guest.fd.reset();
    }
    guests.erase(std::remove_if(guests.begin(), guests.end(),
                                [](const Guest& guest) { return !guest.fd; }),
                 guests.end());
  }
}

Fd Endpoint::connect(int rank, Channel channel, Deadline deadline) {
  const Peer& peer = peers_[rank];
  Hello hello{kMagic, {}, rank_, static_cast<int32_t>(channel)};
  std::memcpy(hello.secret, peer.secret.data(), std::min(kSecret, peer.secret.size()));
  struct Attempt {
    Fd fd;
    bool greeted = false;
  };
  std::vector<Attempt> attempts;
  std::string tried;
  int error = 0;
  for (const std::string& address : peer.addresses) {
    tried += message(tried.empty() ? "" : ", ", address);
    if (Fd fd = start_connect(address, peer.port)) attempts.push_back({std::move(fd)});
    else error = errno;
  }
  const auto who = [&] { return message(describe(rank), " at ", tried, " port ", peer.port); };
  while (!attempts.empty()) {
    std::vector<pollfd> polls;
    for (const Attempt& attempt : attempts)
      polls.push_back({attempt.fd.get(), short(attempt.greeted ? POLLIN : POLLOUT), 0});
    ::poll(polls.data(), polls.size(), milliseconds_until(deadline));
    for (size_t i = 0; i < attempts.size(); ++i) {
      if (!polls[i].revents) continue;
      Attempt& attempt = attempts[i];
      bool lost = false;
      if (!attempt.greeted) {
        const int result = connect_result(attempt.fd);
        if (result != 0) error = result;
        lost = result != 0 || write_some(attempt.fd, &hello, sizeof hello) != sizeof hello;
        attempt.greeted = true;
      } else {
        char answer = 0;
        const ssize_t moved = read_some(attempt.fd, &answer, 1);
        if (moved == 1 && answer == kWelcome &&
            write_some(attempt.fd, &kChosen, 1) == 1)
          return std::move(attempt.fd);
        lost = moved != 0;
        if (moved < 0 && errno != 0) error = errno;
      }
      if (lost) attempt.fd.reset();
    }
    attempts.erase(std::remove_if(attempts.begin(), attempts.end(),
                                  [](const Attempt& attempt) { return !attempt.fd; }),
                   attempts.end());
    if (Clock::now() >= deadline && !attempts.empty())
      throw TimeoutError(message("no connection in time to ", who()));
  }
  throw PeerError(message("no connection to ", who(), ": ",
                          error ? std::strerror(error) : "it does not answer",
                          ". XPU_LITE_CCL_INTERFACE names the network interfaces to use"));
}

} // namespace xpu_lite::ccl::tcp
