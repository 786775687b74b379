#include "backend/xpu/kernel_library.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "backend/runtime/error.h"
#include "backend/xpu/spirv/archive.h"

namespace xpu_lite::xpu {
namespace {

std::string find_folder() {
  if (const char* set = std::getenv("XPU_LITE_KERNEL_DIR"); set && *set) return set;
  Dl_info info{};
  if (!dladdr(reinterpret_cast<const void*>(&find_kernel), &info)) return "kernels";
  std::string library = info.dli_fname;
  size_t slash = library.rfind('/');
  return (slash == std::string::npos ? std::string(".") : library.substr(0, slash)) +
         "/../kernels";
}

std::vector<std::string> archives_in(const std::string& folder) {
  std::vector<std::string> found;
  DIR* dir = opendir(folder.c_str());
  if (!dir) return found;
  while (const dirent* item = readdir(dir)) {
    std::string name = item->d_name;
    if (name.size() > 3 && name.ends_with(".xk")) found.push_back(folder + "/" + name);
  }
  closedir(dir);
  std::sort(found.begin(), found.end());
  return found;
}

// A mapping that lives as long as the process.
std::string_view map_file(const std::string& path) {
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat state{};
  if (file < 0 || fstat(file, &state) || state.st_size < static_cast<off_t>(sizeof(ArchiveHeader))) {
    if (file >= 0) close(file);
    throw Error(message("the kernel archive ", path, " cannot be read; install the package again"));
  }
  void* data = mmap(nullptr, state.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (data == MAP_FAILED) throw Error(message("the kernel archive ", path, " cannot be mapped"));
  return {static_cast<const char*>(data), static_cast<size_t>(state.st_size)};
}

class Library {
 public:
  Library() : folder_(find_folder()) {
    for (auto& path : archives_in(folder_)) add(path);
    table_.reserve(images_.size() * 2);
    for (uint32_t i = 0; i < images_.size(); ++i) {
      images_[i].index = i;
      auto [at, is_new] = table_.emplace(images_[i].name, i);
      if (!is_new)
        throw Error(message("two kernel archives in ", folder_, " have a kernel named ",
                            images_[i].name, "; install the package again"));
    }
  }

  const KernelImage* find(std::string_view name) const {
    auto at = table_.find(name);
    return at == table_.end() ? nullptr : &images_[at->second];
  }

  const std::string& folder() const { return folder_; }
  const std::vector<KernelImage>& images() const { return images_; }

 private:
  void add(const std::string& path) {
    std::string_view file = map_file(path);
    auto* header = reinterpret_cast<const ArchiveHeader*>(file.data());
    auto bad = [&] {
      throw Error(message("the kernel archive ", path,
                          " is damaged or of another version; install the package again"));
    };
    if (std::memcmp(header->magic, kArchiveMagic, sizeof header->magic) ||
        header->version != kArchiveVersion || header->size != file.size() ||
        header->count > (file.size() - sizeof *header) / sizeof(ArchiveEntry))
      bad();
    auto* entries = reinterpret_cast<const ArchiveEntry*>(header + 1);
    for (uint32_t i = 0; i < header->count; ++i) {
      const ArchiveEntry& e = entries[i];
      if (uint64_t{e.name} + e.name_size > file.size() || e.offset > file.size() ||
          e.size > file.size() - e.offset)
        bad();
      images_.push_back({file.substr(e.name, e.name_size), file.data() + e.offset, e.size, e.hash,
                         e.needs, 0});
    }
  }

  std::string folder_;
  std::vector<KernelImage> images_;
  std::unordered_map<std::string_view, uint32_t> table_;
};

const Library& library() {
  static const Library* it = new Library; // never destroyed: kernels run until the end
  return *it;
}

} // namespace

const KernelImage* find_kernel(std::string_view name) { return library().find(name); }

size_t kernel_count() { return library().images().size(); }

std::vector<std::string_view> kernel_names() {
  std::vector<std::string_view> names;
  for (auto& image : library().images()) names.push_back(image.name);
  std::sort(names.begin(), names.end());
  return names;
}

const std::string& kernel_folder() { return library().folder(); }

std::string entry_point(std::string_view name) { return kEntryPrefix + std::string(name); }

} // namespace xpu_lite::xpu
