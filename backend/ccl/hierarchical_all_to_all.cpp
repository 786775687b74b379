// all_to_all over hosts: inside a host straight, between hosts through the leaders. What
// leaves a host is gathered by its leader, crosses the network as one piece for each
// host, and is scattered there; everyone's sizes are known in the host from the start.

#include "backend/ccl/hierarchical.h"

namespace xpu_lite::ccl::hierarchical {

void all_to_all(const Place& place, const Call& inward, const Call& across, const Call& outward,
                const ConstSlice* ins, const Slice* outs) {
  const Layout& layout = place.layout;
  const size_t n = layout.host.size(), m = place.mine.size();
  // What every rank of this host sends and expects.
  std::vector<uint64_t> sizes(2 * n * m);
  {
    std::vector<uint64_t> own(2 * n);
    for (size_t r = 0; r < n; ++r) {
      own[r] = ins[r].bytes;
      own[n + r] = outs[r].bytes;
    }
    std::vector<Slice> all;
    for (size_t i = 0; i < m; ++i) all.push_back({&sizes[2 * n * i], 2 * n * sizeof own[0]});
    if (place.local) place.local->all_gather(inward, {own.data(), all[0].bytes}, all.data());
    else sizes = own;
  }
  const auto sent = [&](size_t i, int to) { return sizes[2 * n * i + to]; };
  const auto expected = [&](size_t i, int from) { return sizes[2 * n * i + n + from]; };

  if (place.local) {
    std::vector<ConstSlice> gives;
    std::vector<Slice> takes;
    for (int r : place.mine) {
      gives.push_back(ins[r]);
      takes.push_back(outs[r]);
    }
    place.local->all_to_all(inward, gives.data(), takes.data());
  } else {
    copy(outs[place.rank].data, ins[place.rank].data, outs[place.rank].bytes);
  }

  // What leaves the host, to its leader: by host of its receiver, and by receiver.
  std::vector<ConstSlice> leaving;
  place.each_elsewhere([&](int, int r) { leaving.push_back(ins[r]); });
  Bytes room;
  const void* joint = joined(leaving, room);
  size_t joint_bytes = 0;
  for (const ConstSlice& piece : leaving) joint_bytes += piece.bytes;
  std::vector<Bytes> from_rank(m);
  std::vector<const char*> next(m);
  if (place.local) {
    std::vector<Slice> takes(m);
    for (size_t i = 0; i < m && place.leads; ++i) {
      size_t bytes = 0;
      place.each_elsewhere([&](int, int r) { bytes += sent(i, r); });
      from_rank[i].resize(bytes);
      takes[i] = {from_rank[i].data(), bytes};
      next[i] = from_rank[i].data();
    }
    place.local->gather(inward, {joint, joint_bytes}, takes.data(), 0);
  } else {
    next[0] = static_cast<const char*>(joint);
  }

  std::vector<Bytes> arrived(layout.hosts());
  if (place.leads) {
    // For each host: by receiver, and by sender.
    std::vector<Bytes> departing(layout.hosts());
    place.each_elsewhere([&](int host, int r) {
      for (size_t i = 0; i < m; ++i) {
        departing[host].insert(departing[host].end(), next[i], next[i] + sent(i, r));
        next[i] += sent(i, r);
      }
    });
    std::vector<ConstSlice> gives;
    std::vector<Slice> takes;
    for (int host = 0; host < layout.hosts(); ++host) {
      size_t bytes = 0;
      for (size_t i = 0; i < m && host != place.host; ++i)
        for (int r : layout.members[host]) bytes += expected(i, r);
      arrived[host].resize(bytes);
      gives.push_back({departing[host].data(), departing[host].size()});
      takes.push_back({arrived[host].data(), bytes});
    }
    place.between->all_to_all(across, gives.data(), takes.data());
  }

  // To the receivers: by host of the sender, and by sender.
  std::vector<Bytes> shares(place.leads ? m : 0);
  for (size_t i = 0; i < shares.size(); ++i) {
    for (int host = 0; host < layout.hosts(); ++host) {
      if (host == place.host) continue;
      size_t before = 0, bytes = 0;
      for (size_t j = 0; j < i; ++j)
        for (int r : layout.members[host]) before += expected(j, r);
      for (int r : layout.members[host]) bytes += expected(i, r);
      const char* from = arrived[host].data() + before;
      shares[i].insert(shares[i].end(), from, from + bytes);
    }
  }
  Bytes mine;
  place.each_elsewhere([&](int, int r) { mine.resize(mine.size() + outs[r].bytes); });
  if (place.local) {
    std::vector<ConstSlice> gives(m);
    for (size_t i = 0; i < shares.size(); ++i) gives[i] = {shares[i].data(), shares[i].size()};
    place.local->scatter(outward, gives.data(), {mine.data(), mine.size()}, 0);
  } else {
    mine = std::move(shares[0]);
  }
  const char* from = mine.data();
  place.each_elsewhere([&](int, int r) {
    copy(outs[r].data, from, outs[r].bytes);
    from += outs[r].bytes;
  });
}

} // namespace xpu_lite::ccl::hierarchical
