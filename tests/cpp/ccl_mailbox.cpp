// Messages between ranks in shared memory: sizes, order, tags, any source, many at
// once in all directions. Failures are in ccl_mailbox_faults.cpp.

#include "ccl_mailbox.h"

#include <algorithm>
#include <random>
#include <set>

#include "backend/ccl/shm/channel.h"

using namespace xpu_lite::ccl;
using namespace xpu_lite::ccl::testing;

namespace {

using Data = std::vector<unsigned char>;
using Requests = std::vector<std::unique_ptr<Request>>;

class CclMailbox : public ::testing::TestWithParam<Ranks> {};
INSTANTIATE_TEST_SUITE_P(Ranks, CclMailbox, ::testing::Values(Ranks::Threads, Ranks::Processes),
                         ranks_name);

TEST(CclMailboxLayout, rings_are_apart_and_bounded) {
  for (int size : {1, 2, 3, 4, 7, 16, 64, 100}) {
    const shm::MailboxLayout layout{size};
    const size_t area = Mailbox::area_bytes(size);
    EXPECT_EQ(Mailbox::control_bytes(size) % 4096, 0u);
    EXPECT_TRUE(size > 64 || area <= Mailbox::control_bytes(size) + (16u << 20));
    std::vector<size_t> offsets;
    for (int to = 0; to < size; ++to)
      for (int from = 0; from < size; ++from)
        if (from != to) offsets.push_back(layout.ring_offset(to, from));
    std::sort(offsets.begin(), offsets.end());
    for (size_t i = 0; i < offsets.size(); ++i)
      EXPECT_EQ(offsets[i], Mailbox::control_bytes(size) + i * layout.ring_bytes());
    if (size == 1) continue;
    EXPECT_EQ(offsets.back() + layout.ring_bytes(), area);
  }
}

TEST_P(CclMailbox, sizes_from_nothing_to_many_rings_in_both_directions) {
  const std::vector<size_t> sizes = {0, 1, 31, 32, 33, 40, 64, 100, 4096, 65535, 65536, 65537,
                                     (1u << 20) - 96, 1u << 20, (1u << 20) + 1, 5000003};
  expect_mailbox(GetParam(), 2, [&](MailboxRank& me, int rank) {
    for (size_t size : sizes) {
      const Data mine = pattern(size, size + rank), theirs = pattern(size, size + 1 - rank);
      Data got(size + 1, 77);
      auto send = me.send(mine.data(), size, 1 - rank, 5);
      auto recv = me.recv(got.data(), size, 1 - rank, 5);
      EXPECT_EQ(send->source(), -1);
      me.wait(*recv);
      me.wait(*send);
      EXPECT_EQ(recv->source(), 1 - rank);
      EXPECT_EQ(got.back(), 77) << size;
      got.pop_back();
      EXPECT_TRUE(got == theirs) << size;
    }
  });
}

TEST_P(CclMailbox, one_tag_keeps_its_order_and_other_tags_overtake) {
  expect_mailbox(GetParam(), 2, [](MailboxRank& me, int rank) {
    constexpr int kCount = 200;
    // More than the ring holds: the receiver has to move what it does not want yet.
    constexpr size_t kBytes = 20000;
    if (rank == 0) {
      Requests sends;
      std::vector<Data> data;
      for (int i = 0; i < kCount; ++i) data.push_back(pattern(kBytes, i));
      for (int i = 0; i < kCount; ++i) sends.push_back(me.send(data[i].data(), kBytes, 1, i % 4));
      for (auto& send : sends) me.wait(*send);
    } else {
      for (int tag : {3, 1, 0, 2}) {
        for (int i = tag; i < kCount; i += 4) {
          Data got(kBytes);
          me.wait(*me.recv(got.data(), kBytes, 0, tag));
          EXPECT_TRUE(got == pattern(kBytes, i)) << "message " << i;
        }
      }
    }
  });
}

TEST_P(CclMailbox, a_receive_may_take_over_a_message_that_is_on_its_way_to_the_heap) {
  expect_mailbox(GetParam(), 2, [](MailboxRank& me, int rank) {
    constexpr size_t kLarge = 6000000;
    if (rank == 0) {
      const Data first = pattern(kLarge, 1), second = pattern(10, 2);
      auto a = me.send(first.data(), kLarge, 1, 1);
      auto b = me.send(second.data(), 10, 1, 2);
      me.wait(*a);
      me.wait(*b);
    } else {
      Data first(kLarge), second(10);
      auto b = me.recv(second.data(), 10, 0, 2); // begins to move the first one away
      me.mailbox->progress();
      auto a = me.recv(first.data(), kLarge, 0, 1);
      me.wait(*b);
      me.wait(*a);
      EXPECT_TRUE(first == pattern(kLarge, 1));
      EXPECT_TRUE(second == pattern(10, 2));
    }
  });
}

TEST_P(CclMailbox, from_any_rank_tells_the_source) {
  expect_mailbox(GetParam(), 4, [](MailboxRank& me, int rank) {
    constexpr int kEach = 50;
    if (rank > 0) {
      for (int i = 0; i < kEach; ++i) {
        const int64_t value[] = {rank, i};
        me.wait(*me.send(value, sizeof value, 0, 9));
      }
      return;
    }
    std::vector<int> next(4, 0);
    for (int i = 0; i < 3 * kEach; ++i) {
      int64_t value[2] = {-1, -1};
      auto recv = me.recv(value, sizeof value, -1, 9);
      me.wait(*recv);
      ASSERT_EQ(recv->source(), value[0]);
      EXPECT_EQ(next[value[0]]++, value[1]) << "messages of one rank stay in order";
    }
    EXPECT_EQ(next, (std::vector<int>{0, kEach, kEach, kEach}));
  });
}

TEST_P(CclMailbox, the_receive_that_was_posted_first_gets_the_message) {
  expect_mailbox(GetParam(), 2, [](MailboxRank& me, int rank) {
    int token = 0;
    if (rank == 0) {
      me.wait(*me.recv(&token, sizeof token, 1, 1)); // the receives are posted
      for (int i = 1; i <= 4; ++i) me.wait(*me.send(&i, sizeof i, 1, 7));
    } else {
      int got[4] = {};
      Requests recvs;
      for (int i = 0; i < 4; ++i) // named, any, named, any
        recvs.push_back(me.recv(&got[i], sizeof(int), i % 2 ? -1 : 0, 7));
      me.wait(*me.send(&token, sizeof token, 0, 1));
      for (auto& recv : recvs) me.wait(*recv);
      for (int i = 0; i < 4; ++i) EXPECT_EQ(got[i], i + 1);
    }
  });
}

TEST_P(CclMailbox, all_send_large_messages_to_all_before_anybody_receives) {
  expect_mailbox(GetParam(), 4, [](MailboxRank& me, int rank) {
    constexpr size_t kBytes = 3000001;
    Requests sends, recvs;
    std::vector<Data> out, in(4, Data(kBytes));
    for (int peer = 0; peer < 4; ++peer) out.push_back(pattern(kBytes, 10 * rank + peer));
    for (int peer = 0; peer < 4; ++peer) sends.push_back(me.send(out[peer].data(), kBytes, peer));
    for (int peer = 3; peer >= 0; --peer) recvs.push_back(me.recv(in[peer].data(), kBytes, peer));
    for (auto& recv : recvs) me.wait(*recv);
    for (auto& send : sends) me.wait(*send);
    for (int peer = 0; peer < 4; ++peer)
      EXPECT_TRUE(in[peer] == pattern(kBytes, 10 * peer + rank)) << "from " << peer;
  });
}

TEST_P(CclMailbox, many_small_sends_wait_for_nobody_until_the_ring_is_full) {
  expect_mailbox(GetParam(), 2, [](MailboxRank& me, int rank) {
    if (rank == 0) {
      for (int i = 0; i < 1000; ++i) EXPECT_TRUE(me.send(&i, sizeof i, 1)->test());
    } else {
      for (int i = 0; i < 1000; ++i) {
        int got = -1;
        me.wait(*me.recv(&got, sizeof got, 0));
        EXPECT_EQ(got, i);
      }
    }
  });
}

// Every message of the stress test, known to all ranks from the seed.
struct Planned {
  int from, to, index;
  int64_t tag;
  size_t bytes;
  bool any; // received from any rank; such tags carry one size, and are not checked by order
};

std::vector<Planned> plan(int ranks, int seed) {
  std::mt19937 random(seed);
  std::vector<Planned> messages;
  const size_t limits[] = {64, 1000, 70000, 1500000};
  for (int i = 0; i < 400; ++i) {
    Planned p{static_cast<int>(random() % ranks), static_cast<int>(random() % ranks), i,
              static_cast<int64_t>(random() % 3), 0, random() % 8 == 0};
    const unsigned kind = random() % 20;
    p.bytes = random() % limits[kind < 10 ? 0 : kind < 17 ? 1 : kind < 19 ? 2 : 3];
    if (p.any) p.tag = 100, p.bytes = 16;
    messages.push_back(p);
  }
  return messages;
}

TEST_P(CclMailbox, random_messages_all_arrive_once) {
  for (int seed = 1; seed <= 4; ++seed) {
    constexpr int kRanks = 4;
    const auto messages = plan(kRanks, seed);
    expect_mailbox(GetParam(), kRanks, [&](MailboxRank& me, int rank) {
      std::mt19937 random(1000 * seed + rank);
      // Sends in the planned order; receives too per source and tag, but each rank
      // mixes both as it likes, and waits for old ones now and then.
      std::vector<const Planned*> sends, recvs;
      for (const Planned& p : messages) {
        if (p.from == rank) sends.push_back(&p);
        if (p.to == rank) recvs.push_back(&p);
      }
      // Tags may be asked for in any order: sorts by tag for odd seeds.
      if (seed % 2)
        std::stable_sort(recvs.begin(), recvs.end(),
                         [](auto a, auto b) { return a->tag > b->tag; });
      std::vector<Data> out(sends.size()), in(recvs.size());
      Requests sent, received;
      while (sent.size() < sends.size() || received.size() < recvs.size()) {
        const bool do_send = received.size() == recvs.size() ||
            (sent.size() < sends.size() && random() % 2);
        if (do_send) {
          const Planned& p = *sends[sent.size()];
          Data& data = out[sent.size()];
          data = pattern(p.bytes, p.index);
          if (p.any) std::memcpy(data.data(), &p.index, sizeof(int));
          sent.push_back(me.send(data.data(), p.bytes, p.to, p.tag));
          if (random() % 5 == 0 && !sent.back()->test()) {
            sent.back() = nullptr; // goes on from a copy
            std::fill(data.begin(), data.end(), 0);
          }
        } else {
          const Planned& p = *recvs[received.size()];
          in[received.size()].resize(p.bytes);
          received.push_back(
              me.recv(in[received.size()].data(), p.bytes, p.any ? -1 : p.from, p.tag));
        }
        if (random() % 4 == 0) me.mailbox->progress();
      }
      for (auto& request : received) me.wait(*request);
      for (auto& request : sent)
        if (request) me.wait(*request);
      std::multiset<int> expected_any, got_any;
      for (size_t i = 0; i < recvs.size(); ++i) {
        const Planned& p = *recvs[i];
        if (!p.any) {
          EXPECT_EQ(received[i]->source(), p.from);
          EXPECT_TRUE(in[i] == pattern(p.bytes, p.index)) << "seed " << seed << " #" << p.index;
          continue;
        }
        int index = -1;
        std::memcpy(&index, in[i].data(), sizeof index);
        expected_any.insert(p.index);
        got_any.insert(index);
        ASSERT_TRUE(index >= 0 && index < 400);
        EXPECT_EQ(messages[index].from, received[i]->source());
        Data whole = pattern(16, index);
        std::memcpy(whole.data(), &index, sizeof index);
        EXPECT_TRUE(in[i] == whole);
      }
      EXPECT_EQ(expected_any, got_any);
      // Orphans move on only while this rank makes progress.
      me.drain();
    });
    if (HasFailure()) return;
  }
}

TEST(CclMailboxAlone, messages_to_oneself_in_either_order_and_of_any_size) {
  MailboxGroup group(2);
  MailboxRank me(group, 0);
  for (size_t bytes : {0u, 1u, 1000u, 65536u, 65537u, 3000000u}) {
    const Data data = pattern(bytes, bytes);
    Data early(bytes), late(bytes), any(bytes);
    auto first = me.recv(early.data(), bytes, 0, 1);
    me.wait(*me.send(data.data(), bytes, 0, 1));
    me.wait(*first);
    auto a = me.send(data.data(), bytes, 0, 2);
    auto b = me.send(data.data(), bytes, 0, 3);
    auto second = me.recv(any.data(), bytes, -1, 3);
    me.wait(*second);
    EXPECT_EQ(second->source(), 0);
    me.wait(*me.recv(late.data(), bytes, 0, 2));
    me.wait(*a);
    me.wait(*b);
    EXPECT_TRUE(early == data && late == data && any == data) << bytes;
  }
}

TEST(CclMailboxAlone, a_ring_is_reserved_once_and_before_it_is_written) {
  MailboxGroup group(3);
  std::vector<std::pair<size_t, size_t>> reserved;
  MailboxRank me(group, 0, [&](size_t offset, size_t bytes) { reserved.push_back({offset, bytes}); });
  EXPECT_TRUE(reserved.empty());
  for (int i = 0; i < 3; ++i) me.wait(*me.send(&i, sizeof i, 2));
  const shm::MailboxLayout layout{3};
  ASSERT_EQ(reserved.size(), 1u);
  EXPECT_EQ(reserved[0].first, layout.ring_offset(2, 0));
  EXPECT_EQ(reserved[0].second, layout.ring_bytes());
}

TEST(CclMailboxAlone, what_cannot_be_reserved_is_the_error_of_the_send) {
  MailboxGroup group(2);
  MailboxRank me(group, 0, [](size_t, size_t) { throw xpu_lite::Error("no space in shared memory"); });
  const int value = 1;
  try {
    me.send(&value, sizeof value, 1);
    FAIL();
  } catch (const xpu_lite::Error& error) {
    EXPECT_NE(std::string(error.what()).find("no space"), std::string::npos);
    EXPECT_TRUE(me.broken()) << "the receiver must not wait for ever";
  }
}

} // namespace
