#pragma once

// What the parts of the hierarchical transport share: which ranks are on which host,
// and how pieces of memory become one.

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "backend/ccl/transport.h"

namespace xpu_lite::ccl::hierarchical {

using Bytes = std::vector<char>;

inline void copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0 && to != from) std::memmove(to, from, bytes);
}

// Which ranks are on which host.
struct Layout {
  std::vector<int> host;                 // by rank
  std::vector<std::vector<int>> members; // by host, ascending; the first is its leader
  std::vector<int> index;                // by rank: which of its host's members it is

  explicit Layout(const Group& group) : host(group.size), index(group.size) {
    std::vector<std::string> names;
    for (int rank = 0; rank < group.size; ++rank) {
      const auto known = std::find(names.begin(), names.end(), group.hosts[rank]);
      host[rank] = static_cast<int>(known - names.begin());
      if (known == names.end()) {
        names.push_back(group.hosts[rank]);
        members.emplace_back();
      }
      index[rank] = static_cast<int>(members[host[rank]].size());
      members[host[rank]].push_back(rank);
    }
  }
  int hosts() const { return static_cast<int>(members.size()); }
};

// The pieces one after the other: where they lie, if they do, else in `room`, which is
// filled where they hold something.
inline const void* joined(const std::vector<ConstSlice>& pieces, Bytes& room,
                          bool fill = true) {
  const char* next = nullptr;
  const void* first = nullptr;
  bool together = true;
  size_t total = 0;
  for (const ConstSlice& piece : pieces) {
    total += piece.bytes;
    if (piece.bytes == 0) continue;
    if (!first) first = piece.data;
    else together = together && piece.data == next;
    next = static_cast<const char*>(piece.data) + piece.bytes;
  }
  if (together) return first;
  room.resize(total);
  char* to = room.data();
  if (!fill) return to;
  for (const ConstSlice& piece : pieces) {
    copy(to, piece.data, piece.bytes);
    to += piece.bytes;
  }
  return room.data();
}

// Where a rank is, and what it reaches the others by.
struct Place {
  const Layout& layout;
  int rank, host;
  const std::vector<int>& mine; // this host's ranks
  bool leads;
  Transport* local;   // null where a rank is alone on its host
  Transport* between; // of leaders only

  // visit(host, rank) for the ranks of the other hosts, host by host.
  template <class Visit>
  void each_elsewhere(const Visit& visit) const {
    for (int other = 0; other < layout.hosts(); ++other)
      if (other != host)
        for (int r : layout.members[other]) visit(other, r);
  }
};

// outs[r] receives what rank r has in its ins[rank], for any sizes. The three calls are
// one, with the deadlines of its phases.
void all_to_all(const Place& place, const Call& inward, const Call& across, const Call& outward,
                const ConstSlice* ins, const Slice* outs);

} // namespace xpu_lite::ccl::hierarchical
