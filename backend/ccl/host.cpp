// The identity of a host, and its exchange. What decides is whether two processes
// can reach each other's memory files: /proc/<pid>/fd needs one kernel, one process
// namespace and one user; a network namespace of its own is how a machine is cut in
// several, and such parts shall not meet in shared memory.

#include "backend/ccl/host.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "backend/ccl/exchange.h"
#include "backend/runtime/options.h"

namespace xpu_lite::ccl {
namespace {

std::string boot() {
  std::string id;
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  if (file >> id) return id;
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  return name;
}

// "4026531836", or "?" where /proc is hidden.
std::string namespace_id(const char* kind) {
  struct stat info;
  if (::stat(message("/proc/self/ns/", kind).c_str(), &info) != 0) return "?";
  return std::to_string(info.st_ino);
}

} // namespace

std::string host_identity() {
  const std::string chosen = read_environment().ccl_host_id;
  if (!chosen.empty()) return chosen;
  return message("boot=", boot(), " pid=", namespace_id("pid"), " net=", namespace_id("net"),
                 " user=", ::geteuid());
}

std::vector<std::string> gather_hosts(const Group& group) {
  return exchange_result(group, "hosts", &host_identity);
}

} // namespace xpu_lite::ccl
