#include "backend/xpu/spirv/includes.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace xpu_lite::xpu {
namespace {

void collect(const std::string& root, const std::string& file, std::vector<std::string>& found) {
  std::ifstream in(root + "/" + file);
  for (std::string line; std::getline(in, line);) {
    size_t at = line.find_first_not_of(" \t");
    if (at == std::string::npos || line.compare(at, 1, "#")) continue;
    at = line.find("include", at);
    size_t open = line.find('"', at == std::string::npos ? line.size() : at);
    size_t close = open == std::string::npos ? open : line.find('"', open + 1);
    if (close == std::string::npos) continue;
    std::string name = line.substr(open + 1, close - open - 1);
    if (std::find(found.begin(), found.end(), name) != found.end() ||
        !std::filesystem::exists(root + "/" + name))
      continue;
    found.push_back(name);
    collect(root, name, found);
  }
}

} // namespace

std::vector<std::string> project_includes(const std::string& root, const std::string& source) {
  std::vector<std::string> found;
  collect(root, source, found);
  return found;
}

} // namespace xpu_lite::xpu
