// Rank 0 collects and writes one list, so that a group of n ranks costs the store
// 4 n requests and not n * n.

#include "backend/ccl/exchange.h"

namespace xpu_lite::ccl {
namespace {

// Texts with their lengths in front: "3:abc0:2:de".
std::string join(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += message(text.size(), ':', text);
  return joined;
}

std::vector<std::string> part(const std::string& joined) {
  std::vector<std::string> texts;
  for (size_t at = 0; at < joined.size();) {
    const size_t colon = joined.find(':', at);
    const size_t size = std::stoull(joined.substr(at, colon - at));
    texts.push_back(joined.substr(colon + 1, size));
    at = colon + 1 + size;
  }
  return texts;
}

} // namespace

std::string list_of(const std::vector<int>& ranks) {
  std::string text;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (i > 0) text += i + 1 == ranks.size() ? " and " : ", ";
    text += std::to_string(ranks[i]);
  }
  return text;
}

std::vector<std::string> exchange(const Group& group, const std::string& topic,
                                  const std::string& mine) {
  Store& store = *group.store;
  const std::string base = "exchange/" + topic + "/";
  const auto key = [&](int rank) { return base + std::to_string(rank); };
  const auto context = message("process group '", group.name, "', rank ", group.label(group.rank),
                               ", while it is made (", topic, "): ");
  std::vector<std::string> all;
  try {
    store.set(key(group.rank), mine);
    if (group.rank == 0) {
      for (int rank = 0; rank < group.size; ++rank)
        all.push_back(store.get(key(rank), group.deadline));
      store.set(base + "all", join(all));
      for (int rank = 0; rank < group.size; ++rank) store.remove(key(rank));
    } else {
      all = part(store.get(base + "all", group.deadline));
    }
    if (store.add(base + "read", 1) == group.size) {
      store.remove(base + "all");
      store.remove(base + "read");
    }
    return all;
  } catch (const TimeoutError& error) {
    std::vector<int> missing;
    try {
      for (int rank = 0; rank < group.size; ++rank)
        if (!store.check(key(rank))) missing.push_back(group.label(rank));
    } catch (const std::exception&) {
      missing.clear(); // the store is gone too: what it said first is the cause
    }
    if (missing.empty()) // all came; it is rank 0 who answers
      throw TimeoutError(message(context, "rank ", group.label(0), " did not answer (",
                                 error.what(), ")"));
    throw TimeoutError(message(context, missing.size() == 1 ? "rank " : "ranks ",
                               list_of(missing), " did not come in time"));
  } catch (const std::exception& error) {
    throw PeerError(message(context, "the store failed: ", error.what()));
  }
}

std::vector<std::string> exchange_result(const Group& group, const std::string& topic,
                                         std::string (*make)()) {
  std::string mine;
  try {
    mine = "+" + make();
  } catch (const ValueError& error) {
    mine = message("v", error.what());
  } catch (const std::exception& error) {
    mine = message("e", error.what());
  }
  std::vector<std::string> all = exchange(group, topic, mine);
  for (int rank = 0; rank < group.size; ++rank) {
    if (all[rank][0] == '+') continue;
    std::string text = all[rank].substr(1);
    if (rank != group.rank) text = message("rank ", group.label(rank), ": ", text);
    if (all[rank][0] == 'v') throw ValueError(text);
    throw Error(text);
  }
  for (std::string& text : all) text.erase(0, 1);
  return all;
}

} // namespace xpu_lite::ccl
