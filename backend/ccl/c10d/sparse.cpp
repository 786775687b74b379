// The sum of sparse tensors: every rank gathers the entries of all, and adds those
// of one place. What an embedding with sparse=True needs in data-parallel training.

#include <ATen/ops/_sparse_coo_tensor_unsafe.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/library.h>

#include "backend/ccl/c10d/group_run.h"

namespace xpu_lite::ccl {
namespace {

// The pieces of all ranks, one after another along the last dimension of `part`
// (2-d, contiguous); `counts[r]` columns or rows belong to rank r.
at::Tensor gather_rows(Transport& transport, const Call& call, const at::Tensor& part,
                       const std::vector<int64_t>& counts) {
  int64_t total = 0;
  for (int64_t n : counts) total += n;
  std::vector<int64_t> sizes = part.sizes().vec();
  sizes[0] = total;
  at::Tensor all = at::empty(sizes, part.options());
  const size_t row = part.size(0) ? part.nbytes() / part.size(0)
                                  : part.itemsize() * c10::multiply_integers(part.sizes().slice(1));
  std::vector<Slice> outs;
  auto* to = static_cast<char*>(all.mutable_data_ptr());
  for (int64_t n : counts) {
    outs.push_back({to, n * row});
    to += n * row;
  }
  transport.all_gather(call, {part.const_data_ptr(), part.nbytes()}, outs.data());
  return all;
}

} // namespace

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::allreduce_sparse(
    Tensors& tensors, const c10d::AllreduceOptions& opts) {
  const char* op = "all_reduce (sparse)";
  TORCH_CHECK_VALUE(tensors.size() == 1, op, ": expected one tensor, got ", tensors.size());
  const at::Tensor t = tensors[0];
  TORCH_CHECK_VALUE(t.layout() == c10::kSparse, op, ": the tensor has layout ", t.layout());
  TORCH_CHECK_VALUE(opts.reduceOp == c10d::ReduceOp::SUM, op,
                    ": sparse tensors can be added only (ReduceOp.SUM)");
  const c10::Device device = t.device();
  // The entries leave the device here: a sparse tensor's parts are tensors of their own.
  const at::Tensor host = t.cpu().coalesce();
  auto result = std::make_shared<at::Tensor>();
  return run({op, "xpulite:sparse_all_reduce", Collective::AllGather,
              OpType::_ALLREDUCE_SPARSE, opts.timeout, opts.asyncOp},
             {}, tensors, [=, this, transport = transport_](const Call& call) {
               const at::Tensor indices = host._indices().t().contiguous(); // nnz x dims
               const at::Tensor values = host._values().contiguous();
               int64_t mine = values.size(0);
               std::vector<int64_t> counts(size_);
               std::vector<Slice> outs(size_);
               for (int r = 0; r < size_; ++r) outs[r] = {&counts[r], sizeof(int64_t)};
               transport->all_gather(call, {&mine, sizeof mine}, outs.data());
               const at::Tensor all_indices = gather_rows(*transport, call, indices, counts);
               const at::Tensor all_values = gather_rows(*transport, call, values, counts);
               const at::Tensor sum =
                   at::_sparse_coo_tensor_unsafe(all_indices.t().contiguous(), all_values,
                                                 host.sizes())
                       .coalesce();
               at::Tensor(t).copy_(sum.to(device));
             });
}

// torch registers this for the sparse tensors of its own devices alone; without it the
// device's fallback would reduce a copy.
namespace {

std::tuple<std::vector<at::Tensor>, ProcessGroupXpuLite::WorkPtr> all_reduce_sparse(
    at::TensorList tensors, const c10::intrusive_ptr<c10d::ProcessGroup>& group,
    const c10::intrusive_ptr<c10d::ReduceOp>& reduce,
    const std::optional<at::Tensor>& sparse_indices, bool async_op, int64_t timeout) {
  c10d::AllreduceOptions options;
  options.reduceOp = *reduce;
  options.timeout = std::chrono::milliseconds(timeout);
  options.asyncOp = async_op;
  options.sparseIndices = sparse_indices;
  std::vector<at::Tensor> list = tensors.vec();
  auto work = group->getBackend(c10::DeviceType::PrivateUse1)->allreduce_sparse(list, options);
  return {std::move(list), std::move(work)};
}

} // namespace
} // namespace xpu_lite::ccl

TORCH_LIBRARY_IMPL(c10d, SparsePrivateUse1, m) {
  m.impl("allreduce_", xpu_lite::ccl::all_reduce_sparse);
}
