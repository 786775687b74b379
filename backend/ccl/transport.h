#pragma once

// The contract between the process group and whatever moves bytes between ranks.
//
// Pointers are host memory. A collective blocks the calling thread until this
// rank's part is done: its output is written and its input may be changed. The
// caller makes collectives one at a time, in the order of their sequence numbers,
// from any thread. Point-to-point requests are apart from collectives: both make
// progress at the same time, from different threads.
//
// in == out is allowed wherever the sizes agree (all_reduce, reduce, and the
// rank's own piece of the others). Zero bytes are allowed everywhere.
//
// Errors: ValueError for what this rank passed; PeerError and its kinds for what
// others did. After a PeerError, or abort() on any rank, the transport is broken:
// every later call, and every call that waits on any rank, throws a PeerError with
// the first reason.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "backend/ccl/store.h"
#include "backend/ccl/types.h"

namespace xpu_lite::ccl {

struct Slice {
  void* data = nullptr;
  size_t bytes = 0;
};
struct ConstSlice {
  const void* data = nullptr;
  size_t bytes = 0;
};

// A send or a receive under way. Destroying an unfinished one cancels a receive;
// a send is completed or, when the transport shuts down, dropped.
class Request {
 public:
  virtual ~Request() = default;
  // True when done; throws the error that it ended with.
  virtual bool test() = 0;
  // The sender, once a receive is done. Else -1.
  virtual int source() const noexcept = 0;
  // Withdraws a receive that no message belongs to yet: it never completes then.
  // False where a message is already matched to it, or for a send.
  virtual bool cancel() noexcept { return false; }
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual const char* name() const noexcept = 0; // "shm", "oneccl", "gloo", "shm+oneccl"
  virtual std::string describe() const = 0;      // one line for XPU_LITE_VERBOSE=ccl
  virtual int rank() const noexcept = 0;
  virtual int size() const noexcept = 0;

  virtual void all_reduce(const Call&, const void* in, void* out, size_t count, DataType,
                          const Reduction&) = 0;
  // `out` is written on `root` only; elsewhere it may be null.
  virtual void reduce(const Call&, const void* in, void* out, size_t count, DataType,
                      const Reduction&, int root) = 0;
  virtual void broadcast(const Call&, void* data, size_t bytes, int root) = 0;
  // outs[r] receives rank r's `in`; sizes may differ between ranks.
  virtual void all_gather(const Call&, ConstSlice in, const Slice* outs) = 0;
  virtual void gather(const Call&, ConstSlice in, const Slice* outs, int root) = 0;
  virtual void scatter(const Call&, const ConstSlice* ins, Slice out, int root) = 0;
  // out receives the reduction of every rank's ins[rank()]; counts[r] is the
  // number of elements of ins[r], the same on all ranks.
  virtual void reduce_scatter(const Call&, const void* const* ins, const size_t* counts,
                              void* out, DataType, const Reduction&) = 0;
  // outs[r] receives what rank r has in its ins[rank()].
  virtual void all_to_all(const Call&, const ConstSlice* ins, const Slice* outs) = 0;
  virtual void barrier(const Call&) = 0;

  // Point to point: messages between two ranks with one tag arrive in the order
  // sent. The buffer must stay until the request is done. Calls of the next four
  // functions and of Request::test() are made by one thread at a time.
  virtual std::unique_ptr<Request> send(const Call&, ConstSlice data, int to, int64_t tag) = 0;
  // from < 0: from whoever sends first. A message of another size is a
  // MismatchError that names both.
  virtual std::unique_ptr<Request> recv(const Call&, Slice data, int from, int64_t tag) = 0;
  // Moves every request on as far as it goes now.
  virtual void progress() = 0;
  // Sleeps until a request may move on, interrupt() is called, or `limit` is over.
  virtual void await_progress(std::chrono::microseconds limit) = 0;
  // From any thread: ends an await_progress() under way, or the next one.
  virtual void interrupt() noexcept = 0;

  // From any thread, any number of times: breaks the group on all ranks, with the
  // reason. Waiting calls throw soon (a tenth of a second).
  virtual void abort(const std::string& reason) noexcept = 0;
  // Empty while the group works; else the reason why it does not.
  virtual std::string broken() const = 0;
};

// Builds a transport on every rank of the group at once, or throws on every rank:
// a rank that fails tells the others why through the store.
std::unique_ptr<Transport> make_shm_transport(const Group& group);
// All ranks of `group` by oneCCL, wherever they are.
std::unique_ptr<Transport> make_oneccl_transport(const Group& group);
// Why oneCCL cannot be used here, with the command that installs it; empty if it can.
std::string oneccl_missing();

// gloo is torch's; the layer that knows torch hands in how to make it.
using TransportFactory = std::function<std::unique_ptr<Transport>(const Group&)>;
// Each host's ranks meet in shared memory, and the lowest of them speaks for the host
// with the other hosts, over what `between` makes for those (oneCCL, or gloo).
std::unique_ptr<Transport> make_hierarchical_transport(const Group& group,
                                                       const TransportFactory& between);
// By XPU_LITE_CCL_TRANSPORT (auto, shm, oneccl, gloo). auto: shm if all ranks are on
// one host; else oneCCL, or gloo where oneCCL is missing anywhere: hierarchical if
// ranks share a host.
std::unique_ptr<Transport> make_transport(Group group, const TransportFactory& gloo);

} // namespace xpu_lite::ccl
