// Collectives in shared memory, ranks as forked processes: microseconds of one call, the
// best of several rounds of rank 0, and the payload over that time.
// "copy" is every rank's own copy at the same time, past the cache: the memory's bound.
//   ccl [ranks = 2] [largest size in MiB = 64] [collective, or all] [out-of-place]

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "backend/ccl/kernels/reduce.h"
#include "backend/ccl/transport.h"

namespace {

using namespace xpu_lite::ccl;

// A store in memory that forked processes inherit.
class SharedStore final : public Store {
 public:
  SharedStore() {
    table_ = static_cast<Table*>(::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  }
  void set(const std::string& key, const std::string& value) override {
    Lock lock(*table_);
    write(entry(key), value);
  }
  std::string get(const std::string& key, Deadline) override {
    while (!check(key)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    Lock lock(*table_);
    return entry(key).value;
  }
  bool check(const std::string& key) override {
    Lock lock(*table_);
    return entry(key).there;
  }
  int64_t add(const std::string& key, int64_t amount) override {
    Lock lock(*table_);
    const int64_t sum = std::atoll(entry(key).value) + amount;
    write(entry(key), std::to_string(sum));
    return sum;
  }
  void remove(const std::string& key) override {
    Lock lock(*table_);
    entry(key).there = false;
  }

 private:
  struct Entry {
    bool there;
    char key[60];
    char value[4000];
  };
  struct Table {
    std::atomic_flag busy;
    Entry entries[256];
  };
  struct Lock {
    explicit Lock(Table& table) : table(table) {
      while (table.busy.test_and_set()) std::this_thread::yield();
    }
    ~Lock() { table.busy.clear(); }
    Table& table;
  };
  Entry& entry(const std::string& key) {
    for (Entry& entry : table_->entries) {
      if (entry.key[0] == 0) std::strncpy(entry.key, key.c_str(), sizeof(entry.key) - 1);
      if (key == entry.key) return entry;
    }
    std::abort();
  }
  static void write(Entry& entry, const std::string& value) {
    entry.there = true;
    std::snprintf(entry.value, sizeof(entry.value), "%s", value.c_str());
  }
  Table* table_;
};

char* allocate(size_t bytes) {
  void* data = ::mmap(nullptr, bytes + (4 << 20), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char* at = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(data) + (2 << 20) - 1) &
                                     ~uintptr_t{(2 << 20) - 1});
  ::madvise(at, bytes, MADV_HUGEPAGE);
  std::memset(at, 0, bytes);
  return at;
}

// One rank. `bytes` is what a rank has, or for those that deal out pieces, all pieces.
class Rank {
 public:
  Rank(Transport& transport, size_t largest, bool apart)
      : transport_(transport), n_(transport.size()), in_(allocate(largest)),
        other_(allocate(largest)), out_(apart ? other_ : in_) {}

  void call(const std::string& what, size_t bytes) {
    const auto make = [&](Collective kind) { return Call{kind, ++sequence_}; };
    const size_t part = bytes / n_;
    std::vector<Slice> outs;
    std::vector<ConstSlice> ins;
    std::vector<const void*> pointers;
    std::vector<size_t> counts(n_, part / 4);
    for (int r = 0; r < n_; ++r) {
      ins.push_back({in_ + r * part, part});
      outs.push_back({other_ + r * part, part});
      pointers.push_back(in_ + r * part);
    }
    const int rank = transport_.rank();
    if (what == "all_reduce")
      transport_.all_reduce(make(Collective::AllReduce), in_, out_, bytes / 4,
                            DataType::Float32, {});
    else if (what == "reduce")
      transport_.reduce(make(Collective::Reduce), in_, out_, bytes / 4, DataType::Float32, {}, 0);
    else if (what == "broadcast")
      transport_.broadcast(make(Collective::Broadcast), in_, bytes, 0);
    else if (what == "all_gather")
      transport_.all_gather(make(Collective::AllGather), ins[rank], outs.data());
    else if (what == "gather")
      transport_.gather(make(Collective::Gather), ins[rank], outs.data(), 0);
    else if (what == "scatter")
      transport_.scatter(make(Collective::Scatter), ins.data(), outs[rank], 0);
    else if (what == "reduce_scatter")
      transport_.reduce_scatter(make(Collective::ReduceScatter), pointers.data(), counts.data(),
                                other_, DataType::Float32, {});
    else if (what == "all_to_all")
      transport_.all_to_all(make(Collective::AllToAll), ins.data(), outs.data());
    else if (what == "copy")
      copy_streaming(other_, in_, bytes);
    else
      transport_.barrier(make(Collective::Barrier));
  }

  // Microseconds of one call.
  double time(const std::string& what, size_t bytes) {
    const int repeats = bytes <= 4096 ? 500 : std::max<int>(1, (4 << 20) / bytes);
    double best = 1e30;
    for (int round = 0; round < 9; ++round) {
      call("barrier", 0);
      const auto start = Clock::now();
      for (int i = 0; i < repeats; ++i) call(what, bytes);
      // Rooted ones end early on some ranks: all have to be done.
      call("barrier", 0);
      const std::chrono::duration<double, std::micro> took = Clock::now() - start;
      best = std::min(best, took.count() / repeats);
    }
    return best;
  }

 private:
  Transport& transport_;
  const int n_;
  char* in_;
  char* other_;
  char* out_;
  uint64_t sequence_ = 0;
};

// Each rank on a core of its own, as a launcher would place it.
void pin(int rank) {
  cpu_set_t all, one;
  ::sched_getaffinity(0, sizeof(all), &all);
  int nth = rank % CPU_COUNT(&all), core = 0;
  while (!CPU_ISSET(core, &all) || nth-- > 0) ++core;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  ::sched_setaffinity(0, sizeof(one), &one);
}

void run(const Group& group, size_t largest, const std::string& only, bool apart) {
  pin(group.rank);
  const auto transport = make_shm_transport(group);
  if (group.rank == 0) std::printf("%s\n%-16s %12s %12s %10s\n", transport->describe().c_str(),
                                   "collective", "bytes", "us", "GB/s");
  Rank rank(*transport, largest, apart);
  for (const std::string what : {"copy", "all_reduce", "reduce", "broadcast", "all_gather",
                                 "gather", "scatter", "reduce_scatter", "all_to_all",
                                 "barrier"}) {
    if (only != "all" && only != what) continue;
    for (size_t bytes : {8ul, 64ul, 512ul, 4ul << 10, 32ul << 10, 128ul << 10, 256ul << 10,
                         1ul << 20, 4ul << 20, 16ul << 20, 64ul << 20, 256ul << 20}) {
      if (bytes > largest) break;
      const double us = rank.time(what, bytes);
      if (group.rank == 0)
        std::printf("%-16s %12zu %12.2f %10.2f\n", what.c_str(), bytes, us, bytes / us / 1000);
      if (what == "barrier") break;
    }
    if (group.rank == 0) std::fflush(stdout);
  }
}

} // namespace

int main(int argc, char** argv) {
  const int n = argc > 1 ? std::atoi(argv[1]) : 2;
  const size_t largest = (argc > 2 ? std::atoi(argv[2]) : 64) * (size_t{1} << 20);
  const std::string only = argc > 3 ? argv[3] : "all";
  Group group;
  group.size = n;
  group.store = std::make_shared<SharedStore>();
  group.name = "benchmark";
  for (int rank = 1; rank < n; ++rank) {
    if (::fork() != 0) continue;
    group.rank = rank;
    run(group, largest, only, argc > 4);
    ::_exit(0);
  }
  run(group, largest, only, argc > 4);
  while (::wait(nullptr) > 0) {}
  return 0;
}
