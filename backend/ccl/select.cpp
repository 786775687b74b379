// Which transport a group gets. Every rank decides from the same facts, which they
// exchange first: the variable of each, the hosts, and where oneCCL is missing.

#include <algorithm>
#include <cstdio>

#include "backend/ccl/exchange.h"
#include "backend/ccl/host.h"
#include "backend/ccl/transport.h"
#include "backend/runtime/options.h"

namespace xpu_lite::ccl {
namespace {

enum class Kind { Shm, Oneccl, ShmOneccl, Gloo, ShmGloo };

struct Choice {
  Kind kind;
  std::string why;
};

// The ranks that said each text, in the order of their first ranks.
std::vector<std::pair<std::string, std::vector<int>>> by_text(
    const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::vector<int>>> sets;
  for (size_t rank = 0; rank < texts.size(); ++rank) {
    auto same = std::find_if(sets.begin(), sets.end(),
                             [&](const auto& set) { return set.first == texts[rank]; });
    if (same == sets.end()) same = sets.insert(sets.end(), {texts[rank], {}});
    same->second.push_back(static_cast<int>(rank));
  }
  return sets;
}

std::string ranks_text(const std::vector<int>& ranks) {
  return (ranks.size() == 1 ? "rank " : "ranks ") + list_of(ranks);
}

std::string wanted_here() { return read_environment().ccl_transport; }

std::string wanted_by_all(const Group& group) {
  const auto sets = by_text(exchange_result(group, "transport", &wanted_here));
  if (sets.size() == 1) return sets[0].first;
  std::string values;
  for (const auto& [text, ranks] : sets)
    values += message(values.empty() ? "" : ", ", text, " on ", ranks_text(ranks));
  throw ValueError(message("XPU_LITE_CCL_TRANSPORT must be the same on every rank of process ",
                           "group '", group.name, "', and is ", values));
}

// "on rank 2: not installed: ..."; empty if oneCCL can be used on every rank.
std::string oneccl_missing_anywhere(const Group& group) {
  std::vector<int> ranks;
  std::string reason;
  const auto all = exchange_result(group, "oneccl", &oneccl_missing);
  for (int rank = 0; rank < group.size; ++rank) {
    if (all[rank].empty()) continue;
    if (reason.empty()) reason = all[rank];
    ranks.push_back(rank);
  }
  return ranks.empty() ? "" : message("on ", ranks_text(ranks), ": ", reason);
}

Choice choose(const Group& group) {
  const std::string wanted = wanted_by_all(group);
  const auto hosts = by_text(group.hosts);
  const bool one_host = hosts.size() == 1;
  const std::string asked = "XPU_LITE_CCL_TRANSPORT=" + wanted;
  const std::string spread =
      one_host ? "all ranks are on one host"
               : message("ranks are on ", hosts.size(), " hosts");
  if (wanted == "gloo") return {Kind::Gloo, asked};
  if (wanted == "shm") {
    if (one_host) return {Kind::Shm, asked};
    std::string where;
    for (const auto& [text, ranks] : hosts)
      where += message("; ", ranks_text(ranks), " on [", text, "]");
    throw ValueError(message(asked, " needs all ranks of process group '", group.name,
                             "' on one host, and the ", spread, where,
                             ". With XPU_LITE_CCL_TRANSPORT=auto, or unset, hosts are joined by "
                             "oneCCL or gloo"));
  }
  if (wanted == "auto" && one_host) return {Kind::Shm, spread};
  const std::string missing = oneccl_missing_anywhere(group);
  const bool shared = !one_host && hosts.size() < static_cast<size_t>(group.size);
  const Kind kind = shared ? Kind::ShmOneccl : Kind::Oneccl;
  if (wanted == "oneccl") {
    if (!missing.empty())
      throw Error(message(asked, " for process group '", group.name, "': oneCCL is missing ",
                          missing));
    return {kind, asked + ", " + spread};
  }
  if (!missing.empty())
    return {shared ? Kind::ShmGloo : Kind::Gloo, spread + ", and oneCCL is missing " + missing};
  return {kind, spread};
}

} // namespace

std::unique_ptr<Transport> make_transport(Group group, const TransportFactory& gloo) {
  if (group.hosts.empty()) group.hosts = gather_hosts(group);
  const Choice choice = choose(group);
  if ((choice.kind == Kind::Gloo || choice.kind == Kind::ShmGloo) && !gloo)
    throw Error(message("process group '", group.name, "' needs gloo (", choice.why,
                        "), which this program does not have"));
  std::unique_ptr<Transport> transport;
  switch (choice.kind) {
    case Kind::Shm: transport = make_shm_transport(group); break;
    case Kind::Oneccl: transport = make_oneccl_transport(group); break;
    case Kind::ShmOneccl:
      transport = make_hierarchical_transport(group, make_oneccl_transport);
      break;
    case Kind::Gloo: transport = gloo(group); break;
    case Kind::ShmGloo: transport = make_hierarchical_transport(group, gloo); break;
  }
  if (group.rank == 0 && read_environment().print_ccl)
    std::fprintf(stderr, "xpu_lite: process group '%s', %d ranks: %s (%s): %s\n",
                 group.name.c_str(), group.size, transport->name(), choice.why.c_str(),
                 transport->describe().c_str());
  return transport;
}

} // namespace xpu_lite::ccl
