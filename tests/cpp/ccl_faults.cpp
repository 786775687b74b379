// What the surviving ranks see when one of them is killed, does not come, or calls
// something else: an error that names it, on every rank, and a group that can be
// destroyed. A rank that were only saved by its deadline would be killed by the limit of
// run_ranks(), which is shorter.

#include <signal.h>

#include "tests/cpp/ccl_calls.h"
#include "tests/cpp/support.h"

using namespace xpu_lite;
using namespace xpu_lite::ccl;
using namespace xpu_lite::ccl::testing;
using xpu_lite::testing::expect_contains;

namespace {

constexpr auto kLimit = seconds(40);
constexpr auto kFar = seconds(300); // the deadline of calls that must not need it

std::unique_ptr<Transport> make(Group& group) {
  group.hosts = gather_hosts(group);
  return make_shm_transport(group);
}

// Repeats a call until it throws, and checks that what it throws is an `E` which has
// every one of `parts` in its text. A call may succeed a few times: a root that only
// writes runs ahead of its readers.
template <class E = PeerError>
void expect_failure(Transport& transport, Params params, std::vector<std::string> parts) {
  for (int i = 0; i < 64; ++i, ++params.sequence) {
    try {
      run_collective(transport, params);
    } catch (const E& error) {
      if constexpr (std::is_same_v<E, PeerError>) {
        EXPECT_EQ(dynamic_cast<const TimeoutError*>(&error), nullptr) << error.what();
      }
      for (const std::string& part : parts) expect_contains(error.what(), part);
      expect_contains(error.what(), "process group 'test'");
      EXPECT_FALSE(transport.broken().empty());
      // Broken from now on, with the same reason.
      ++params.sequence;
      try {
        run_collective(transport, params);
        ADD_FAILURE() << "a broken group works again";
      } catch (const PeerError& again) {
        expect_contains(again.what(), parts[0]);
      }
      return;
    }
  }
  ADD_FAILURE() << name_of(params.kind) << " never failed on rank " << transport.rank();
}

void expect_survivors(const std::vector<Outcome>& outcomes, int victim) {
  for (int rank = 0; rank < static_cast<int>(outcomes.size()); ++rank) {
    if (rank == victim) EXPECT_EQ(outcomes[rank].signal, SIGKILL) << outcomes[rank].text;
    else EXPECT_TRUE(outcomes[rank].ok) << "rank " << rank << ": " << outcomes[rank].text;
  }
}

} // namespace

class EveryCollective : public ::testing::TestWithParam<Collective> {};
INSTANTIATE_TEST_SUITE_P(Faults, EveryCollective, ::testing::ValuesIn(kCollectives),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(EveryCollective, ProcessesKilledBeforeIt) {
  for (const size_t count : {size_t{3}, size_t{1} << 20}) {
    const auto outcomes = run_ranks(Ranks::Processes, 3, [&](Group& group) {
      auto transport = make(group);
      run_collective(*transport, {.kind = Collective::Barrier, .sequence = 1});
      if (group.rank == 1) ::raise(SIGKILL);
      expect_failure(*transport, {.kind = GetParam(), .sequence = 2, .count = count, .limit = kFar},
                     {"rank 1 (pid ", "is gone", name_of(GetParam())});
    }, kLimit);
    expect_survivors(outcomes, 1);
  }
}

TEST_P(EveryCollective, ProcessesKilledInTheMiddleOfIt) {
  for (const int microseconds : {0, 300, 1000, 3000, 9000}) {
    const auto outcomes = run_ranks(Ranks::Processes, 3, [&](Group& group) {
      auto transport = make(group);
      run_collective(*transport, {.kind = Collective::Barrier, .sequence = 1});
      Params params{.kind = GetParam(), .sequence = 2, .count = size_t{1} << 19, .limit = kFar};
      if (group.rank != 0) return expect_failure(*transport, params, {"rank 0 (pid ", "is gone"});
      std::thread killer([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
        ::kill(::getpid(), SIGKILL);
      });
      for (;; ++params.sequence) run_collective(*transport, params);
    }, kLimit);
    // expect_failure() gives up after 64 calls: more than are made in 9 ms.
    expect_survivors(outcomes, 0);
  }
}

TEST_P(EveryCollective, ProcessesKilledAfterItDidTheirPart) {
  for (const size_t count : {size_t{3}, size_t{1} << 20}) {
    const auto outcomes = run_ranks(Ranks::Processes, 3, [&](Group& group) {
      auto transport = make(group);
      Params params{.kind = GetParam(), .sequence = 1, .count = count, .limit = kFar};
      run_collective(*transport, params); // checks its result
      if (group.rank == 2) ::raise(SIGKILL);
      params.sequence = 2;
      expect_failure(*transport, params, {"rank 2 (pid ", "is gone"});
    }, kLimit);
    expect_survivors(outcomes, 2);
  }
}

TEST_P(EveryCollective, RanksThatShutDownAreGone) {
  expect_ranks(Ranks::Threads, 3, [&](Group& group) {
    auto transport = make(group);
    if (group.rank == 1) return;
    expect_failure(*transport, {.kind = GetParam(), .sequence = 1, .count = 1000, .limit = kFar},
                   {"rank 1 (pid ", "has shut the group down"});
  }, kLimit);
}

class EveryRanks : public ::testing::TestWithParam<Ranks> {};
INSTANTIATE_TEST_SUITE_P(Faults, EveryRanks, ::testing::Values(Ranks::Threads, Ranks::Processes),
                         ranks_name);

TEST_P(EveryRanks, ARankThatNeverCallsIsNamedAfterTheTimeout) {
  expect_ranks(GetParam(), 4, [](Group& group) {
    auto transport = make(group);
    run_collective(*transport, {.kind = Collective::AllReduce, .sequence = 1, .count = 10});
    Params params{.kind = Collective::AllReduce, .sequence = 2, .count = 100,
                  .limit = milliseconds(300)};
    if (group.rank % 2 == 0) {
      // Whoever is late may say so for the other: then it is no TimeoutError's text of
      // its own, but the type and the reason are the same.
      expect_failure<TimeoutError>(*transport, params,
                                   {"ranks 1 and 3 did not arrive", "all_reduce #2",
                                    "sum of float32, 400 bytes", "its latest call is #1"});
      group.store->set("over/" + std::to_string(group.rank), "");
      return;
    }
    group.store->get("over/0", group.deadline);
    group.store->get("over/2", group.deadline);
    // It comes too late, to a group that is broken; it hears why.
    expect_failure<TimeoutError>(*transport, params, {"ranks 1 and 3 did not arrive"});
  }, kLimit);
}

TEST_P(EveryRanks, AbortEndsAWaitOnEveryRank) {
  expect_ranks(GetParam(), 3, [](Group& group) {
    auto transport = make(group);
    if (group.rank == 1) transport->abort("the user pressed a button");
    if (group.rank != 2)
      expect_failure(*transport, {.kind = Collective::Barrier, .sequence = 1, .limit = kFar},
                     {"the user pressed a button"});
    // The third is in no call; the next one tells it.
    if (group.rank == 2) {
      while (transport->broken().empty()) std::this_thread::sleep_for(milliseconds(1));
      expect_failure(*transport, {.kind = Collective::Barrier, .sequence = 1, .limit = kFar},
                     {"the user pressed a button"});
    } else {
      transport->abort("another reason, later");
      expect_contains(transport->broken(), "the user pressed a button");
    }
  }, kLimit);
}

namespace {

struct Mistake {
  const char* name;
  Params right, wrong;
  std::vector<std::string> parts; // that every rank's error has
  friend void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }
};

const std::vector<Mistake>& mistakes() {
  using C = Collective;
  static const std::vector<Mistake> all = {
      {"Kind", {.kind = C::AllReduce}, {.kind = C::AllGather}, {"all_reduce", "all_gather"}},
      {"Barrier", {.kind = C::AllReduce}, {.kind = C::Barrier}, {"all_reduce", "barrier"}},
      {"Size", {.count = 100}, {.count = 101}, {"400 bytes", "404 bytes"}},
      {"ManySizes", {.count = 100}, {.count = 1 << 20}, {"400 bytes", "4194304 bytes"}},
      {"Type", {.type = DataType::Float32}, {.type = DataType::Int32}, {"float32", "int32"}},
      {"Operator", {.reduction = {ReduceKind::Sum}}, {.reduction = {ReduceKind::Max}},
       {"sum", "max"}},
      {"Factor", {.reduction = {ReduceKind::PreMulSum, 2}},
       {.reduction = {ReduceKind::PreMulSum, 3}}, {"factor 2", "factor 3"}},
      {"Root", {.kind = C::Reduce, .root = 0}, {.kind = C::Reduce, .root = 2},
       {"root 0", "root 2"}},
      {"BroadcastSize", {.kind = C::Broadcast, .count = 7}, {.kind = C::Broadcast, .count = 8},
       {"28 bytes", "32 bytes"}},
      {"ScatterSize", {.kind = C::Scatter, .count = 7}, {.kind = C::Scatter, .count = 8},
       {"28 bytes", "32 bytes"}},
      {"GatherSize", {.kind = C::Gather, .count = 7}, {.kind = C::Gather, .count = 8},
       {"28 bytes", "32 bytes"}},
      {"AllGatherSize", {.kind = C::AllGather, .count = 7}, {.kind = C::AllGather, .count = 8},
       {"28 bytes", "32 bytes"}},
      {"AllToAllSize", {.kind = C::AllToAll, .count = 7}, {.kind = C::AllToAll, .count = 8},
       {"all_to_all"}},
      {"Counts", {.kind = C::ReduceScatter, .count = 7}, {.kind = C::ReduceScatter, .count = 8},
       {"reduce_scatter"}},
  };
  return all;
}

class Mistakes : public ::testing::TestWithParam<std::tuple<Ranks, Mistake>> {};

} // namespace

INSTANTIATE_TEST_SUITE_P(Faults, Mistakes,
                         ::testing::Combine(::testing::Values(Ranks::Threads, Ranks::Processes),
                                            ::testing::ValuesIn(mistakes())),
                         [](const auto& info) {
                           return std::string(name_of(std::get<0>(info.param))) + "_" +
                                  std::get<1>(info.param).name;
                         });

// With check_all every mistake is found at once; without it, by whoever reads the
// other's data, at the latest when the group cannot go on.
TEST_P(Mistakes, AreErrorsOnEveryRankThatNameBothCalls) {
  for (const bool check_all : {true, false})
    for (const int wrong : {0, 1}) {
      // Nobody reads a reduction that has no root: only check_all can find that.
      if (!check_all && wrong == 0 && std::get<1>(GetParam()).name == std::string("Root")) continue;
      expect_ranks(std::get<0>(GetParam()), 3, [&](Group& group) {
        auto transport = make(group);
        const Mistake& mistake = std::get<1>(GetParam());
        Params params = group.rank == wrong ? mistake.wrong : mistake.right;
        params.sequence = 1;
        params.limit = kFar;
        params.check_all = check_all;
        params.check_result = false;
        expect_failure<MismatchError>(*transport, params, mistake.parts);
      }, kLimit);
    }
}

TEST(Roots, ThatDifferAreFoundWhereEveryCallIsChecked) {
  expect_ranks(Ranks::Threads, 3, [](Group& group) {
    auto transport = make(group);
    Params params{.kind = Collective::Broadcast, .sequence = 1, .count = 9, .limit = kFar,
                  .root = group.rank == 2 ? 2 : 0, .check_all = true, .check_result = false};
    expect_failure<MismatchError>(*transport, params, {"root 0", "root 2"});
  }, kLimit);
}
