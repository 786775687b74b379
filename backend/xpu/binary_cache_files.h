#pragma once

// The files of the binary cache: all by a descriptor of their folder, so that a
// folder swapped behind our back changes nothing.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace xpu_lite::xpu {

// An existing file, opened for reading.
class OwnFile {
 public:
  OwnFile(int directory, const std::string& name) noexcept;
  ~OwnFile();
  OwnFile(const OwnFile&) = delete;
  OwnFile& operator=(const OwnFile&) = delete;

  // It is there, a plain file, this user's, and nobody else may write it.
  bool trusted() const { return file_ >= 0; }
  size_t size() const { return size_; }
  bool read(void* data, size_t bytes) noexcept; // the next bytes; false at the end
  void note_use() noexcept;                     // for shrink_folder's order

 private:
  int file_ = -1;
  size_t size_ = 0;
  long used_ = 0; // when it was last used, in seconds
};

// Writes a file under a temporary name and renames it. 0, or the errno of what failed.
int replace_file(int directory, const std::string& name,
                 const std::vector<std::pair<const void*, size_t>>& parts);

// Removes what was not used for longest until files with this suffix take three
// quarters of the limit, if they take more than all of it; and temporary files
// that a dead process left.
void shrink_folder(int directory, const char* suffix, size_t limit) noexcept;

} // namespace xpu_lite::xpu
