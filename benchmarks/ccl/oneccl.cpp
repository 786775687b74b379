// Plain oneCCL over host memory behind C functions, so that collectives.py can time it by
// ctypes in the same processes as the other backends. Elements are float32. Each call waits
// for its completion; functions return 0, or 1 and last_error() says why.

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "oneapi/ccl.hpp"

namespace {

std::string error;
ccl::shared_ptr_class<ccl::kvs> store;
std::unique_ptr<ccl::communicator> group;

template <typename F> int guarded(F f) {
  try {
    f();
    return 0;
  } catch (const std::exception& e) {
    error = e.what();
    return 1;
  }
}

constexpr auto kFloat = ccl::datatype::float32;
constexpr auto kSum = ccl::reduction::sum;

} // namespace

extern "C" {

const char* last_error() { return error.c_str(); }

// Rank 0 writes the 256 bytes that all ranks pass to open().
int address(char* out) {
  return guarded([&] {
    ccl::init();
    store = ccl::create_main_kvs();
    auto bytes = store->get_address();
    std::copy(bytes.begin(), bytes.end(), out);
  });
}

int open_group(int size, int rank, const char* bytes) {
  return guarded([&] {
    ccl::init();
    if (!store) {
      ccl::kvs::address_type where;
      std::copy(bytes, bytes + where.size(), where.begin());
      store = ccl::create_kvs(where);
    }
    group = std::make_unique<ccl::communicator>(ccl::create_communicator(size, rank, store));
  });
}

int all_reduce(void* data, size_t count) {
  return guarded([&] { ccl::allreduce(data, data, count, kFloat, kSum, *group).wait(); });
}

int reduce(void* data, size_t count, int root) {
  return guarded([&] { ccl::reduce(data, data, count, kFloat, kSum, root, *group).wait(); });
}

int broadcast(void* data, size_t count, int root) {
  return guarded([&] { ccl::broadcast(data, count, kFloat, root, *group).wait(); });
}

int all_gather(void* in, void* out, size_t count) {
  return guarded([&] { ccl::allgather(in, out, count, kFloat, *group).wait(); });
}

int reduce_scatter(void* in, void* out, size_t count) {
  return guarded([&] { ccl::reduce_scatter(in, out, count, kFloat, kSum, *group).wait(); });
}

int all_to_all(void* in, void* out, size_t count) {
  return guarded([&] { ccl::alltoall(in, out, count, kFloat, *group).wait(); });
}

// What oneCCL has no call for in host memory (gather, scatter; its send and recv crash there):
// every rank sends counts[r] elements to r and receives what r sends, pieces one after the other.
int exchange(void* in, const size_t* send, void* out, const size_t* receive, int size) {
  return guarded([&] {
    std::vector<size_t> sends(send, send + size), receives(receive, receive + size);
    ccl::alltoallv(in, sends, out, receives, kFloat, *group).wait();
  });
}

int barrier() {
  return guarded([&] { ccl::barrier(*group).wait(); });
}

} // extern "C"
