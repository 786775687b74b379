// Checks of this rank's own arguments, groups of one rank, and who calls what.

#include "backend/ccl/shm/transport.h"

#include <unistd.h>

#include "backend/ccl/kernels/reduce.h"
#include "backend/ccl/shm/collectives.h"

namespace xpu_lite::ccl {
namespace shm {

ShmTransport::ShmTransport(const Group& group)
    : segment_(group), members_(segment_, group),
      board_(segment_, members_),
      mailbox_(segment_.mailbox(), group.rank, group.size, members_,
               [this](size_t offset, size_t bytes) { segment_.reserve_mailbox(offset, bytes); }),
      process_(::getpid()) {
  members_.on_break = [this] { mailbox_.wake_all(); };
}

ShmTransport::~ShmTransport() {
  if (::getpid() == process_) members_.leave();
}

std::string ShmTransport::describe() const {
  const Geometry& geometry = segment_.geometry();
  return message("rank ", rank(), " of ", size(), ", ", segment_.kind(), " segment, ",
                 geometry.slots, " slots of ", geometry.bulk_bytes >> 10, " KiB per rank, waits ",
                 members_.may_spin() ? "spin for a moment" : "sleep");
}

void ShmTransport::check_root(int root) const {
  if (root < 0 || root >= size())
    throw ValueError(message("root must be from 0 to ", size() - 1, ", got ", root));
}

void ShmTransport::check_own(size_t given, size_t taken) const {
  if (given != taken)
    throw ValueError(message("rank ", members_.label(rank()), " gives itself ", given,
                             " bytes and expects ", taken));
}

bool ShmTransport::alone() const {
  if (size() > 1) return false;
  if (members_.broken()) members_.throw_reason(members_.group());
  return true;
}

void ShmTransport::all_reduce(const Call& call, const void* in, void* out, size_t count,
                              DataType type, const Reduction& reduction) {
  check_reduction(type, reduction);
  if (alone()) return reduce_buffers(out, &in, 1, count, type, reduction, 1);
  shm::all_reduce(board_, call, in, out, count, type, reduction);
}

void ShmTransport::reduce(const Call& call, const void* in, void* out, size_t count,
                          DataType type, const Reduction& reduction, int root) {
  check_reduction(type, reduction);
  check_root(root);
  if (alone()) return reduce_buffers(out, &in, 1, count, type, reduction, 1);
  shm::reduce(board_, call, in, out, count, type, reduction, root);
}

void ShmTransport::broadcast(const Call& call, void* data, size_t bytes, int root) {
  check_root(root);
  if (!alone()) shm::broadcast(board_, call, data, bytes, root);
}

void ShmTransport::all_gather(const Call& call, ConstSlice in, const Slice* outs) {
  check_own(in.bytes, outs[rank()].bytes);
  if (alone()) return copy_own(outs[0], in);
  shm::all_gather(board_, call, in, outs);
}

void ShmTransport::gather(const Call& call, ConstSlice in, const Slice* outs, int root) {
  check_root(root);
  if (rank() == root) check_own(in.bytes, outs[root].bytes);
  if (alone()) return copy_own(outs[0], in);
  shm::gather(board_, call, in, outs, root);
}

void ShmTransport::scatter(const Call& call, const ConstSlice* ins, Slice out, int root) {
  check_root(root);
  if (rank() == root) check_own(ins[root].bytes, out.bytes);
  if (alone()) return copy_own(out, ins[0]);
  shm::scatter(board_, call, ins, out, root);
}

void ShmTransport::reduce_scatter(const Call& call, const void* const* ins, const size_t* counts,
                                  void* out, DataType type, const Reduction& reduction) {
  check_reduction(type, reduction);
  if (alone()) return reduce_buffers(out, ins, 1, counts[0], type, reduction, 1);
  shm::reduce_scatter(board_, call, ins, counts, out, type, reduction);
}

void ShmTransport::all_to_all(const Call& call, const ConstSlice* ins, const Slice* outs) {
  check_own(ins[rank()].bytes, outs[rank()].bytes);
  if (alone()) return copy_own(outs[0], ins[0]);
  shm::all_to_all(board_, call, ins, outs);
}

void ShmTransport::barrier(const Call& call) {
  if (!alone()) shm::barrier(board_, call);
}

std::unique_ptr<Request> ShmTransport::send(const Call& call, ConstSlice data, int to,
                                            int64_t tag) {
  return mailbox_.send(call, data, to, tag);
}

std::unique_ptr<Request> ShmTransport::recv(const Call& call, Slice data, int from,
                                            int64_t tag) {
  return mailbox_.recv(call, data, from, tag);
}

} // namespace shm

std::unique_ptr<Transport> make_shm_transport(const Group& group) {
  return std::make_unique<shm::ShmTransport>(group);
}

} // namespace xpu_lite::ccl
