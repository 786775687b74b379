// What a group takes from the system and gives back: memory that is not there, names
// that are taken, a store that goes away, other users, and a thousand groups.

#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "backend/ccl/shm/memory_file.h"
#include "tests/cpp/ccl_calls.h"
#include "tests/cpp/support.h"

using namespace xpu_lite;
using namespace xpu_lite::ccl;
using namespace xpu_lite::ccl::testing;
using xpu_lite::testing::expect_contains;

namespace {

constexpr auto kLimit = seconds(60);

std::vector<std::string> list(const std::string& path) {
  std::vector<std::string> names;
  if (DIR* folder = ::opendir(path.c_str())) {
    while (dirent* entry = ::readdir(folder))
      if (entry->d_name[0] != '.') names.push_back(entry->d_name);
    ::closedir(folder);
  }
  return names;
}

// Of this test: in a private /dev/shm that is everything.
std::vector<std::string> segments() {
  auto names = list("/dev/shm");
  std::erase_if(names, [](const std::string& name) { return name.rfind("xpu_lite", 0) != 0; });
  return names;
}

// fn() in a process that sees a /dev/shm of its own, of `bytes`; skips where the
// kernel does not allow that.
void with_private_shm(size_t bytes, const std::function<void()>& fn) {
  const auto outcome = run_processes(1, [&](int) {
    const int user = ::getuid();
    if (::unshare(CLONE_NEWNS) != 0) {
      if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) throw Error("not allowed");
      std::ofstream("/proc/self/setgroups") << "deny";
      std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
    }
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev/shm", "tmpfs", 0, message("size=", bytes).c_str()) != 0)
      throw Error("not allowed");
    fn();
    EXPECT_EQ(list("/dev/shm"), std::vector<std::string>());
  }, kLimit)[0];
  if (outcome.text == "not allowed") GTEST_SKIP() << "the kernel forbids mount namespaces";
  EXPECT_TRUE(outcome.ok) << outcome.text;
}

std::unique_ptr<Transport> make(Group& group) {
  group.hosts.assign(group.size, "here");
  return make_shm_transport(group);
}

// The text of what making the group throws, which it has to.
std::string failure_of_making(Group& group) {
  try {
    make(group);
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "the group of rank " << group.rank << " was made";
  return "";
}

bool as_nobody(const std::function<bool()>& fn) {
  return xpu_lite::testing::in_child([&] {
    if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) return false;
    return fn();
  }) == 0;
}

} // namespace

class Segments : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { ::setenv("XPU_LITE_CCL_SHM", GetParam(), 1); }
};
INSTANTIATE_TEST_SUITE_P(Resources, Segments, ::testing::Values("memfd", "posix"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Segments, ProcessesLeaveNothingBehind) {
  with_private_shm(size_t{1} << 30, [] {
    expect_ranks(Ranks::Processes, 3, [](Group& group) {
      auto transport = make(group);
      run_collective(*transport, {.sequence = 1, .count = 1000});
      // Gone as soon as all are attached, so that nobody's death can leave it.
      EXPECT_EQ(segments(), std::vector<std::string>());
      EXPECT_NE(transport->describe(), "");
    });
  });
}

TEST_P(Segments, ProcessesKilledWhileItIsMadeLeaveNothingBehind) {
  for (const int victim : {0, 2})
    with_private_shm(size_t{1} << 30, [&] {
      const auto outcomes = run_ranks(Ranks::Processes, 3, [&](Group& group) {
        group.deadline = after(seconds(1));
        if (group.rank != victim) {
          if (group.rank == 1) std::this_thread::sleep_for(milliseconds(300));
          const std::string text = failure_of_making(group);
          expect_contains(text, message("rank ", victim));
          expect_contains(text, "process group 'test'");
          return;
        }
        std::thread killer([] {
          std::this_thread::sleep_for(milliseconds(100)); // it waits for rank 1 now
          ::kill(::getpid(), SIGKILL);
        });
        if (victim == 0) make(group);
        killer.join();
      }, kLimit);
      for (int rank = 0; rank < 3; ++rank)
        EXPECT_TRUE(rank == victim || outcomes[rank].ok) << outcomes[rank].text;
    });
}

TEST_P(Segments, ProcessesThatCannotHaveTheMemoryAllSayWhy) {
  // posix: /dev/shm is too small. memfd: this process may not make files so large, which
  // is what else limits one.
  with_private_shm(64 << 10, [&] {
    const bool memfd = GetParam() == std::string("memfd");
    if (memfd) {
      const rlimit limit{64 << 10, 64 << 10};
      ::signal(SIGXFSZ, SIG_IGN);
      ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    }
    expect_ranks(Ranks::Processes, 3, [&](Group& group) {
      const std::string text = failure_of_making(group);
      expect_contains(text, "process group 'test'");
      expect_contains(text, "shared memory");
      expect_contains(text, memfd ? "File too large" : "No space left on device");
      expect_contains(text, "bytes");
    });
  });
}

TEST(PosixSegment, ProcessesThatRunOutOfMemoryOnOneRankAllSayWhich) {
  // At some size there is enough for what rank 0 takes, and not for what others do.
  ::setenv("XPU_LITE_CCL_SHM", "posix", 1);
  FileStore notes;
  for (size_t bytes = 256 << 10; bytes < size_t{64} << 20; bytes += bytes / 2)
    with_private_shm(bytes, [&] {
      const auto outcomes = run_ranks(Ranks::Processes, 3, [](Group& group) { make(group); });
      for (const Outcome& outcome : outcomes) {
        EXPECT_EQ(outcome.ok, outcomes[0].ok);
        EXPECT_EQ(outcome.text, outcomes[0].text);
        if (!outcome.ok) expect_contains(outcome.text, "No space left on device");
        if (outcome.text.find("rank 2: ") != std::string::npos) notes.add("found", 1);
      }
    });
  EXPECT_TRUE(IsSkipped() || notes.add("found", 0) > 0);
}

TEST_P(Segments, ProcessesOfAnotherUserCannotReachIt) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can become another user";
  with_private_shm(size_t{1} << 30, [] {
    ::chmod("/dev/shm", 01777);
    expect_ranks(Ranks::Processes, 2, [](Group& group) {
      auto transport = make(group);
      run_collective(*transport, {.sequence = 1});
      const std::string root = message("/proc/", ::getpid(), "/");
      // This user can: so the paths are those that lead to it.
      std::vector<std::string> paths;
      for (const std::string folder : {"fd", "map_files"})
        for (const std::string& name : list(root + folder)) {
          const std::string path = root + folder + "/" + name;
          char target[512] = {};
          if (::readlink(path.c_str(), target, sizeof(target) - 1) < 0) continue;
          for (const std::string ours : {"/memfd:xpu_lite", "/dev/shm/xpu_lite"})
            if (std::string(target).rfind(ours, 0) == 0) paths.push_back(path);
        }
      EXPECT_FALSE(paths.empty());
      for (const std::string& path : paths) {
        const int fd = ::open(path.c_str(), O_RDWR);
        if (fd < 0) continue; // map_files of an unlinked file cannot be opened by anybody
        struct stat info;
        ASSERT_EQ(::fstat(fd, &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0600u) << path;
        ::close(fd);
      }
      EXPECT_TRUE(as_nobody([&] {
        for (const std::string& path : paths)
          for (const int flags : {O_RDWR, O_RDONLY, O_WRONLY})
            if (::open(path.c_str(), flags) >= 0) return false;
        return ::open((root + "mem").c_str(), O_RDWR) < 0;
      }));
      group.store->add("done", 1);
      while (group.store->add("done", 0) < 2) std::this_thread::sleep_for(milliseconds(5));
    });
  });
}

TEST(PosixSegment, ProcessesOfAnotherUserCannotOpenItByItsNameEither) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can become another user";
  ::setenv("XPU_LITE_CCL_SHM", "posix", 1);
  with_private_shm(size_t{1} << 30, [] {
    ::chmod("/dev/shm", 01777);
    expect_ranks(Ranks::Processes, 2, [](Group& group) {
      if (group.rank == 0) return void(make(group));
      // While rank 0 waits for this one, its name is there.
      while (segments().empty()) std::this_thread::sleep_for(milliseconds(1));
      const std::string path = "/dev/shm/" + segments()[0];
      const int fd = ::open(path.c_str(), O_RDWR);
      EXPECT_GE(fd, 0);
      ::close(fd);
      EXPECT_TRUE(as_nobody([&] {
        return ::open(path.c_str(), O_RDWR) < 0 && ::open(path.c_str(), O_RDONLY) < 0 &&
               ::unlink(path.c_str()) < 0;
      }));
      make(group);
    });
  });
}

TEST(Fallback, ProcessesThatMayNotOpenEachOthersFilesMeetInDevShm) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can become another user";
  for (const std::string kind : {"auto", "memfd"})
    with_private_shm(size_t{1} << 30, [&] {
      ::chmod("/dev/shm", 01777);
      // Who has changed its user is closed to others of the new one until its next exec.
      ASSERT_EQ(::setgroups(0, nullptr) + ::setgid(65534) + ::setuid(65534), 0);
      ::setenv("XPU_LITE_CCL_SHM", kind.c_str(), 1);
      expect_ranks(Ranks::Processes, 3, [&](Group& group) {
        if (kind == "memfd") {
          const std::string text = failure_of_making(group);
          expect_contains(text, "rank 1: cannot open the shared memory /proc/");
          expect_contains(text, "Permission denied");
          return;
        }
        auto transport = make(group);
        expect_contains(transport->describe(), "posix segment");
        run_collective(*transport, {.sequence = 1, .count = 1000});
        EXPECT_EQ(segments(), std::vector<std::string>());
      });
    });
}

TEST(PosixSegment, ANameThatExistsIsPassedOver) {
  const std::string taken = shm::MemoryFile::random_name(), free = shm::MemoryFile::random_name();
  const int fd = ::shm_open(taken.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::write(fd, "theirs", 6), 6);
  std::vector<std::string> names{free, taken, taken}, announced;
  const auto next = [&] {
    const std::string name = names.back();
    names.pop_back();
    return name;
  };
  const auto announce = [&](const std::string& location) { announced.push_back(location); };
  {
    const auto file = shm::MemoryFile::make_posix(4096, announce, next);
    EXPECT_EQ(file.location(), "posix:" + free);
    EXPECT_EQ(announced, (std::vector{"posix:" + taken, "posix:" + taken, "posix:" + free}));
  }
  // What was there is still there, as it was; ours is not.
  char text[7] = {};
  EXPECT_EQ(::pread(fd, text, 6, 0), 6);
  EXPECT_STREQ(text, "theirs");
  EXPECT_EQ(::shm_unlink(taken.c_str()), 0);
  EXPECT_NE(::shm_unlink(free.c_str()), 0);
  ::close(fd);
}

TEST(PosixSegment, ANameThatIsAlwaysTakenIsAnError) {
  const std::string taken = shm::MemoryFile::random_name();
  const int fd = ::shm_open(taken.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  ASSERT_GE(fd, 0);
  const std::string text = xpu_lite::testing::message_of<Error>([&] {
    shm::MemoryFile::make_posix(4096, [](const std::string&) {}, [&] { return taken; });
  });
  expect_contains(text, "File exists");
  expect_contains(text, taken);
  EXPECT_EQ(::shm_unlink(taken.c_str()), 0);
  ::close(fd);
}

TEST(PosixSegment, ProcessesThatWereAllKilledAreCleanedUpAfter) {
  with_private_shm(size_t{1} << 30, [] {
    FileStore notes;
    run_processes(1, [&](int) {
      notes.set("orphan", shm::MemoryFile::random_name());
      const std::string name = notes.get("orphan", Deadline::max());
      EXPECT_GE(::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600), 0);
      ::raise(SIGKILL);
    });
    const std::string living = shm::MemoryFile::random_name();
    EXPECT_GE(::shm_open(living.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600), 0);
    EXPECT_EQ(segments().size(), 2u);
    shm::MemoryFile::remove_orphans();
    EXPECT_EQ(segments(), std::vector<std::string>{living.substr(1)});
    ::shm_unlink(living.c_str());
  });
}

namespace {

struct Usage {
  size_t fds, threads, maps, pages;
  static Usage now() {
    std::ifstream statm("/proc/self/statm"), maps("/proc/self/maps");
    size_t total = 0, resident = 0, lines = 0;
    statm >> total >> resident;
    for (std::string line; std::getline(maps, line);) ++lines;
    return {list("/proc/self/fd").size(), list("/proc/self/task").size(), lines, resident};
  }
};

} // namespace

TEST_P(Segments, ProcessesCanMakeAThousandGroups) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int kGroups = 60;
  constexpr bool kMeasurePages = false; // a sanitizer keeps what was freed
#else
  const int kGroups = GetParam() == std::string("memfd") ? 1000 : 200;
  constexpr bool kMeasurePages = true;
#endif
  with_private_shm(size_t{1} << 30, [&] {
    expect_ranks(Ranks::Processes, 2, [&](Group& whole) {
      const auto one = [&](int i) {
        Group group = whole;
        group.store = std::make_shared<PrefixStore>(std::to_string(i), whole.store);
        auto transport = make(group);
        run_collective(*transport, {.sequence = 1});
        run_collective(*transport, {.kind = Collective::AllGather, .sequence = 2, .count = 30000});
      };
      for (int i = 0; i < 20; ++i) one(i);
      const Usage before = Usage::now();
      for (int i = 20; i < 20 + kGroups; ++i) one(i);
      const Usage usage = Usage::now();
      EXPECT_EQ(usage.fds, before.fds);
      EXPECT_EQ(usage.threads, before.threads);
      // The heap may have grown by some pieces; a leak would be one for each group.
      EXPECT_LE(usage.maps, before.maps + kGroups / 4);
      EXPECT_TRUE(!kMeasurePages || usage.pages <= before.pages + (2 << 20) / 4096)
          << before.pages << " pages before, now " << usage.pages;
      EXPECT_EQ(segments(), std::vector<std::string>());
    }, seconds(300));
  });
}

TEST(GroupStore, ThatGoesAwayWhileTheGroupIsMadeIsAnErrorOnEveryRank) {
  auto store = std::make_shared<MemoryStore>();
  const auto outcomes = run_threads(3, [&](int rank) {
    if (rank == 2) {
      std::this_thread::sleep_for(milliseconds(100));
      store->fail();
    }
    Group group{rank, 3, store, after(seconds(100)), "test", {"here", "here", "here"}, {}};
    EXPECT_THROW(make_shm_transport(group), PeerError);
  }, seconds(30));
  for (const Outcome& outcome : outcomes) EXPECT_TRUE(outcome.ok) << outcome.text;
}

TEST(GroupStore, IsNotNeededByAGroupThatStands) {
  for (const Ranks how : {Ranks::Threads, Ranks::Processes}) {
    const auto work = [](Group group, const std::function<void()>& destroy) {
      group.hosts.assign(group.size, "here");
      auto transport = make_shm_transport(group);
      run_collective(*transport, {.kind = Collective::Barrier, .sequence = 1});
      if (group.rank == 1) destroy();
      for (uint64_t i = 2; i < 20; ++i) run_collective(*transport, {.sequence = i, .count = i * i});
    };
    std::vector<Outcome> outcomes;
    if (how == Ranks::Threads) {
      auto store = std::make_shared<MemoryStore>();
      outcomes = run_threads(3, [&](int rank) {
        work({rank, 3, store, after(seconds(30)), "test", {}, {}}, [&] { store->fail(); });
      });
    } else {
      auto store = std::make_shared<FileStore>();
      outcomes = run_processes(3, [&](int rank) {
        work({rank, 3, store, after(seconds(30)), "test", {}, {}}, [&] { store->destroy(); });
      });
    }
    for (const Outcome& outcome : outcomes) EXPECT_TRUE(outcome.ok) << outcome.text;
  }
}
