#include "backend/ccl/oneccl/communicator.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>

#include "backend/ccl/tcp/socket.h"

namespace xpu_lite::ccl::oneccl {
namespace {

constexpr unsigned kHostMemory = 0xBAAAAAAE; // onecclLegacyCPU: the part without SYCL

// onecclConfig_t. -2^31 and null: not chosen.
struct Config {
  size_t size = sizeof(Config);
  unsigned magic = 0xcafebeef;
  unsigned version = 0;
  int blocking = INT_MIN, group_size = INT_MIN, min_parts = INT_MIN, max_parts = INT_MIN;
  const char* net_name = nullptr;
  int share = INT_MIN, many_threads = INT_MIN;
  unsigned plugin = kHostMemory;
};

// oneCCL's destructors crash under a thread that is still inside it. A process with
// such a thread ends without them; its streams are flushed first.
void end_at_once(int status, void*) {
  std::fflush(nullptr);
  ::_exit(status);
}

} // namespace

struct Communicator::Shared {
  Shared(size_t in, size_t out) : input_bytes(in), output_bytes(out) {
    const auto allocate = [](size_t bytes) {
      void* memory = nullptr;
      if (::posix_memalign(&memory, 4096, std::max<size_t>(bytes, 4096)) != 0)
        throw OutOfMemoryError(message("oneCCL: no memory for a buffer of ", bytes, " bytes"));
      return static_cast<char*>(memory);
    };
    input = allocate(in);
    output = allocate(out);
  }
  ~Shared() {
    ::free(input);
    ::free(output);
  }
  void run() {
    for (;;) {
      Work work;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return next || stop; });
        if (!next) break;
        work = std::exchange(next, nullptr);
      }
      const int result = work(library().call, comm);
      {
        std::lock_guard lock(mutex);
        code = result;
        busy = false;
      }
      done.set();
    }
    if (comm && !abandoned) library().call.comm_destroy(comm);
  }

  char *input, *output;
  const size_t input_bytes, output_bytes;
  Comm comm = nullptr; // the thread's
  std::mutex mutex;
  std::condition_variable changed;
  Work next;
  bool stop = false, busy = false, abandoned = false;
  int code = 0;
  tcp::Signal done;
  std::thread thread;
};

Communicator::Communicator(int rank, int size, size_t input, size_t output)
    : shared_(std::make_shared<Shared>(input, output)), rank_(rank), size_(size) {
  shared_->thread = std::thread([shared = shared_] { shared->run(); });
}

Communicator::~Communicator() {
  bool stuck;
  {
    std::lock_guard lock(shared_->mutex);
    shared_->stop = true;
    stuck = shared_->busy;
  }
  shared_->changed.notify_all();
  if (!stuck) {
    shared_->thread.join();
    return;
  }
  // It turns round in oneCCL until the process ends: only while nobody wants the core.
  sched_param none{};
  ::pthread_setschedparam(shared_->thread.native_handle(), SCHED_IDLE, &none);
  shared_->thread.detach();
  static std::once_flag once;
  std::call_once(once, [] { ::on_exit(&end_at_once, nullptr); });
}

char* Communicator::input() const noexcept { return shared_->input; }
char* Communicator::output() const noexcept { return shared_->output; }
size_t Communicator::input_bytes() const noexcept { return shared_->input_bytes; }
size_t Communicator::output_bytes() const noexcept { return shared_->output_bytes; }
int Communicator::done_fd() const noexcept { return shared_->done.fd(); }

void Communicator::start(Work work) {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->next = std::move(work);
    shared_->busy = true;
  }
  shared_->changed.notify_one();
}

void Communicator::finish() {
  shared_->done.clear();
  std::lock_guard lock(shared_->mutex);
  if (shared_->code != 0)
    throw Error(message("oneCCL: ", library().call.error_string(shared_->code)));
}

void Communicator::abandon() noexcept {
  std::lock_guard lock(shared_->mutex);
  shared_->abandoned = true;
}

Communicator::Work Communicator::connect(const UniqueId& id) const {
  return [id, rank = rank_, size = size_](const Functions& call, Comm& comm) {
    Config config;
    int version = 0;
    call.get_version(&version);
    config.version = static_cast<unsigned>(version);
    return call.comm_init(&comm, size, id, rank, &config);
  };
}

} // namespace xpu_lite::ccl::oneccl
