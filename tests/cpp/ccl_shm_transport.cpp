// The shared memory transport as a whole: messages beside collectives, several groups
// at a time, both kinds of memory files, and what its messages say.

#include <atomic>
#include <cstring>

#include "backend/ccl/prefix_store.h"
#include "backend/ccl/shm/process.h"
#include "backend/ccl/shm/slot_writer.h"
#include "backend/ccl/shm/transport.h"
#include "ccl_support.h"

namespace xpu_lite::ccl {
namespace {

using testing::expect_ranks;
using testing::Ranks;
using testing::seconds;

Call call_of(Collective kind, uint64_t sequence) {
  return {kind, sequence, testing::after(seconds(60)), false};
}

// The sum over ranks of `count` floats that are rank + 1.
void expect_sum(Transport& transport, uint64_t sequence, size_t count) {
  std::vector<float> data(count, transport.rank() + 1.0f);
  transport.all_reduce(call_of(Collective::AllReduce, sequence), data.data(), data.data(), count,
                       DataType::Float32, {});
  const float sum = transport.size() * (transport.size() + 1) / 2.0f;
  for (size_t i = 0; i < count; i += 1 + count / 7) ASSERT_EQ(data[i], sum) << i;
  ASSERT_EQ(data.back(), sum);
}

class ShmTransports : public ::testing::TestWithParam<Ranks> {};
INSTANTIATE_TEST_SUITE_P(As, ShmTransports,
                         ::testing::Values(Ranks::Threads, Ranks::Processes),
                         testing::ranks_name);

TEST_P(ShmTransports, CarryMessagesBesideCollectives) {
  expect_ranks(GetParam(), 3, [](Group& group) {
    const auto transport = make_shm_transport(group);
    std::atomic<bool> done{false};
    std::string problem;
    // Every rank sends around the ring while all of them reduce.
    std::thread messages([&] {
      try {
        std::vector<int> out(50000), in(50000);
        for (int round = 0; round < 20; ++round) {
          std::fill(out.begin(), out.end(), 100 * round + group.rank);
          const int to = (group.rank + 1) % 3, from = (group.rank + 2) % 3;
          auto sent = transport->send(call_of(Collective::Send, round + 1),
                                      {out.data(), out.size() * sizeof(int)}, to, 7);
          auto got = transport->recv(call_of(Collective::Recv, round + 1),
                                     {in.data(), in.size() * sizeof(int)}, from, 7);
          while (!sent->test() || !got->test()) {
            transport->progress();
            transport->await_progress(std::chrono::milliseconds(1));
          }
          if (in.front() != 100 * round + from || in.back() != in.front())
            problem = "a wrong message";
        }
      } catch (const std::exception& error) {
        problem = error.what();
      }
      done = true;
    });
    uint64_t sequence = 0;
    for (int round = 0; round < 50; ++round) {
      expect_sum(*transport, ++sequence, 3);
      expect_sum(*transport, ++sequence, 100000);
    }
    messages.join();
    EXPECT_TRUE(done);
    EXPECT_EQ(problem, "");
    transport->barrier(call_of(Collective::Barrier, ++sequence));
  });
}

TEST_P(ShmTransports, StandBesideEachOther) {
  expect_ranks(GetParam(), 2, [](Group& group) {
    std::vector<std::unique_ptr<Transport>> transports;
    for (int i = 0; i < 20; ++i) {
      Group another = group;
      another.store = std::make_shared<PrefixStore>(std::to_string(i), group.store);
      transports.push_back(make_shm_transport(another));
    }
    for (uint64_t sequence = 1; sequence < 5; ++sequence)
      for (auto& transport : transports) expect_sum(*transport, sequence, 1000);
    transports[3]->abort("enough");
    EXPECT_THROW(transports[3]->barrier(call_of(Collective::Barrier, 5)), PeerError);
    expect_sum(*transports[4], 5, 1000);
  });
}

TEST_P(ShmTransports, NameRanksByTheirLabels) {
  expect_ranks(GetParam(), 2, [](Group& group) {
    group.labels = {4, 6};
    const auto transport = make_shm_transport(group);
    std::vector<char> data(8 + group.rank);
    std::string text;
    try {
      transport->broadcast(call_of(Collective::Broadcast, 1), data.data(), data.size(), 0);
      transport->barrier(call_of(Collective::Barrier, 2));
    } catch (const MismatchError& error) {
      text = error.what();
    }
    for (const char* part : {"rank 4 (pid", "8 bytes", "rank 6", "9", "process group 'test'"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
  });
}

TEST_P(ShmTransports, WorkInPosixMemory) {
  ::setenv("XPU_LITE_CCL_SHM", "posix", 1);
  expect_ranks(GetParam(), 3, [](Group& group) {
    const auto transport = make_shm_transport(group);
    EXPECT_NE(transport->describe().find("posix segment"), std::string::npos);
    for (uint64_t sequence = 1; sequence < 4; ++sequence) expect_sum(*transport, sequence, 400000);
  });
  ::unsetenv("XPU_LITE_CCL_SHM");
}

TEST(ShmTransport, OfOneRankNeedsNobody) {
  Group group; // no store
  const auto transport = make_shm_transport(group);
  expect_sum(*transport, 1, 1000);
  transport->barrier(call_of(Collective::Barrier, 2));
  EXPECT_EQ(transport->broken(), "");
  transport->abort("the end");
  EXPECT_EQ(transport->broken(), "the end");
  EXPECT_THROW(expect_sum(*transport, 3, 1), PeerError);
}

TEST(ShmTransport, RefusesWhatThisRankPassed) {
  Group group;
  const auto transport = make_shm_transport(group);
  char data[8] = {};
  EXPECT_THROW(transport->broadcast(call_of(Collective::Broadcast, 1), data, 8, 1), ValueError);
  EXPECT_THROW(transport->broadcast(call_of(Collective::Broadcast, 1), data, 8, -1), ValueError);
  const Slice outs[] = {{data, 4}};
  EXPECT_THROW(transport->all_gather(call_of(Collective::AllGather, 1), {data, 8}, outs),
               ValueError);
}

TEST(PeerProcesses, IsDeadOnceItHasEndedEvenIfNobodyWaitedForIt) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const auto process = shm::Process::watch(child, shm::start_time_of(child));
  EXPECT_TRUE(process->alive());
  EXPECT_EQ(process, shm::Process::watch(child, shm::start_time_of(child)));
  ::kill(child, SIGKILL);
  for (int i = 0; i < 1000 && process->alive(); ++i)
    std::this_thread::sleep_for(testing::milliseconds(1));
  EXPECT_FALSE(process->alive());
  EXPECT_EQ(shm::start_time_of(child), 0u);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(process->alive());
}

TEST(PeerProcesses, IsNotAnotherOneThatHasItsPidNow) {
  const auto process = shm::Process::watch(::getppid(), shm::start_time_of(::getppid()) + 1);
  EXPECT_FALSE(process->alive());
}

TEST(SlotWriter, CopiesEveryByteWhicheverWayItTakes) {
  shm::SlotWriter writer;
  for (size_t bytes : {0, 1, 100, 4095, 4096, 8191, 8192, 8193, 100001}) {
    std::vector<char> from(bytes + 1), to(bytes + 64); // never empty: memcmp wants an address
    for (size_t i = 0; i < bytes; ++i) from[i] = static_cast<char>(i * 7 + bytes);
    for (int round = 0; round < 70; ++round) { // past several probes
      std::fill(to.begin(), to.end(), 0x55);
      writer.copy(to.data() + 3, from.data(), bytes);
      ASSERT_EQ(std::memcmp(to.data() + 3, from.data(), bytes), 0) << bytes;
      ASSERT_EQ(to[2], 0x55);
      ASSERT_EQ(to[bytes + 3], 0x55);
    }
  }
}

} // namespace
} // namespace xpu_lite::ccl
