// Hosts with several ranks each. Shared memory stands in for the network, so that the
// ranks may be threads, and oneCCL carries it where that is installed.

#include <signal.h>

#include "ccl_exercise.h"

namespace xpu_lite::ccl {
namespace {

using namespace testing;

// The host of each rank: "aab" is two ranks on a and one on b.
void place(Group& group, const std::string& hosts) {
  for (char host : hosts) group.hosts.push_back(std::string(1, host));
}
std::unique_ptr<Transport> make(Group& group, const std::string& hosts,
                                const TransportFactory& between = make_shm_transport) {
  place(group, hosts);
  return make_hierarchical_transport(group, between);
}

class Hosts : public ::testing::TestWithParam<std::string> {};

TEST_P(Hosts, EveryCollective) {
  const std::string hosts = GetParam();
  expect_ranks(Ranks::Threads, static_cast<int>(hosts.size()), [&](Group& group) {
    const auto transport = make(group, hosts);
    Exercise exercise(*transport);
    for (size_t count : {0, 1, 999, 70001}) exercise.everything(count);
    exercise.every_type(101);
  });
}
// Together, interleaved, uneven, the first rank alone, every rank alone but one.
INSTANTIATE_TEST_SUITE_P(Distributions, Hosts,
                         ::testing::Values("aabb", "abab", "aaab", "abbb", "abcb", "babca"));

TEST(Hierarchical, Processes) {
  expect_ranks(Ranks::Processes, 4, [](Group& group) {
    const auto transport = make(group, "abba");
    EXPECT_EQ(std::string(transport->name()), "shm+shm");
    Exercise exercise(*transport, /*check_all=*/true);
    exercise.everything(5003);
  });
}

TEST(Hierarchical, OneCcl) {
  const auto looked = run_processes(1, [](int) {
    const std::string missing = oneccl_missing();
    if (!missing.empty()) throw Error(missing);
  });
  if (!looked[0].ok) GTEST_SKIP() << "oneCCL " << looked[0].text;
  expect_ranks(Ranks::Processes, 3, [](Group& group) {
    const auto transport = make(group, "aba", make_oneccl_transport);
    EXPECT_EQ(std::string(transport->name()), "shm+oneccl");
    Exercise exercise(*transport);
    exercise.everything(501);
    exercise.everything(150001);
    exercise.every_type(150001);
  });
}

void exchange_messages(Transport& transport, int rank, int n) {
  uint64_t number = 0;
  const auto call = [&](Collective kind) { return Call{kind, ++number, after(seconds(30))}; };
  // Everybody to everybody, small and large, received in the opposite order.
  std::vector<Bytes> data, room;
  std::vector<std::unique_ptr<Request>> requests;
  for (size_t size : {size_t{0}, size_t{1000}, size_t{300000}})
    for (int peer = 0; peer < n; ++peer) {
      if (peer == rank) continue;
      data.push_back(Exercise::given(size, rank, size + peer));
      requests.push_back(transport.send(call(Collective::Send),
                                        {data.back().data(), size}, peer, size));
    }
  std::vector<std::pair<int, size_t>> from;
  for (size_t size : {size_t{300000}, size_t{1000}, size_t{0}})
    for (int peer = n - 1; peer >= 0; --peer) {
      if (peer == rank) continue;
      room.emplace_back(size);
      from.push_back({peer, size});
      requests.push_back(transport.recv(call(Collective::Recv), {room.back().data(), size},
                                        peer, size));
    }
  for (auto& request : requests) finish(transport, *request);
  for (size_t i = 0; i < room.size(); ++i)
    EXPECT_EQ(room[i], Exercise::given(from[i].second, from[i].first, from[i].second + rank))
        << rank << " from " << from[i].first << ", " << from[i].second << " bytes";
  transport.barrier(Call{Collective::Barrier, 1000});
  // From anyone, over both ways, three messages of each in their order.
  requests.clear();
  if (rank == 1) {
    std::vector<int> counts(n, 0);
    std::vector<std::vector<int>> got(3 * (n - 1), std::vector<int>(20000));
    for (auto& place : got)
      requests.push_back(transport.recv(call(Collective::Recv),
                                        {place.data(), place.size() * sizeof(int)}, -1, 77));
    for (auto& request : requests) finish(transport, *request);
    for (size_t i = 0; i < got.size(); ++i) {
      const int source = requests[i]->source();
      ASSERT_GE(source, 0);
      EXPECT_EQ(got[i][0], source * 10 + counts[source]++);
      EXPECT_EQ(got[i][19999], got[i][0]);
    }
    for (int peer = 0; peer < n; ++peer) EXPECT_EQ(counts[peer], peer == 1 ? 0 : 3);
  } else {
    std::vector<std::vector<int>> sent;
    for (int i = 0; i < 3; ++i) sent.emplace_back(20000, rank * 10 + i);
    for (auto& values : sent)
      requests.push_back(transport.send(call(Collective::Send),
                                        {values.data(), values.size() * sizeof(int)}, 1, 77));
    for (auto& request : requests) finish(transport, *request);
  }
  transport.barrier(Call{Collective::Barrier, 1001});
}

TEST(Hierarchical, Messages) {
  for (Ranks how : {Ranks::Threads, Ranks::Processes})
    expect_ranks(how, 4, [](Group& group) {
      const auto transport = make(group, "abba");
      exchange_messages(*transport, group.rank, group.size);
    });
}

// The rank that is late is named by its number in the group, on every host.
TEST(Hierarchical, ARankThatNeverCalls) {
  // With company on its host, alone on it, and the leader of two.
  for (const auto& [hosts, late] : {std::pair{"aabb", 3}, {"aba", 1}, {"aab", 0}}) {
    const int n = static_cast<int>(std::string(hosts).size());
    const auto outcomes = run_ranks(Ranks::Processes, n, [&](Group& group) {
      const auto transport = make(group, hosts);
      Exercise exercise(*transport);
      exercise.all_reduce(1000, DataType::Float32, {}, false);
      if (group.rank == late) {
        std::this_thread::sleep_for(seconds(3));
        EXPECT_NE(transport->broken(), "");
      }
      exercise.barrier(milliseconds(2000));
    });
    for (int rank = 0; rank < n; ++rank) {
      EXPECT_FALSE(outcomes[rank].ok);
      EXPECT_NE(outcomes[rank].text.find(message("rank ", late)), std::string::npos)
          << hosts << ", " << rank << ": " << outcomes[rank].text;
    }
  }
}

TEST(Hierarchical, AKilledRank) {
  for (int victim : {0, 3}) { // a leader, and one who is not
    const Deadline begin = Clock::now();
    const auto outcomes = run_ranks(Ranks::Processes, 4, [&](Group& group) {
      const auto transport = make(group, "aabb");
      Exercise exercise(*transport);
      exercise.barrier();
      if (group.rank == victim) ::raise(SIGKILL);
      for (;;) exercise.all_reduce(1000, DataType::Float32, {}, false);
    });
    EXPECT_LT(Clock::now() - begin, seconds(30));
    const std::string name = message("rank ", victim);
    for (int rank = 0; rank < 4; ++rank) {
      if (rank == victim) continue;
      EXPECT_FALSE(outcomes[rank].ok);
      EXPECT_EQ(outcomes[rank].signal, 0) << outcomes[rank].text;
      EXPECT_NE(outcomes[rank].text.find(name), std::string::npos) << outcomes[rank].text;
    }
  }
}

// The leader of one host dies while oneCCL moves data: the other leader's call cannot be
// ended, and is left behind.
TEST(Hierarchical, ALeaderKilledInOneCcl) {
  const auto looked = run_processes(1, [](int) {
    const std::string missing = oneccl_missing();
    if (!missing.empty()) throw Error(missing);
  });
  if (!looked[0].ok) GTEST_SKIP() << "oneCCL " << looked[0].text;
  for (int wait : {2, 300}) { // milliseconds: while oneCCL connects, or while it works
    const Deadline begin = Clock::now();
    const auto outcomes = run_ranks(Ranks::Processes, 3, [&](Group& group) {
      const auto transport = make(group, "aba", make_oneccl_transport);
      Exercise exercise(*transport);
      exercise.barrier();
      if (wait > 2) exercise.all_reduce(4000000, DataType::Float32, {}, false);
      if (group.rank == 1)
        std::thread([&] {
          std::this_thread::sleep_for(milliseconds(wait));
          ::raise(SIGKILL);
        }).detach();
      for (;;) exercise.all_reduce(4000000, DataType::Float32, {}, false);
    });
    EXPECT_LT(Clock::now() - begin, seconds(40));
    for (int rank : {0, 2})
      EXPECT_NE(outcomes[rank].text.find("rank 1 (pid"), std::string::npos)
          << outcomes[rank].text;
  }
}

TEST(Hierarchical, DifferentRootsAreFoundInTheDebugMode) {
  const auto outcomes = run_ranks(Ranks::Processes, 4, [](Group& group) {
    const auto transport = make(group, "aabb");
    Exercise exercise(*transport, /*check_all=*/true);
    exercise.broadcast(100, group.rank < 2 ? 0 : 1);
  });
  for (const Outcome& outcome : outcomes)
    EXPECT_NE(outcome.text.find("root"), std::string::npos) << outcome.text;
}

// What one rank cannot do, no rank does.
TEST(Hierarchical, SettingUpFailsEverywhere) {
  const auto outcomes = run_ranks(Ranks::Threads, 4, [](Group& group) {
    place(group, "abab");
    make_hierarchical_transport(group, [](const Group& leaders) -> std::unique_ptr<Transport> {
      if (leaders.rank == 1) throw Error("no network card");
      Group alone;
      alone.store = leaders.store;
      alone.name = "alone";
      alone.hosts = {"a"};
      return make_shm_transport(alone);
    });
  });
  for (const Outcome& outcome : outcomes)
    EXPECT_NE(outcome.text.find("no network card"), std::string::npos) << outcome.text;
}

} // namespace
} // namespace xpu_lite::ccl
