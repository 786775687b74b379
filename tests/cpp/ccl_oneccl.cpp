// The transport between hosts: ranks of one machine, joined by oneCCL and TCP. Ranks are
// processes: oneCCL has one rank in each.

#include <signal.h>

#include "ccl_exercise.h"

namespace xpu_lite::ccl {
namespace {

using namespace testing;

class OneCcl : public ::testing::Test {
 protected:
  // In a process of its own: it loads a large library, and the ranks fork from here.
  void SetUp() override {
    const auto looked = run_processes(1, [](int) {
      const std::string missing = oneccl_missing();
      if (!missing.empty()) throw Error(missing);
    });
    if (!looked[0].ok) GTEST_SKIP() << "oneCCL " << looked[0].text;
  }
  static std::unique_ptr<Transport> make(Group& group) {
    for (int rank = 0; rank < group.size; ++rank)
      group.hosts.push_back("host" + std::to_string(rank));
    return make_oneccl_transport(group);
  }
};

// Sizes below and above the switch to oneCCL, and above its buffer.
TEST_F(OneCcl, EveryCollective) {
  for (int n : {1, 2, 3})
    expect_ranks(Ranks::Processes, n, [](Group& group) {
      const auto transport = make(group);
      Exercise exercise(*transport);
      for (size_t count : {0, 1, 1000, 100003}) exercise.everything(count);
      if (group.size == 2) exercise.all_reduce(5000001, DataType::Float32, {}, true);
      if (group.size == 2) exercise.all_reduce(5000001, DataType::BFloat16, {}, false);
    });
}

TEST_F(OneCcl, EveryTypeAndOperation) {
  expect_ranks(Ranks::Processes, 2, [](Group& group) {
    const auto transport = make(group);
    Exercise exercise(*transport);
    exercise.every_type(37);
    exercise.every_type(300001);
  });
}

TEST_F(OneCcl, SumsOf16BitFloatsAreRoundedOnce) {
  // 256 + 1 + 1 = 258 in float; rounding after each addition leaves 256.
  expect_ranks(Ranks::Processes, 3, [](Group& group) {
    const auto transport = make(group);
    for (size_t count : {10, 200000}) {
      std::vector<uint16_t> data(count, group.rank == 0 ? 0x4380 : 0x3f80);
      transport->all_reduce(Call{Collective::AllReduce, count}, data.data(), data.data(), count,
                            DataType::BFloat16, {});
      EXPECT_EQ(data[0], 0x4381);
      EXPECT_EQ(data[count - 1], 0x4381);
    }
  });
}

// A rank that is late: an error that names it on all, itself too, and no hang after it.
TEST_F(OneCcl, ARankThatNeverCalls) {
  const auto outcomes = run_ranks(Ranks::Processes, 3, [](Group& group) {
    const auto transport = make(group);
    Exercise exercise(*transport);
    exercise.all_reduce(100000, DataType::Float32, {}, false);
    try {
      if (group.rank == 1) std::this_thread::sleep_for(seconds(2));
      transport->barrier(exercise.call(Collective::Barrier, milliseconds(700)));
    } catch (const TimeoutError& error) {
      EXPECT_NE(transport->broken(), "");
      EXPECT_THROW(transport->barrier(exercise.call(Collective::Barrier)), PeerError);
      throw;
    }
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_FALSE(outcome.ok);
    EXPECT_NE(outcome.text.find("rank 1 did not arrive"), std::string::npos) << outcome.text;
    EXPECT_NE(outcome.text.find("barrier #2"), std::string::npos) << outcome.text;
  }
}

void kill_a_rank(Collective kind, size_t count, bool inside) {
  const auto outcomes = run_ranks(Ranks::Processes, 3, [=](Group& group) {
    std::vector<std::string> hosts{"a", "b", "c"};
    group.hosts = hosts;
    const auto transport = make_oneccl_transport(group);
    Exercise exercise(*transport);
    exercise.all_reduce(100000, DataType::Float32, {}, false);
    const Deadline begin = Clock::now();
    std::thread killer;
    if (group.rank == 2) {
      if (!inside) ::raise(SIGKILL);
      killer = std::thread([] {
        std::this_thread::sleep_for(milliseconds(300));
        ::raise(SIGKILL);
      });
    }
    try {
      for (;;)
        if (kind == Collective::AllReduce)
          exercise.all_reduce(count, DataType::Float32, {}, false);
        else
          exercise.all_to_all(count, false);
    } catch (const PeerError&) {
      EXPECT_LT(Clock::now() - begin, seconds(20));
      throw;
    }
  });
  EXPECT_EQ(outcomes[2].signal, SIGKILL);
  for (int rank : {0, 1}) {
    EXPECT_FALSE(outcomes[rank].timed_out);
    EXPECT_EQ(outcomes[rank].signal, 0);
    EXPECT_NE(outcomes[rank].text.find("rank 2 (pid"), std::string::npos) << outcomes[rank].text;
  }
}
TEST_F(OneCcl, ARankKilledBefore) { kill_a_rank(Collective::AllReduce, 1000, false); }
TEST_F(OneCcl, ARankKilledInSmallCalls) { kill_a_rank(Collective::AllReduce, 1000, true); }
TEST_F(OneCcl, ARankKilledInOneCcl) { kill_a_rank(Collective::AllReduce, 3000000, true); }

TEST_F(OneCcl, DifferentCalls) {
  const auto outcomes = run_ranks(Ranks::Processes, 2, [](Group& group) {
    const auto transport = make(group);
    Exercise exercise(*transport);
    exercise.barrier();
    if (group.rank == 0) exercise.all_reduce(500000, DataType::Float32, {}, false);
    else exercise.broadcast(77, 0);
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_NE(outcome.text.find("all_reduce #2 (sum of float32, 2000000 bytes"), std::string::npos)
        << outcome.text;
    EXPECT_NE(outcome.text.find("broadcast #2 (77 bytes"), std::string::npos)
        << outcome.text;
  }
}

TEST_F(OneCcl, Messages) {
  expect_ranks(Ranks::Processes, 3, [](Group& group) {
    const auto transport = make(group);
    const auto bytes = [](int from, int tag, size_t size) {
      return Exercise::given(size, from, tag);
    };
    uint64_t number = 0;
    const auto call = [&](Collective kind) { return Call{kind, ++number, after(seconds(30))}; };
    if (group.rank == 0) {
      // Large and small, the last tag first: nothing may stand in the way of another.
      std::vector<Bytes> data;
      std::vector<std::unique_ptr<Request>> sends;
      for (int tag = 0; tag < 4; ++tag) data.push_back(bytes(0, tag, tag % 2 ? 3000000 : 100));
      for (int tag = 0; tag < 4; ++tag)
        sends.push_back(transport->send(call(Collective::Send),
                                        {data[tag].data(), data[tag].size()}, 1, tag));
      for (auto& send : sends) finish(*transport, *send);
    } else if (group.rank == 1) {
      for (int tag = 3; tag >= 0; --tag) {
        const Bytes want = bytes(0, tag, tag % 2 ? 3000000 : 100);
        Bytes got(want.size());
        const auto receive =
            transport->recv(call(Collective::Recv), {got.data(), got.size()}, 0, tag);
        finish(*transport, *receive);
        EXPECT_EQ(receive->source(), 0);
        EXPECT_EQ(got, want) << "tag " << tag;
      }
    }
    transport->barrier(Call{Collective::Barrier, 1});
    // From anyone: all ranks send to rank 2.
    if (group.rank == 2) {
      std::vector<int> seen;
      for (int i = 0; i < 2; ++i) {
        Bytes got(200000);
        const auto receive =
            transport->recv(call(Collective::Recv), {got.data(), got.size()}, -1, 9);
        finish(*transport, *receive);
        seen.push_back(receive->source());
        EXPECT_EQ(got, bytes(seen.back(), 9, got.size()));
      }
      EXPECT_EQ(seen[0] + seen[1], 1);
    } else {
      const Bytes data = bytes(group.rank, 9, 200000);
      const auto send = transport->send(call(Collective::Send), {data.data(), data.size()}, 2, 9);
      finish(*transport, *send);
    }
    transport->barrier(Call{Collective::Barrier, 2});
  });
}

TEST_F(OneCcl, MessageFaults) {
  // A size that does not fit, a sender that is gone, a sender that never sends.
  for (const std::string fault : {"size", "gone", "late"}) {
    const auto outcomes = run_ranks(Ranks::Processes, 2, [&](Group& group) {
      const auto transport = make(group);
      Bytes data(64);
      const Call call{group.rank ? Collective::Recv : Collective::Send, 1,
                      after(milliseconds(fault == "late" ? 500 : 20000))};
      if (group.rank == 0) {
        if (fault == "gone") ::raise(SIGKILL);
        if (fault == "late") std::this_thread::sleep_for(seconds(1));
        if (fault == "size")
          finish(*transport, *transport->send(call, {data.data(), 32}, 1, 5));
      } else {
        finish(*transport, *transport->recv(call, {data.data(), 64}, 0, 5));
      }
    });
    EXPECT_FALSE(outcomes[1].ok);
    const std::string want = fault == "size"   ? "rank 0 sent 32 bytes to rank 1, which expects 64"
                             : fault == "gone" ? "rank 0 (pid"
                                               : "not done in time: rank 0 did not send";
    EXPECT_NE(outcomes[1].text.find(want), std::string::npos) << outcomes[1].text;
  }
}

} // namespace
} // namespace xpu_lite::ccl
