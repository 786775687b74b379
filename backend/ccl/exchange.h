#pragma once

// What every rank says about itself, read by every rank: the first thing that
// ranks do together, so also where a rank that never came is noticed.

#include <string>
#include <vector>

#include "backend/ccl/store.h"

namespace xpu_lite::ccl {

// Every rank's `mine`, by rank. A topic is used once in a group's life. Costs five
// requests to the store on a rank, and as many as there are ranks on rank 0; nothing
// stays in the store afterwards. TimeoutError names the ranks that did not come.
std::vector<std::string> exchange(const Group& group, const std::string& topic,
                                  const std::string& mine);

// The same of make(): if it throws on any rank, every rank throws what it threw, as a
// ValueError if it was one, else as an Error; with the rank's number if it is another's.
std::vector<std::string> exchange_result(const Group& group, const std::string& topic,
                                         std::string (*make)());

// "0", "1 and 3", "0, 1, 2 and 9".
std::string list_of(const std::vector<int>& ranks);

} // namespace xpu_lite::ccl
