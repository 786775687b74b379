// System calls behind MemoryFile, each with an error that says what to do about it.

#include "backend/ccl/shm/memory_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace xpu_lite::ccl::shm {
namespace {

constexpr const char* kPosix = "posix:";

std::string reason() { return std::strerror(errno); }

// Pids mean nothing to processes of another namespace that see the same /dev/shm.
unsigned long long pid_namespace() {
  struct stat info;
  return ::stat("/proc/self/ns/pid", &info) == 0 ? info.st_ino : 0;
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

// Random, not counted: a left-over file of the same name is then no more than a second try.
std::string MemoryFile::random_name() {
  uint64_t number = 0;
  if (::getrandom(&number, sizeof(number), 0) != sizeof(number))
    throw Error("getrandom failed: " + reason());
  char text[80];
  std::snprintf(text, sizeof(text), "/xpu_lite_%llu_%d_%016llx", pid_namespace(), ::getpid(),
                static_cast<unsigned long long>(number));
  return text;
}

void MemoryFile::remove_orphans() noexcept {
  DIR* folder = ::opendir("/dev/shm");
  if (folder == nullptr) return;
  const auto space = pid_namespace();
  while (const dirent* entry = ::readdir(folder)) {
    unsigned long long its_space = 0, number = 0;
    int pid = 0;
    if (std::sscanf(entry->d_name, "xpu_lite_%llu_%d_%llx", &its_space, &pid, &number) != 3)
      continue;
    struct stat info;
    if (its_space == space && space != 0 && pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH &&
        ::fstatat(::dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        info.st_uid == ::geteuid())
      ::unlinkat(::dirfd(folder), entry->d_name, 0);
  }
  ::closedir(folder);
}

void MemoryFile::remove(const std::string& location) noexcept {
  if (location.rfind(kPosix, 0) == 0) ::shm_unlink(location.c_str() + std::strlen(kPosix));
}

MemoryFile MemoryFile::make_posix(size_t bytes, const Announce& announce,
                                  const std::function<std::string()>& next_name) {
  remove_orphans();
  MemoryFile file;
  std::string name;
  for (int attempt = 0; file.fd_ < 0; ++attempt) {
    name = next_name();
    announce(kPosix + name);
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
    throw CannotOpen(message("cannot open the shared memory ", location, ": ", reason(),
                             file.named() ? "" : " (XPU_LITE_CCL_SHM=posix uses /dev/shm)"));
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
  remove(location_);
  linked_ = false;
}

} // namespace xpu_lite::ccl::shm
