// Which transport a group gets, and that ranks agree on it: the exchange through the
// store, the identity of hosts, and every way in which the ranks can disagree.

#include <sched.h>

#include "backend/ccl/exchange.h"
#include "tests/cpp/ccl_support.h"
#include "tests/cpp/support.h"

using namespace xpu_lite;
using namespace xpu_lite::ccl;
using namespace xpu_lite::ccl::testing;
using xpu_lite::testing::expect_contains;

namespace {

void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

// What every rank's make_transport threw, by rank; the transport is destroyed.
template <class Expected>
std::vector<std::string> refused(const std::vector<std::string>& wanted,
                                 const std::vector<std::string>& hosts) {
  const int n = static_cast<int>(wanted.size());
  const auto outcomes = run_ranks(Ranks::Processes, n, [&](Group& group) {
    set("XPU_LITE_CCL_TRANSPORT", wanted[group.rank]);
    if (!hosts.empty()) set("XPU_LITE_CCL_HOST_ID", hosts[group.rank]);
    try {
      make_transport(group, nullptr);
    } catch (const Expected&) {
      throw;
    } catch (const std::exception& error) {
      throw Error(message("of the wrong kind: ", error.what()));
    }
  });
  std::vector<std::string> texts;
  for (const Outcome& outcome : outcomes) {
    EXPECT_FALSE(outcome.ok);
    EXPECT_EQ(outcome.text.find("of the wrong kind"), std::string::npos) << outcome.text;
    texts.push_back(outcome.text);
  }
  return texts;
}

// A gloo that says it was asked.
struct Asked : Error {
  using Error::Error;
};
std::unique_ptr<Transport> asked_for_gloo(const Group&) { throw Asked("gloo was asked"); }

} // namespace

class Exchange : public ::testing::TestWithParam<Ranks> {};
INSTANTIATE_TEST_SUITE_P(Ranks, Exchange, ::testing::Values(Ranks::Threads, Ranks::Processes),
                         ranks_name);

TEST_P(Exchange, EveryRankReadsWhatEveryRankSaid) {
  for (int n : {1, 2, 5})
    expect_ranks(GetParam(), n, [](Group& group) {
      const std::string mine = group.rank % 2 ? std::string("a:b\0c", 5) : "";
      const auto all = exchange(group, "first", mine);
      ASSERT_EQ(all.size(), static_cast<size_t>(group.size));
      for (int rank = 0; rank < group.size; ++rank)
        EXPECT_EQ(all[rank], rank % 2 ? std::string("a:b\0c", 5) : "");
      const auto more = exchange(group, "second", std::to_string(group.rank));
      EXPECT_EQ(more.back(), std::to_string(group.size - 1));
    });
}

TEST_P(Exchange, AMissingRankIsNamedOnEveryOther) {
  for (const int missing : {0, 2}) {
    const auto outcomes = run_ranks(GetParam(), 4, [&](Group& group) {
      if (group.rank == missing) return;
      group.deadline = after(milliseconds(200));
      EXPECT_THROW(
          {
            try {
              exchange(group, "hosts", "x");
            } catch (const TimeoutError& error) {
              expect_contains(error.what(), message("rank ", missing, " did not come in time"));
              expect_contains(error.what(), "process group 'test'");
              throw;
            }
          },
          TimeoutError);
    });
    for (const Outcome& outcome : outcomes) EXPECT_TRUE(outcome.ok) << outcome.text;
  }
}

TEST(ExchangeStore, NothingStaysInTheStore) {
  auto store = std::make_shared<MemoryStore>();
  run_threads(3, [&](int rank) {
    Group group{rank, 3, store, after(seconds(30)), "test", {}, {}};
    exchange(group, "hosts", "x");
  });
  EXPECT_TRUE(store->keys().empty());
}

TEST(ExchangeStore, AStoreThatGoesAwayIsAnError) {
  auto store = std::make_shared<MemoryStore>();
  const auto outcomes = run_threads(3, [&](int rank) {
    if (rank == 2) {
      std::this_thread::sleep_for(milliseconds(50));
      return store->fail();
    }
    Group group{rank, 3, store, after(seconds(30)), "test", {}, {}};
    EXPECT_THROW(exchange(group, "hosts", "x"), PeerError);
  });
  for (const Outcome& outcome : outcomes) EXPECT_TRUE(outcome.ok) << outcome.text;
}

TEST(Hosts, RanksOfOneMachineAreOnOneHost) {
  expect_ranks(Ranks::Processes, 3, [](Group& group) {
    const auto hosts = gather_hosts(group);
    ASSERT_EQ(hosts.size(), 3u);
    EXPECT_EQ(hosts[0], hosts[1]);
    EXPECT_EQ(hosts[0], hosts[2]);
    expect_contains(hosts[0], "boot=");
  });
}

TEST(Hosts, TheVariableReplacesTheIdentity) {
  expect_ranks(Ranks::Processes, 3, [](Group& group) {
    set("XPU_LITE_CCL_HOST_ID", group.rank == 2 ? "b" : "a");
    EXPECT_EQ(gather_hosts(group), (std::vector<std::string>{"a", "a", "b"}));
  });
}

TEST(Hosts, AnotherNetworkNamespaceIsAnotherHost) {
  bool allowed = true;
  const auto outcomes = run_processes(1, [](int) {
    const std::string here = host_identity();
    if (::unshare(CLONE_NEWNET) != 0) throw Error("unshare");
    EXPECT_NE(host_identity(), here);
  });
  allowed = outcomes[0].text != "unshare";
  if (!allowed) GTEST_SKIP() << "the kernel forbids network namespaces";
  EXPECT_TRUE(outcomes[0].ok) << outcomes[0].text;
}

TEST(Select, RanksThatDisagreeAreNamedOnEveryRank) {
  for (const std::string& text : refused<ValueError>({"shm", "gloo", "shm"}, {})) {
    expect_contains(text, "XPU_LITE_CCL_TRANSPORT must be the same on every rank");
    expect_contains(text, "shm on ranks 0 and 2, gloo on rank 1");
  }
}

TEST(Select, ABadValueOnOneRankIsAnErrorOnEveryRank) {
  const auto texts = refused<ValueError>({"auto", "nccl"}, {});
  for (const std::string& text : texts) expect_contains(text, "auto, shm, oneccl, gloo");
  expect_contains(texts[0], "rank 1: ");
}

TEST(Select, SharedMemoryAcrossHostsIsRefused) {
  for (const std::string& text : refused<ValueError>({"shm", "shm", "shm"}, {"a", "b", "a"})) {
    expect_contains(text, "ranks are on 2 hosts");
    expect_contains(text, "ranks 0 and 2 on [a]; rank 1 on [b]");
  }
}

TEST(Select, GlooThatIsNotThereIsAnError) {
  for (const std::string& text : refused<Error>({"gloo", "gloo"}, {}))
    expect_contains(text, "XPU_LITE_CCL_TRANSPORT=gloo");
}

TEST(Select, GlooIsMadeByWhoeverHasIt) {
  expect_ranks(Ranks::Processes, 2, [](Group& group) {
    set("XPU_LITE_CCL_TRANSPORT", "gloo");
    EXPECT_THROW(make_transport(group, asked_for_gloo), Asked);
  });
}

TEST(Select, OneHostGetsSharedMemory) {
  for (const std::string wanted : {"auto", "shm", ""})
    expect_ranks(Ranks::Processes, 2, [&](Group& group) {
      set("XPU_LITE_CCL_TRANSPORT", wanted);
      EXPECT_STREQ(make_transport(group, asked_for_gloo)->name(), "shm");
    });
}

TEST(Select, SeveralHostsGetOneCclOrGloo) {
  // One rank on each: nothing to do in shared memory.
  expect_ranks(Ranks::Processes, 2, [](Group& group) {
    set("XPU_LITE_CCL_HOST_ID", group.rank == 1 ? "b" : "a");
    if (!oneccl_missing().empty())
      EXPECT_THROW(make_transport(group, asked_for_gloo), Asked);
    else
      EXPECT_STREQ(make_transport(group, asked_for_gloo)->name(), "oneccl");
  });
}

TEST(Select, RanksThatShareOneOfSeveralHostsMeetInSharedMemory) {
  expect_ranks(Ranks::Processes, 3, [](Group& group) {
    set("XPU_LITE_CCL_HOST_ID", group.rank == 2 ? "b" : "a");
    if (oneccl_missing().empty()) {
      EXPECT_STREQ(make_transport(group, asked_for_gloo)->name(), "shm+oneccl");
      return;
    }
    // Only those that speak for their hosts ask for gloo; rank 1 hears that it failed.
    try {
      make_transport(group, asked_for_gloo);
      ADD_FAILURE() << "no exception";
    } catch (const std::exception& error) {
      expect_contains(error.what(), "gloo was asked");
    }
  });
}

TEST(Select, TheChoiceIsPrintedOnceOnRequest) {
  for (const bool wanted : {true, false}) {
    ::testing::internal::CaptureStderr();
    expect_ranks(Ranks::Processes, 2, [&](Group& group) {
      if (wanted) set("XPU_LITE_VERBOSE", "ccl");
      make_transport(group, nullptr);
    });
    const std::string text = ::testing::internal::GetCapturedStderr();
    if (!wanted) {
      EXPECT_EQ(text, "");
      continue;
    }
    expect_contains(text, "xpu_lite: process group 'test', 2 ranks: shm (all ranks are on one "
                          "host): ");
    EXPECT_EQ(text.find("process group"), text.rfind("process group")) << text;
  }
}
