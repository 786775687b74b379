#pragma once

// What travels on a connection of the mailbox (see Note [Messages]), and the side
// that writes it.

#include <deque>
#include <exception>
#include <memory>
#include <string>

#include "backend/ccl/tcp/socket.h"
#include "backend/ccl/transport.h"

namespace xpu_lite::ccl::tcp {

enum class Frame : uint64_t {
  Small,   // a message with its data
  Offer,   // a large message without: `id` is its sender's
  Accept,  // the receiver of `id` has a place for it
  Data,    // the data of `id`
  Goodbye, // the sender has shut down
  Abort,   // the group is broken; the data says why
};
struct Head {
  Frame frame;
  uint64_t id;
  int64_t tag;
  uint64_t bytes;
};
inline bool has_body(Frame frame) {
  return frame == Frame::Small || frame == Frame::Data || frame == Frame::Abort;
}

// A send or a receive, from its call to its end.
struct Message {
  Call call;
  bool receive;
  int peer; // < 0: a receive from anyone
  int64_t tag;
  char* data;
  size_t bytes;
  uint64_t id = 0;    // of a send
  uint64_t offer = 0; // of a receive: the id of the large message that it takes
  bool done = false;
  int source = -1; // of a receive that a message is matched to
  std::exception_ptr error{};
  std::string copy{}; // of a send's data, where its request is gone before it

  bool over() const { return done || error; }
  bool wants(int from, int64_t its_tag) const {
    return tag == its_tag && (peer < 0 || peer == from);
  }
};

class SendQueue {
 public:
  Fd fd;

  bool empty() const noexcept { return frames_.empty(); }
  // With the data of `message`, or `words`, or nothing.
  void add(Head head, std::shared_ptr<Message> message = nullptr, std::string words = "") {
    frames_.push_back({head, std::move(message), std::move(words), 0});
  }
  void clear() noexcept { frames_.clear(); }
  // Keeps only a frame of which a part is written already.
  void clear_unsent() noexcept {
    while (!frames_.empty() && frames_.back().sent == 0) frames_.pop_back();
  }
  // Writes what goes now. False: the connection is lost.
  bool push() {
    while (fd && !frames_.empty()) {
      Entry& entry = frames_.front();
      const char* body = entry.message ? entry.message->data : entry.words.data();
      const size_t total = sizeof(Head) + (has_body(entry.head.frame) ? entry.head.bytes : 0);
      const bool in_head = entry.sent < sizeof(Head);
      const char* from = in_head ? reinterpret_cast<const char*>(&entry.head) + entry.sent
                                 : body + (entry.sent - sizeof(Head));
      const size_t left = (in_head ? sizeof(Head) : total) - entry.sent;
      if (left > 0) {
        const ssize_t moved = write_some(fd, from, left);
        if (moved < 0) return false;
        if (moved == 0) return true;
        entry.sent += moved;
      }
      if (entry.sent < total) continue;
      if (entry.message) entry.message->done = true;
      frames_.pop_front();
    }
    return true;
  }

 private:
  struct Entry {
    Head head;
    std::shared_ptr<Message> message;
    std::string words;
    size_t sent;
  };
  std::deque<Entry> frames_;
};

} // namespace xpu_lite::ccl::tcp
