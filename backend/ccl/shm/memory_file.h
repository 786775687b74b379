#pragma once

// A file of memory that several processes map: a memfd, which has no name and ends
// with its last user whatever happens, or a POSIX shared memory object, whose name
// lives in /dev/shm until it is unlinked.

#include <cstddef>
#include <functional>
#include <string>

#include "backend/runtime/error.h"

namespace xpu_lite::ccl::shm {

class MemoryFile {
 public:
  // Both make a file of `bytes` that only this user may open. Nothing is reserved yet.
  static MemoryFile make_memfd(size_t bytes);
  // `announce` hears the location before it is made, and again if that name was taken.
  using Announce = std::function<void(const std::string& location)>;
  static MemoryFile make_posix(size_t bytes, const Announce& announce,
                               const std::function<std::string()>& next_name = random_name);
  // Opens what location() of a process of this host says, which has `bytes`.
  static MemoryFile open(const std::string& location, size_t bytes);

  MemoryFile() = default;
  MemoryFile(MemoryFile&& other) noexcept { *this = std::move(other); }
  MemoryFile& operator=(MemoryFile&& other) noexcept;
  ~MemoryFile(); // unlinks the name, if it made one

  // "/proc/4711/fd/5" or "posix:/xpu_lite_ab12".
  const std::string& location() const { return location_; }
  bool named() const { return location_.rfind("posix:", 0) == 0; }
  // Takes the memory now, so that no later access can fail for want of it.
  void reserve(size_t offset, size_t bytes) const;
  void* map(size_t bytes) const;
  void close() noexcept;
  // Harmless when somebody else did it first.
  void unlink() noexcept;

  // Removes the name that another process announced, if it stands.
  static void remove(const std::string& location) noexcept;
  // Removes names of this user whose makers were killed before anybody else knew them.
  static void remove_orphans() noexcept;
  // "/xpu_lite_4026531836_4711_16f2...": process namespace, process, and a random number.
  static std::string random_name();

 private:
  int fd_ = -1;
  bool linked_ = false; // this process made the name and has not removed it
  std::string location_;
};

// The location could not be opened from this process.
class CannotOpen : public Error {
 public:
  using Error::Error;
};

} // namespace xpu_lite::ccl::shm
