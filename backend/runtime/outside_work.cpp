#include "backend/runtime/outside_work.h"

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "backend/runtime/blocking.h"

namespace xpu_lite {
namespace {

struct OutsideWorks {
  std::mutex mutex;
  std::map<int, OutsideWork> all;
  int next = 0;
};
OutsideWorks& outside() {
  static OutsideWorks& works = *new OutsideWorks;
  return works;
}

} // namespace

int add_outside_work(OutsideWork work) {
  std::lock_guard<std::mutex> lock(outside().mutex);
  outside().all.emplace(outside().next, std::move(work));
  return outside().next++;
}

void remove_outside_work(int id) {
  std::lock_guard<std::mutex> lock(outside().mutex);
  outside().all.erase(id);
}

bool wait_for_outside_work() {
  std::vector<OutsideWork> busy;
  {
    std::lock_guard<std::mutex> lock(outside().mutex);
    for (auto& [id, work] : outside().all)
      if (!work.idle()) busy.push_back(work);
  }
  if (busy.empty()) return false;
  BlockingScope blocking;
  for (OutsideWork& work : busy) work.wait();
  return true;
}

} // namespace xpu_lite
