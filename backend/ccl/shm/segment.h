#pragma once

// The shared memory of one group: made by rank 0, mapped by all, each rank's part
// reserved by that rank. Either all ranks have it, or all throw why not.

#include <memory>

#include "backend/ccl/shm/layout.h"
#include "backend/ccl/shm/mapping.h"
#include "backend/ccl/shm/memory_file.h"
#include "backend/ccl/store.h"

namespace xpu_lite::ccl::shm {

class Segment {
 public:
  // Takes part in making the group's segment. A group of one needs no store.
  explicit Segment(const Group& group);
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  const Geometry& geometry() const { return geometry_; }
  // "memfd", "posix" or "private": what it is, for people.
  const char* kind() const { return kind_; }

  Header& header() { return *at<Header>(0); }
  Control& control(int rank) {
    return at<Control>(geometry_.controls_offset())[rank];
  }
  Slot& slot(int rank, uint64_t step) {
    return at<Slot>(geometry_.rank_offset(rank))[step % geometry_.slots];
  }
  std::byte* bulk(int rank, uint64_t step) {
    return at<std::byte>(geometry_.rank_offset(rank) + geometry_.slots * sizeof(Slot) +
                         step % geometry_.slots * geometry_.bulk_bytes);
  }
  void* mailbox() { return at<void>(geometry_.mailbox_offset()); }
  // Makes a part of the mailbox safe to write, or throws. From any thread.
  void reserve_mailbox(size_t offset, size_t bytes);

 private:
  template <class T>
  T* at(size_t offset) { return reinterpret_cast<T*>(data_ + offset); }
  // False where a rank cannot open what rank 0 made, and another kind may do.
  bool attempt(const Group& group, bool memfd, bool last);
  void remove_announced(const Group& group) noexcept;
  void attach(int rank, const std::string& location, uint64_t token);
  void use(std::shared_ptr<Mapping> mapping);

  Geometry geometry_;
  const char* kind_ = "private";
  std::shared_ptr<Mapping> mapping_;
  std::byte* data_ = nullptr; // of the mapping
  MemoryFile file_; // closed once all are attached, unless reserve_mailbox() needs it
};

} // namespace xpu_lite::ccl::shm
