// What goes wrong between sender and receiver: other sizes, deadlines, peers that die
// or leave, aborts; and waiting itself.

#include "ccl_mailbox.h"

#include <sys/resource.h>

using namespace xpu_lite::ccl;
using namespace xpu_lite::ccl::testing;

namespace {

using Data = std::vector<unsigned char>;

class CclMailboxFaults : public ::testing::TestWithParam<Ranks> {};
INSTANTIATE_TEST_SUITE_P(Ranks, CclMailboxFaults,
                         ::testing::Values(Ranks::Threads, Ranks::Processes), ranks_name);

void expect_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' in: " << text;
}

TEST_P(CclMailboxFaults, another_size_is_an_error_that_names_both) {
  for (bool larger : {false, true}) {
    expect_mailbox(GetParam(), 2, [&](MailboxRank& me, int rank) {
      const size_t bytes = larger ? 3000000 : 24;
      Data data(3000000);
      if (rank == 0) {
        auto send = me.send(data.data(), bytes, 1, 7);
        // A small one was sent before anybody looked at it; the next call fails.
        if (larger)
          expect_parts(me.failure<PeerError>(*send), {"expects 40 bytes", "tag 7"});
        while (!me.broken()) std::this_thread::sleep_for(milliseconds(1));
        EXPECT_THROW(me.send(data.data(), 1, 1, 7), PeerError);
      } else {
        auto recv = me.recv(data.data(), 40, 0, 7);
        expect_parts(me.failure<MismatchError>(*recv),
                     {"expects 40 bytes", "has sent " + std::to_string(bytes), "rank 0 (pid",
                      "tag 7", "recv #1"});
        EXPECT_THROW(me.recv(data.data(), 1, 0, 7), PeerError);
      }
    });
  }
}

TEST_P(CclMailboxFaults, a_receive_that_is_late_names_the_peer_and_the_tag) {
  expect_mailbox(GetParam(), 3, [](MailboxRank& me, int rank) {
    Data data(100);
    if (rank == 2) { // sends what nobody asks for
      me.wait(*me.send(data.data(), 10, 0, 41));
    } else if (rank == 0) {
      auto named = me.recv(data.data(), 100, 2, 42, after(milliseconds(300)));
      expect_parts(me.failure<TimeoutError>(*named),
                   {"recv #1 (100 bytes, tag 42, from rank 2 (pid", "process group 'test'", "timed out after",
                    "rank 2 (pid", "has not sent it", "other tags are here: 41"});
      EXPECT_THROW(me.send(data.data(), 1, 1), PeerError) << "the group is broken";
    } else {
      auto other = me.recv(data.data(), 5, 0, 1);
      expect_parts(me.failure<PeerError>(*other), {"recv #1 (5 bytes", "timed out", "tag 42"});
    }
  });
}

TEST_P(CclMailboxFaults, a_receive_from_any_rank_may_be_late_too) {
  expect_mailbox(GetParam(), 2, [](MailboxRank& me, int rank) {
    if (rank == 1) return;
    Data data(8);
    auto recv = me.recv(data.data(), 8, -1, 3, after(milliseconds(200)));
    expect_parts(me.failure<TimeoutError>(*recv), {"from any rank", "no rank has sent it"});
  });
}

TEST_P(CclMailboxFaults, a_large_send_that_nobody_receives_is_late) {
  expect_mailbox(GetParam(), 2, [](MailboxRank& me, int rank) {
    if (rank == 1) return;
    const Data data(4000000);
    auto send = me.send(data.data(), data.size(), 1, 6, after(milliseconds(200)));
    expect_parts(me.failure<TimeoutError>(*send),
                 {"send #1 (4000000 bytes, tag 6, to rank 1", "of 4000000 bytes have moved",
                  "takes no more"});
  });
}

// A process that is killed: fn runs on rank 1, which then dies by SIGKILL.
void kill_rank_one(const std::function<void(MailboxRank&)>& before,
                   const std::function<void(MailboxRank&)>& survivor) {
  const auto outcomes = run_mailbox(Ranks::Processes, 2, [&](MailboxRank& me, int rank) {
    if (rank == 0) return survivor(me);
    before(me);
    ::raise(SIGKILL);
  });
  EXPECT_TRUE(outcomes[0].ok) << outcomes[0].text;
  EXPECT_EQ(outcomes[1].signal, SIGKILL);
}

TEST(CclMailboxKilledProcesses, a_killed_rank_is_named_and_what_it_sent_before_counts) {
  kill_rank_one(
      [](MailboxRank& me) {
        const Data data = pattern(900000, 1);
        me.wait(*me.send(data.data(), data.size(), 0, 4));
      },
      [](MailboxRank& me) {
        std::this_thread::sleep_for(milliseconds(300)); // it is dead by now
        Data data(900000);
        me.wait(*me.recv(data.data(), data.size(), 1, 4));
        EXPECT_TRUE(data == pattern(900000, 1));
        auto next = me.recv(data.data(), 1, 1, 4);
        expect_parts(me.failure<PeerError>(*next), {"recv #2", "rank 1 (pid", "is gone"});
        EXPECT_THROW(me.send(data.data(), 1, 1, 4), PeerError);
      });
}

TEST(CclMailboxKilledProcesses, a_rank_killed_in_the_middle_of_a_message) {
  kill_rank_one(
      [](MailboxRank& me) {
        const Data data(9000000);
        auto send = me.send(data.data(), data.size(), 0, 4);
        me.mailbox->progress();
        EXPECT_FALSE(send->test());
        ::raise(SIGKILL);
      },
      [](MailboxRank& me) {
        Data data(9000000);
        auto recv = me.recv(data.data(), data.size(), 1, 4);
        expect_parts(me.failure<PeerError>(*recv), {"9000000 bytes", "rank 1 (pid", "is gone"});
      });
}

TEST(CclMailboxKilledProcesses, a_rank_killed_while_it_receives) {
  kill_rank_one([](MailboxRank&) {},
                [](MailboxRank& me) {
                  const Data data(9000000);
                  auto send = me.send(data.data(), data.size(), 1, 4);
                  auto any = me.recv(const_cast<unsigned char*>(data.data()), 1, -1, 4);
                  expect_parts(me.failure<PeerError>(*send), {"rank 1 (pid", "is gone"});
                  expect_parts(me.failure<PeerError>(*any), {"is gone"});
                });
}

TEST_P(CclMailboxFaults, a_rank_that_left_is_waited_for_no_more) {
  const auto outcomes = run_mailbox(GetParam(), 3, [](MailboxRank& me, int rank) {
    int value = rank;
    if (rank == 1) {
      me.wait(*me.send(&value, sizeof value, 0, 1));
      me.leave();
      // The threads of this process live on, so a later look must not find a dead rank.
      return;
    }
    if (rank == 2) {
      std::this_thread::sleep_for(milliseconds(400));
      me.wait(*me.send(&value, sizeof value, 0, 2));
      return std::this_thread::sleep_for(milliseconds(600));
    }
    // What it sent before is here, and another rank may still send to any-source.
    std::this_thread::sleep_for(milliseconds(200));
    me.wait(*me.recv(&value, sizeof value, 1, 1));
    EXPECT_EQ(value, 1);
    auto any = me.recv(&value, sizeof value, -1, 2);
    me.wait(*any);
    EXPECT_EQ(any->source(), 2);
    auto next = me.recv(&value, sizeof value, 1, 1);
    expect_parts(me.failure<PeerError>(*next), {"rank 1 (pid", "has shut the group down"});
  });
  for (const Outcome& outcome : outcomes) EXPECT_TRUE(outcome.ok) << outcome.text;
}

TEST_P(CclMailboxFaults, an_abort_ends_the_waits_of_all_ranks) {
  expect_mailbox(GetParam(), 3, [](MailboxRank& me, int rank) {
    Data data(2000000);
    if (rank == 2) {
      std::this_thread::sleep_for(milliseconds(100));
      me.abort("the user pressed a key");
      return;
    }
    auto recv = me.recv(data.data(), 8, 1 - rank, 1);
    auto send = me.send(data.data(), data.size(), 2, 2);
    expect_parts(me.failure<PeerError>(*recv), {"recv #1", "the user pressed a key"});
    expect_parts(me.failure<PeerError>(*send), {"send #1", "the user pressed a key"});
  });
}

TEST_P(CclMailboxFaults, a_withdrawn_receive_leaves_the_message_to_the_next) {
  expect_mailbox(GetParam(), 2, [](MailboxRank& me, int rank) {
    int value = 17, got = 0, never = 0;
    if (rank == 0) {
      me.wait(*me.recv(&value, sizeof value, 1, 9));
      value = 18;
      auto send = me.send(&value, sizeof value, 1, 1);
      EXPECT_FALSE(send->cancel());
      me.wait(*send);
      return;
    }
    auto cancelled = me.recv(&never, sizeof never, -1, 1);
    EXPECT_TRUE(cancelled->cancel());
    EXPECT_FALSE(cancelled->cancel()) << "it is no longer there";
    me.recv(&never, sizeof never, 0, 1); // destroyed at once
    auto recv = me.recv(&got, sizeof got, 0, 1);
    me.wait(*me.send(&value, sizeof value, 0, 9));
    me.wait(*recv);
    EXPECT_FALSE(recv->cancel()) << "it is done";
    EXPECT_EQ(got, 18);
    EXPECT_EQ(never, 0);
    EXPECT_FALSE(cancelled->test());
  });
}

TEST_P(CclMailboxFaults, a_receive_given_up_in_the_middle_does_not_stop_what_follows) {
  expect_mailbox(GetParam(), 2, [](MailboxRank& me, int rank) {
    const Data large = pattern(6000000, 1), small = pattern(100, 2);
    if (rank == 0) {
      auto a = me.send(large.data(), large.size(), 1, 1);
      auto b = me.send(small.data(), small.size(), 1, 1);
      me.wait(*a);
      me.wait(*b);
      return;
    }
    auto memory = std::make_unique<Data>(large.size());
    auto recv = me.recv(memory->data(), memory->size(), 0, 1);
    while ((*memory)[0] != large[0]) me.mailbox->progress();
    EXPECT_FALSE(recv->cancel());
    recv.reset();
    memory.reset();
    Data got(100);
    me.wait(*me.recv(got.data(), got.size(), 0, 1));
    EXPECT_TRUE(got == small);
  });
}

TEST(CclMailboxAlone, ranks_that_are_none_are_refused) {
  MailboxGroup group(2);
  MailboxRank me(group, 0);
  int value = 0;
  EXPECT_THROW(me.send(&value, sizeof value, 2), xpu_lite::ValueError);
  EXPECT_THROW(me.send(&value, sizeof value, -1), xpu_lite::ValueError);
  EXPECT_THROW(me.recv(&value, sizeof value, 2), xpu_lite::ValueError);
}

TEST(CclMailboxAlone, another_size_to_oneself_ends_both_requests) {
  for (bool send_first : {false, true}) {
    MailboxGroup group(2);
    MailboxRank me(group, 0);
    const Data data(200000);
    Data got(100);
    std::unique_ptr<Request> send, recv;
    if (send_first) send = me.send(data.data(), data.size(), 0, 1);
    recv = me.recv(got.data(), got.size(), 0, 1);
    if (!send_first) send = me.send(data.data(), data.size(), 0, 1);
    EXPECT_THROW(me.wait(*recv), MismatchError);
    EXPECT_THROW(me.wait(*send), PeerError);
  }
}

TEST(CclMailboxAlone, requests_outlive_the_mailbox) {
  MailboxGroup group(2);
  MailboxRank me(group, 0);
  Data data(3000000);
  auto recv = me.recv(data.data(), data.size(), 1, 1);
  auto send = me.send(data.data(), data.size(), 1, 1);
  auto self = me.send(data.data(), data.size(), 0, 1);
  auto dropped = me.send(data.data(), data.size(), 1, 1);
  dropped.reset();
  me.mailbox.reset();
  for (auto* request : {&recv, &send, &self}) {
    EXPECT_THROW((*request)->test(), PeerError);
    EXPECT_FALSE((*request)->cancel());
  }
}

TEST(CclMailboxAlone, an_interrupt_ends_this_wait_or_the_next) {
  MailboxGroup group(2);
  MailboxRank me(group, 0);
  me.mailbox->interrupt();
  me.mailbox->await_progress(seconds(100)); // returns at once
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(50));
    me.mailbox->interrupt();
  });
  me.mailbox->await_progress(std::chrono::microseconds::max());
  other.join();
  int value = 0;
  auto recv = me.recv(&value, sizeof value, 1); // and with something under way
  std::thread again([&] { me.mailbox->interrupt(); });
  me.mailbox->await_progress(seconds(100));
  again.join();
}

TEST(CclMailboxAlone, waiting_costs_no_processor_time) {
  MailboxGroup group(2);
  MailboxRank me(group, 0);
  group.shared->pid[1] = ::getpid();
  int value = 0;
  auto recv = me.recv(&value, sizeof value, 1, 0, after(seconds(1)));
  rusage before, later;
  ::getrusage(RUSAGE_THREAD, &before);
  EXPECT_THROW(me.wait(*recv), TimeoutError);
  ::getrusage(RUSAGE_THREAD, &later);
  const auto microseconds = [](const rusage& usage) {
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000l + usage.ru_utime.tv_usec +
        usage.ru_stime.tv_usec;
  };
  EXPECT_LT(microseconds(later) - microseconds(before), 100000) << "of a second";
}

} // namespace
