#pragma once

// Ranks for the tests of collectives: a group whose ranks are threads of this
// process (what ThreadSanitizer sees) or forked processes (what runs in
// production), each with a store that its ranks share.

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backend/ccl/host.h"
#include "backend/ccl/prefix_store.h"
#include "backend/ccl/store.h"
#include "backend/ccl/transport.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

namespace xpu_lite::ccl::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline Deadline after(std::chrono::milliseconds time) { return Clock::now() + time; }

// A map; for ranks that are threads. fail() makes it a store that went away.
class MemoryStore final : public Store {
 public:
  void set(const std::string& key, const std::string& value) override {
    std::lock_guard lock(mutex_);
    check_alive(key);
    values_[key] = value;
    changed_.notify_all();
  }
  std::string get(const std::string& key, Deadline deadline) override {
    std::unique_lock lock(mutex_);
    // Waits in slices: a wait until Deadline::max() overflows in libstdc++.
    while (!values_.count(key)) {
      check_alive(key);
      if (Clock::now() >= deadline) throw TimeoutError("store: no key '" + key + "' in time");
      changed_.wait_until(lock, std::min(deadline, after(milliseconds(100))));
    }
    check_alive(key);
    return values_[key];
  }
  bool check(const std::string& key) override {
    std::lock_guard lock(mutex_);
    check_alive(key);
    return values_.count(key) != 0;
  }
  int64_t add(const std::string& key, int64_t amount) override {
    std::lock_guard lock(mutex_);
    check_alive(key);
    std::string& text = values_[key];
    const int64_t sum = (text.empty() ? 0 : std::stoll(text)) + amount;
    text = std::to_string(sum);
    changed_.notify_all();
    return sum;
  }
  void remove(const std::string& key) override {
    std::lock_guard lock(mutex_);
    check_alive(key);
    values_.erase(key);
  }
  void fail() {
    std::lock_guard lock(mutex_);
    gone_ = true;
    changed_.notify_all();
  }
  std::vector<std::string> keys() {
    std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& entry : values_) names.push_back(entry.first);
    return names;
  }

 private:
  void check_alive(const std::string& key) const {
    if (gone_) throw Error("store: connection lost (key '" + key + "')");
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_;
  bool gone_ = false;
};

// A folder with a file per key; for ranks that are processes. It outlives a killed
// rank; destroy() makes it a store that went away. Whoever made it removes it.
class FileStore final : public Store {
 public:
  FileStore() : owner_(::getpid()) {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base && *base ? base : "/tmp") + "/ccl_store_XXXXXX";
    if (!::mkdtemp(path_.data())) throw Error("cannot make the folder " + path_);
  }
  ~FileStore() override {
    if (::getpid() == owner_) destroy();
  }
  void set(const std::string& key, const std::string& value) override {
    Lock lock(path_);
    write(key, value);
  }
  std::string get(const std::string& key, Deadline deadline) override {
    std::string value;
    while (!read(key, value)) {
      check_alive(key);
      if (Clock::now() >= deadline) throw TimeoutError("store: no key '" + key + "' in time");
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return value;
  }
  bool check(const std::string& key) override {
    std::string value;
    check_alive(key);
    return read(key, value);
  }
  int64_t add(const std::string& key, int64_t amount) override {
    Lock lock(path_);
    std::string value;
    const int64_t sum = (read(key, value) ? std::stoll(value) : 0) + amount;
    write(key, std::to_string(sum));
    return sum;
  }
  void remove(const std::string& key) override {
    Lock lock(path_);
    ::unlink(file(key).c_str());
  }
  void destroy() {
    if (DIR* folder = ::opendir(path_.c_str())) {
      while (dirent* entry = ::readdir(folder))
        ::unlink((path_ + "/" + entry->d_name).c_str());
      ::closedir(folder);
    }
    ::rmdir(path_.c_str());
  }

 private:
  struct Lock {
    explicit Lock(const std::string& path)
        : fd(::open((path + "/.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
      if (fd < 0) throw Error("store: connection lost (" + path + " is gone)");
      ::flock(fd, LOCK_EX);
    }
    ~Lock() { ::close(fd); }
    int fd;
  };
  std::string file(const std::string& key) const {
    std::string name = path_ + "/k";
    char hex[3];
    for (unsigned char c : key) std::snprintf(hex, sizeof hex, "%02x", c), name += hex;
    return name;
  }
  void check_alive(const std::string& key) const {
    if (::access(path_.c_str(), F_OK) != 0)
      throw Error("store: connection lost (key '" + key + "')");
  }
  bool read(const std::string& key, std::string& value) const {
    FILE* in = std::fopen(file(key).c_str(), "re");
    if (!in) return false;
    char block[4096];
    value.clear();
    for (size_t n; (n = std::fread(block, 1, sizeof block, in)) > 0;) value.append(block, n);
    std::fclose(in);
    return true;
  }
  void write(const std::string& key, const std::string& value) const {
    const std::string draft = path_ + "/.draft"; // under the lock, so there is one writer
    FILE* out = std::fopen(draft.c_str(), "we");
    if (!out) throw Error("store: connection lost (key '" + key + "')");
    std::fwrite(value.data(), 1, value.size(), out);
    std::fclose(out);
    if (std::rename(draft.c_str(), file(key).c_str()) != 0)
      throw Error("store: cannot write key '" + key + "'");
  }
  std::string path_;
  pid_t owner_;
};

// How a rank ended. `text` is the error that left fn, or what a signal did.
struct Outcome {
  bool ok = false;
  int signal = 0; // processes: what killed it, else 0
  bool timed_out = false;
  std::string text;
};

inline std::string describe_current_exception() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

// fn(rank) on `n` threads at once. A thread cannot be killed: when they do not end
// in time the test program is aborted, with a line that says who did not.
inline std::vector<Outcome> run_threads(int n, const std::function<void(int)>& fn,
                                        milliseconds limit = seconds(120)) {
  std::vector<Outcome> outcomes(n);
  std::vector<bool> done(n, false);
  std::mutex mutex;
  std::condition_variable changed;
  int finished = 0;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank) {
    threads.emplace_back([&, rank] {
      Outcome outcome;
      try {
        fn(rank);
        outcome.ok = true;
      } catch (...) {
        outcome.text = describe_current_exception();
      }
      std::lock_guard lock(mutex);
      outcomes[rank] = outcome;
      done[rank] = true;
      ++finished;
      changed.notify_all();
    });
  }
  {
    std::unique_lock lock(mutex);
    if (!changed.wait_until(lock, after(limit), [&] { return finished == n; })) {
      std::fprintf(stderr, "run_threads: not done in %lld ms: ranks",
                   static_cast<long long>(limit.count()));
      for (int rank = 0; rank < n; ++rank)
        if (!done[rank]) std::fprintf(stderr, " %d", rank);
      std::fprintf(stderr, "\n");
      std::abort();
    }
  }
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

// Failed checks of the running test; a forked rank inherits those of its parent.
inline size_t failures_so_far() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  size_t failures = 0;
  for (int i = 0; test && i < test->result()->total_part_count(); ++i)
    failures += test->result()->GetTestPartResult(i).failed();
  return failures;
}

// fn(rank) in `n` forked processes; those not done in time are killed. A failed
// EXPECT in a rank makes its outcome not ok. Call it while this process has one thread.
inline std::vector<Outcome> run_processes(int n, const std::function<void(int)>& fn,
                                          milliseconds limit = seconds(120)) {
  struct Child {
    pid_t pid;
    int pipe;
    bool running = true;
  };
  std::vector<Outcome> outcomes(n);
  std::vector<Child> children;
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  for (int rank = 0; rank < n; ++rank) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error("pipe2 failed");
    const pid_t pid = ::fork();
    if (pid < 0) throw Error("fork failed");
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(2);
      std::string text;
      int status = 0;
      const size_t before = failures_so_far();
      try {
        fn(rank);
      } catch (...) {
        text = describe_current_exception();
        status = 1;
      }
      if (status == 0 && failures_so_far() > before) {
        text = "a check failed in this rank (printed above)";
        status = 1;
      }
#ifdef __SANITIZE_ADDRESS__
      if (__lsan_do_recoverable_leak_check()) {
        text += " [leaks, printed above]";
        status = 1;
      }
#endif
      std::fflush(nullptr);
      if (::write(ends[1], text.data(), std::min<size_t>(text.size(), 60000)) < 0) status = 3;
      ::_exit(status);
    }
    ::close(ends[1]);
    children.push_back({pid, ends[0]});
  }
  const Deadline deadline = after(limit);
  for (int left = n; left > 0;) {
    const bool late = Clock::now() >= deadline;
    for (int rank = 0; rank < n; ++rank) {
      Child& child = children[rank];
      if (!child.running) continue;
      if (late) {
        outcomes[rank].timed_out = true;
        ::kill(child.pid, SIGKILL);
      }
      int status = 0;
      if (::waitpid(child.pid, &status, late ? 0 : WNOHANG) != child.pid) continue;
      child.running = false;
      --left;
      char block[4096];
      // Only what was written before the end: a grandchild may hold the pipe open.
      ::fcntl(child.pipe, F_SETFL, O_NONBLOCK);
      for (ssize_t got; (got = ::read(child.pipe, block, sizeof block)) > 0;)
        outcomes[rank].text.append(block, got);
      ::close(child.pipe);
      outcomes[rank].ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
      if (WIFSIGNALED(status)) {
        outcomes[rank].signal = WTERMSIG(status);
        outcomes[rank].text = outcomes[rank].timed_out
                                  ? "not done in " + std::to_string(limit.count()) + " ms"
                                  : "killed by signal " + std::to_string(WTERMSIG(status));
      }
    }
    if (left > 0) std::this_thread::sleep_for(milliseconds(2));
  }
  return outcomes;
}

enum class Ranks { Threads, Processes };
inline const char* name_of(Ranks how) {
  return how == Ranks::Threads ? "Threads" : "Processes";
}

// fn(group) as every rank of a fresh group of `n`. group.hosts is not filled:
// call gather_hosts(), or set it.
inline std::vector<Outcome> run_ranks(Ranks how, int n,
                                      const std::function<void(Group&)>& fn,
                                      milliseconds limit = seconds(120)) {
  std::shared_ptr<Store> store;
  if (how == Ranks::Threads) store = std::make_shared<MemoryStore>();
  else store = std::make_shared<FileStore>();
  const auto body = [&](int rank) {
    Group group;
    group.rank = rank;
    group.size = n;
    group.store = store;
    group.deadline = after(seconds(60));
    group.name = "test";
    fn(group);
  };
  return how == Ranks::Threads ? run_threads(n, body, limit) : run_processes(n, body, limit);
}

// The same, and every rank has to end without an error.
inline void expect_ranks(Ranks how, int n, const std::function<void(Group&)>& fn,
                         milliseconds limit = seconds(120)) {
  const auto outcomes = run_ranks(how, n, fn, limit);
  for (int rank = 0; rank < n; ++rank)
    EXPECT_TRUE(outcomes[rank].ok) << name_of(how) << ", rank " << rank << " of " << n << ": "
                                   << outcomes[rank].text;
}

// For INSTANTIATE_TEST_SUITE_P(Ranks..., ::testing::Values(...), ranks_name).
inline std::string ranks_name(const ::testing::TestParamInfo<Ranks>& info) {
  return name_of(info.param);
}

} // namespace xpu_lite::ccl::testing
