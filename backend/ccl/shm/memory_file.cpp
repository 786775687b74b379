// System calls behind MemoryFile, each with an error that says what to do about it.

#include "backend/ccl/shm/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace xpu_lite::ccl::shm {
namespace {

constexpr const char* kPosix = "posix:";

std::string reason() { return std::strerror(errno); }

// Names are random, not counted: another program's left-over file of the same name
// is then no more than a second try.
std::string random_name() {
  uint64_t number = 0;
  if (::getrandom(&number, sizeof(number), 0) != sizeof(number))
    throw Error("getrandom failed: " + reason());
  char text[40];
  std::snprintf(text, sizeof(text), "/xpu_lite_%016llx", static_cast<unsigned long long>(number));
  return text;
}

void resize(int fd, size_t bytes) {
  if (::ftruncate(fd, static_cast<off_t>(bytes)) != 0)
    throw Error(message("cannot make a shared memory file of ", bytes, " bytes: ", reason()));
}

} // namespace

MemoryFile MemoryFile::make_memfd(size_t bytes) {
  MemoryFile file;
  file.fd_ = ::memfd_create("xpu_lite_ccl", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file.fd_ < 0) throw Error("memfd_create failed: " + reason());
  file.location_ = message("/proc/", ::getpid(), "/fd/", file.fd_);
  if (::fchmod(file.fd_, 0600) != 0) throw Error("fchmod of a memfd failed: " + reason());
  resize(file.fd_, bytes);
  // Nobody can cut the file short under a mapping, which would kill its users.
  ::fcntl(file.fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
  return file;
}

MemoryFile MemoryFile::make_posix(size_t bytes) {
  MemoryFile file;
  std::string name;
  for (int attempt = 0; file.fd_ < 0; ++attempt) {
    name = random_name();
    file.fd_ = ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file.fd_ < 0 && (errno != EEXIST || attempt == 16))
      throw Error(message("cannot make ", name, " in /dev/shm: ", reason()));
  }
  file.location_ = kPosix + name;
  file.linked_ = true;
  resize(file.fd_, bytes);
  return file;
}

MemoryFile MemoryFile::open(const std::string& location, size_t bytes) {
  MemoryFile file;
  file.location_ = location;
  file.fd_ = file.named()
                 ? ::shm_open(location.c_str() + std::strlen(kPosix), O_RDWR | O_CLOEXEC, 0600)
                 : ::open(location.c_str(), O_RDWR | O_CLOEXEC);
  if (file.fd_ < 0)
    throw CannotOpen(message("cannot open the shared memory ", location, ": ", reason()));
  struct stat info;
  if (::fstat(file.fd_, &info) != 0 || static_cast<size_t>(info.st_size) != bytes)
    throw CannotOpen(message(location, " is not the shared memory of this group"));
  return file;
}

MemoryFile& MemoryFile::operator=(MemoryFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(linked_, other.linked_);
  std::swap(location_, other.location_);
  return *this;
}

MemoryFile::~MemoryFile() {
  if (linked_) unlink();
  close();
}

void MemoryFile::reserve(size_t offset, size_t bytes) const {
  while (::fallocate(fd_, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)) != 0) {
    if (errno == EINTR) continue;
    throw Error(message("cannot reserve ", bytes, " bytes of shared memory: ", reason(),
                        named() ? " (/dev/shm: is it full? XPU_LITE_CCL_SHM=memfd does not use it)"
                                : ""));
  }
}

void* MemoryFile::map(size_t bytes) const {
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (data == MAP_FAILED)
    throw Error(message("cannot map ", bytes, " bytes of shared memory: ", reason()));
  return data;
}

void MemoryFile::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void MemoryFile::unlink() noexcept {
  if (named()) ::shm_unlink(location_.c_str() + std::strlen(kPosix));
  linked_ = false;
}

} // namespace xpu_lite::ccl::shm
