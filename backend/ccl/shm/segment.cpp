// Making a segment together. Two exchanges through the store: where rank 0 made it,
// and whether everybody has attached. A rank that cannot says why in its answer, and
// every rank then throws that.

#include "backend/ccl/shm/segment.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "backend/ccl/exchange.h"
#include "backend/ccl/shm/mailbox.h"
#include "backend/ccl/shm/process.h"
#include "backend/runtime/options.h"

namespace xpu_lite::ccl::shm {
namespace {

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

constexpr const char* kAnnounced = "shm/announced"; // the name that rank 0 is about to make

uint64_t random_token() {
  uint64_t token = 0;
  if (::getrandom(&token, sizeof(token), 0) != sizeof(token))
    throw Error(message("getrandom failed: ", std::strerror(errno)));
  return token;
}

// What rank 0 tells: its token, whether another kind may be tried, and the location.
struct Invitation {
  uint64_t token = 0;
  bool fallback = false;
  std::string location;

  std::string text() const { return message("+", token, ' ', fallback, ' ', location); }
  static Invitation parse(const std::string& text) {
    Invitation invitation;
    std::istringstream(text.substr(1)) >> invitation.token >> invitation.fallback >>
        invitation.location;
    return invitation;
  }
};

void introduce(Segment& segment, int rank) {
  Control& mine = segment.control(rank);
  mine.pid = ::getpid();
  mine.start_time = start_time_of(mine.pid);
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return;
  uint64_t words[16] = {};
  std::memcpy(words, &set, std::min(sizeof(words), sizeof(set)));
  for (int i = 0; i < 16; ++i) segment.header().cores[i].fetch_or(words[i]);
}

} // namespace

Geometry geometry_for(int size) {
  Geometry geometry;
  geometry.size = size;
  // A part of the L2 that makes a step worth it; where many ranks share a slot,
  // as much as makes their pieces worth a step.
  geometry.bulk_bytes = std::max<size_t>(512 << 10, round_up((size - 1) * (16 << 10), kPage));
  geometry.mailbox_control_bytes = Mailbox::control_bytes(size);
  geometry.mailbox_bytes = Mailbox::area_bytes(size);
  return geometry;
}

Segment::Segment(const Group& group) : geometry_(geometry_for(group.size)) {
  try {
    if (group.size == 1) {
      use(Mapping::make_private(geometry_.total_bytes()));
      introduce(*this, 0);
      return;
    }
    const std::string wanted = read_environment().ccl_shm;
    const bool memfd = wanted != "posix";
    if (!attempt(group, memfd, wanted == "auto")) attempt(group, false, false);
  } catch (...) {
    file_.unlink();
    remove_announced(group);
    throw;
  }
}

// A rank 0 that is killed between making a name and telling it cannot remove it.
void Segment::remove_announced(const Group& group) noexcept {
  try {
    if (group.store->check(kAnnounced))
      MemoryFile::remove(group.store->get(kAnnounced, group.deadline));
  } catch (const std::exception&) {
    // Without the store nobody knows the name; remove_orphans() of a later group does.
  }
}

bool Segment::attempt(const Group& group, bool memfd, bool fallback) {
  const std::string topic = memfd ? "shm" : "shm posix";
  std::string mine;
  const auto announce = [&](const std::string& name) { group.store->set(kAnnounced, name); };
  if (group.rank == 0) {
    try {
      Invitation invitation{random_token(), memfd && fallback, ""};
      try {
        file_ = memfd ? MemoryFile::make_memfd(geometry_.total_bytes())
                      : MemoryFile::make_posix(geometry_.total_bytes(), announce);
      } catch (const Error&) {
        if (!invitation.fallback) throw;
        file_ = MemoryFile::make_posix(geometry_.total_bytes(), announce);
        invitation.fallback = false;
      }
      invitation.location = file_.location();
      file_.reserve(0, geometry_.rank_offset(1));
      file_.reserve(geometry_.mailbox_offset(), geometry_.mailbox_control_bytes);
      use(Mapping::make(file_, geometry_.total_bytes(), invitation.token));
      header().token = invitation.token;
      introduce(*this, 0);
      mine = invitation.text();
    } catch (const std::exception& error) {
      mine = message("!", error.what());
    }
  }
  const std::string told = exchange(group, topic, mine)[0];
  if (told[0] == '!')
    throw Error(message("process group '", group.name, "': rank ", group.label(0), ": ",
                        told.substr(1)));
  const Invitation invitation = Invitation::parse(told);

  try {
    if (group.rank != 0) attach(group.rank, invitation.location, invitation.token);
    mine = "+";
  } catch (const CannotOpen& error) {
    mine = message("?", error.what());
  } catch (const std::exception& error) {
    mine = message("!", error.what());
  }
  std::string failures;
  bool only_opening = true;
  const std::vector<std::string> all = exchange(group, topic + " attached", mine);
  for (int rank = 0; rank < group.size; ++rank) {
    if (all[rank] == "+") continue;
    failures += message(failures.empty() ? "rank " : "; rank ", group.label(rank), ": ",
                        all[rank].substr(1));
    only_opening = only_opening && all[rank][0] == '?';
  }
  file_.unlink(); // whoever had to attach has; a second unlink finds nothing
  if (!failures.empty()) {
    if (only_opening && invitation.fallback) return false;
    throw Error(message("process group '", group.name, "': ", failures));
  }
  kind_ = file_.named() ? "posix" : "memfd";
  if (group.rank == 0 && file_.named()) group.store->remove(kAnnounced);
  // Kernels since 5.14 reserve through the mapping; elsewhere the file stays open.
  if (::madvise(data_ + geometry_.rank_offset(group.rank), kPage, MADV_POPULATE_WRITE) == 0)
    file_.close();
  return true;
}

void Segment::attach(int rank, const std::string& location, uint64_t token) {
  file_ = MemoryFile::open(location, geometry_.total_bytes());
  file_.reserve(geometry_.rank_offset(rank), geometry_.rank_bytes());
  auto mapping = Mapping::find(token);
  use(mapping ? mapping : Mapping::make(file_, geometry_.total_bytes(), token));
  if (header().token != token)
    throw CannotOpen(message("the shared memory ", location, " is not this group's"));
  introduce(*this, rank);
}

void Segment::use(std::shared_ptr<Mapping> mapping) {
  mapping_ = std::move(mapping);
  data_ = mapping_->data();
}

void Segment::reserve_mailbox(size_t offset, size_t bytes) {
  if (geometry_.size == 1) return;
  const size_t begin = (geometry_.mailbox_offset() + offset) / kPage * kPage;
  const size_t end = round_up(geometry_.mailbox_offset() + offset + bytes, kPage);
  if (::madvise(data_ + begin, end - begin, MADV_POPULATE_WRITE) == 0) return;
  const int error = errno;
  if (error == EINVAL) return file_.reserve(begin, end - begin);
  throw Error(message("cannot reserve ", bytes, " bytes of shared memory for messages: ",
                      error == EFAULT ? "no space is left" : std::strerror(error)));
}

} // namespace xpu_lite::ccl::shm
