#pragma once

// Note [Binary cache]
// Device binaries, one file each, so that a process builds no kernel that an
// earlier one has built. Nothing in it is trusted:
// - the folder is made with mode 0700; one that others may write into, or that
//   belongs to somebody else, is not used (a warning, once);
// - an entry must be a plain file of ours with the magic number, the whole key
//   (SPIR-V, device, driver, runtime and our version), the length and a checksum,
//   else it counts as absent and is written again;
// - an entry is written to a temporary file and renamed, so that no process sees
//   half of one.
// Whatever fails, the caller builds the kernel: a full or read-only disk costs
// time, not results. When the folder grows beyond its limit, what was not used
// for longest goes.

#include <string>
#include <vector>

namespace xpu_lite::xpu {

class BinaryCache {
 public:
  // An empty folder, or a limit of 0 bytes, is a cache that keeps nothing.
  BinaryCache(std::string folder, size_t limit);
  ~BinaryCache();
  BinaryCache(const BinaryCache&) = delete;
  BinaryCache& operator=(const BinaryCache&) = delete;

  // Thread-safe; neither throws. load() gives an empty vector for what is absent.
  std::vector<char> load(const std::string& key) noexcept;
  void store(const std::string& key, const std::vector<char>& binary) noexcept;

  bool usable() const { return directory_ >= 0; }
  const std::string& folder() const { return folder_; }
  // The file name of a key's entry.
  static std::string file_name(const std::string& key);

 private:
  void evict() noexcept;

  std::string folder_;
  size_t limit_;
  int directory_ = -1; // all files are opened relative to it
};

// The process's own: XPU_LITE_CACHE_DIR, else xpu_lite in $XDG_CACHE_HOME or
// ~/.cache; at most XPU_LITE_CACHE_SIZE bytes.
BinaryCache& binary_cache();

} // namespace xpu_lite::xpu
