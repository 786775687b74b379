#include "backend/xpu/binary_cache_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>

namespace xpu_lite::xpu {
namespace {

constexpr char kTemporary[] = ".tmp";
constexpr long kDay = 86400, kHour = 3600;

int write_all(int file, const void* data, size_t bytes) {
  for (auto* p = static_cast<const char*>(data); bytes;) {
    ssize_t done = write(file, p, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return done ? errno : ENOSPC;
    p += done;
    bytes -= static_cast<size_t>(done);
  }
  return 0;
}

} // namespace

OwnFile::OwnFile(int directory, const std::string& name) noexcept {
  int file = openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat state{};
  if (file < 0) return;
  if (fstat(file, &state) || !S_ISREG(state.st_mode) || state.st_uid != geteuid() ||
      (state.st_mode & (S_IWGRP | S_IWOTH))) {
    close(file);
    return;
  }
  file_ = file;
  size_ = static_cast<size_t>(state.st_size);
  used_ = state.st_mtime;
}

OwnFile::~OwnFile() {
  if (file_ >= 0) close(file_);
}

bool OwnFile::read(void* data, size_t bytes) noexcept {
  for (auto* p = static_cast<char*>(data); bytes;) {
    ssize_t done = ::read(file_, p, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    p += done;
    bytes -= static_cast<size_t>(done);
  }
  return true;
}

void OwnFile::note_use() noexcept {
  if (std::time(nullptr) - used_ > kDay) futimens(file_, nullptr);
}

int replace_file(int directory, const std::string& name,
                 const std::vector<std::pair<const void*, size_t>>& parts) {
  static std::atomic<uint64_t> count{0};
  const std::string temporary =
      name + "." + std::to_string(getpid()) + "." + std::to_string(count++) + kTemporary;
  int file = openat(directory, temporary.c_str(),
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  int error = 0;
  for (auto& [data, bytes] : parts)
    if (!error) error = write_all(file, data, bytes);
  if (close(file) && !error) error = errno;
  if (!error && renameat(directory, temporary.c_str(), directory, name.c_str())) error = errno;
  if (error) unlinkat(directory, temporary.c_str(), 0);
  return error;
}

void shrink_folder(int directory, const char* suffix, size_t limit) noexcept try {
  struct Item {
    long used;
    size_t size;
    std::string name;
  };
  int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = copy < 0 ? nullptr : fdopendir(copy);
  if (!dir) {
    if (copy >= 0) close(copy);
    return;
  }
  std::vector<Item> items;
  size_t total = 0;
  while (const dirent* entry = readdir(dir)) {
    std::string name = entry->d_name;
    struct stat state{};
    const bool temporary = name.ends_with(kTemporary);
    if ((!temporary && !name.ends_with(suffix)) ||
        fstatat(directory, name.c_str(), &state, AT_SYMLINK_NOFOLLOW) || !S_ISREG(state.st_mode))
      continue;
    if (temporary) {
      if (std::time(nullptr) - state.st_mtime > kHour) unlinkat(directory, name.c_str(), 0);
      continue;
    }
    items.push_back({state.st_mtime, static_cast<size_t>(state.st_size), std::move(name)});
    total += items.back().size;
  }
  closedir(dir);
  if (total <= limit) return;
  std::sort(items.begin(), items.end(),
            [](const Item& a, const Item& b) { return a.used < b.used; });
  for (auto& item : items) {
    if (total <= limit / 4 * 3) break;
    if (!unlinkat(directory, item.name.c_str(), 0)) total -= item.size;
  }
} catch (...) {
}

} // namespace xpu_lite::xpu
