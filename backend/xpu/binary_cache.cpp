#include "backend/xpu/binary_cache.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "backend/runtime/options.h"
#include "backend/xpu/binary_cache_files.h"
#include "backend/xpu/spirv/archive.h"

namespace xpu_lite::xpu {
namespace {

constexpr char kMagic[8] = {'X', 'P', 'U', 'L', 'B', 'I', 'N', '1'};

struct Header {
  char magic[8];
  uint64_t key_size, size;
  uint64_t checksum; // of the binary
};

void warn(const std::string& text) { std::fprintf(stderr, "xpu_lite: warning: %s\n", text.c_str()); }

// Makes the folder and those above it; those that are missing get mode 0700.
void make_folders(const std::string& path) {
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    mkdir(path.substr(0, at).c_str(), 0700);
  mkdir(path.c_str(), 0700);
}

// Why a folder is not to be trusted, or an empty text.
std::string objection(const struct stat& state) {
  if (!S_ISDIR(state.st_mode)) return "it is not a folder";
  if (state.st_uid != geteuid()) return "it belongs to another user";
  if (state.st_mode & (S_IWGRP | S_IWOTH))
    return "other users may write into it (chmod 700 makes it usable)";
  return {};
}

// -1 with a warning when the folder cannot be used.
int open_folder(const std::string& folder) {
  make_folders(folder);
  int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat state{};
  std::string reason;
  if (directory < 0 || fstat(directory, &state)) reason = std::strerror(errno);
  else reason = objection(state);
  if (reason.empty()) return directory;
  if (directory >= 0) close(directory);
  warn("built kernels are not kept on disk: " + folder + ": " + reason);
  return -1;
}

} // namespace

BinaryCache::BinaryCache(std::string folder, size_t limit)
    : folder_(std::move(folder)), limit_(limit) {
  if (!folder_.empty() && limit_) directory_ = open_folder(folder_);
}

BinaryCache::~BinaryCache() {
  if (directory_ >= 0) close(directory_);
}

std::string BinaryCache::file_name(const std::string& key) {
  char name[48];
  std::snprintf(name, sizeof name, "%016llx%016llx.bin",
                static_cast<unsigned long long>(hash_bytes(key.data(), key.size())),
                static_cast<unsigned long long>(hash_bytes(key.data(), key.size(), 0x9e3779b97f4a7c15u)));
  return name;
}

std::vector<char> BinaryCache::load(const std::string& key) noexcept try {
  if (!usable()) return {};
  OwnFile file(directory_, file_name(key));
  Header header{};
  if (!file.trusted() || !file.read(&header, sizeof header) ||
      std::memcmp(header.magic, kMagic, sizeof kMagic) || header.key_size != key.size() ||
      file.size() != sizeof header + key.size() + header.size)
    return {};
  std::string found(key.size(), '\0');
  std::vector<char> binary(header.size);
  if (!file.read(found.data(), found.size()) || found != key ||
      !file.read(binary.data(), binary.size()) ||
      hash_bytes(binary.data(), binary.size()) != header.checksum)
    return {};
  file.note_use();
  return binary;
} catch (...) {
  return {};
}

void BinaryCache::store(const std::string& key, const std::vector<char>& binary) noexcept try {
  static std::atomic<int> failures{0}, stored{0};
  if (!usable() || binary.empty() || failures.load() >= 3) return;
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.key_size = key.size();
  header.size = binary.size();
  header.checksum = hash_bytes(binary.data(), binary.size());
  if (sizeof header + key.size() + binary.size() > limit_ / 4) return;
  if (stored.fetch_add(1) % 64 == 0) evict();
  if (int error = replace_file(directory_, file_name(key),
                               {{&header, sizeof header},
                                {key.data(), key.size()},
                                {binary.data(), binary.size()}});
      error && failures.fetch_add(1) == 0)
    warn("a built kernel could not be kept in " + folder_ + ": " + std::strerror(error) +
         "; processes will build it again");
} catch (...) {
}

void BinaryCache::evict() noexcept { shrink_folder(directory_, ".bin", limit_); }

BinaryCache& binary_cache() {
  static BinaryCache* cache = [] {
    std::string folder = options().cache_dir;
    if (folder.empty()) {
      const char* base = std::getenv("XDG_CACHE_HOME");
      const char* home = std::getenv("HOME");
      if (!home || *home != '/') {
        const passwd* user = getpwuid(geteuid());
        home = user ? user->pw_dir : nullptr;
      }
      if (base && *base == '/') folder = std::string(base) + "/xpu_lite";
      else if (home && *home == '/') folder = std::string(home) + "/.cache/xpu_lite";
    }
    return new BinaryCache(folder, options().cache_size);
  }();
  return *cache;
}

} // namespace xpu_lite::xpu
