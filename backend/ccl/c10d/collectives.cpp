// The collectives of ProcessGroupXpuLite: what each checks, and how its tensors
// become the pointers that a transport takes.

#include "backend/ccl/c10d/group_run.h"

namespace xpu_lite::ccl {
namespace {

using Tensors = std::vector<at::Tensor>;

const at::Tensor& only(const char* op, const char* argument, const Tensors& tensors) {
  TORCH_CHECK_VALUE(tensors.size() == 1, op, ": ", argument, " must be one tensor, got ",
                    tensors.size());
  check_tensor(op, argument, tensors[0]);
  return tensors[0];
}

void check_same_type(const char* op, const at::Tensor& a, const char* name_a,
                     const at::Tensor& b, const char* name_b) {
  TORCH_CHECK_TYPE(a.scalar_type() == b.scalar_type(), op, ": ", name_a, " has dtype ",
                   a.scalar_type(), " and ", name_b, " has ", b.scalar_type());
  TORCH_CHECK_VALUE(a.device().type() == b.device().type(), op, ": ", name_a, " is on ",
                    a.device(), " and ", name_b, " on ", b.device());
}

void check_list(const char* op, const char* argument, const Tensors& list, int size,
                const at::Tensor& like, const char* like_name) {
  TORCH_CHECK_VALUE(static_cast<int>(list.size()) == size, op, ": ", argument, " has ",
                    list.size(), " tensors, and the group has ", size, " ranks");
  for (const at::Tensor& t : list) {
    check_tensor(op, argument, t);
    check_same_type(op, t, argument, like, like_name);
  }
}

// The job's own handle on the data. Work::wait() may hold up a stream alone: its caller
// goes on, and gives the tensor other data (`x.data = ...`) before the job has run.
at::Tensor own(const at::Tensor& t, bool async) {
  return async || !host_waits_on(t.device()) ? t.tensor_data() : t;
}
Tensors own(const Tensors& tensors, bool async) {
  Tensors all;
  all.reserve(tensors.size());
  for (const at::Tensor& t : tensors) all.push_back(own(t, async));
  return all;
}
std::vector<Tensors> own(const std::vector<Tensors>& lists, bool async) {
  std::vector<Tensors> all;
  all.reserve(lists.size());
  for (const Tensors& list : lists) all.push_back(own(list, async));
  return all;
}

std::vector<Output> outputs_of(const Tensors& tensors) {
  std::vector<Output> all;
  all.reserve(tensors.size());
  for (const at::Tensor& t : tensors) all.emplace_back(t);
  return all;
}
std::vector<Input> inputs_of(const Tensors& tensors) {
  std::vector<Input> all;
  all.reserve(tensors.size());
  for (const at::Tensor& t : tensors) all.emplace_back(t);
  return all;
}
template <class SliceType, class Buffer>
std::vector<SliceType> slices_of(const std::vector<Buffer>& buffers) {
  std::vector<SliceType> all;
  all.reserve(buffers.size());
  for (const Buffer& b : buffers) all.push_back(b.slice());
  return all;
}
void commit_all(std::vector<Output>& outputs) {
  for (Output& output : outputs) output.commit();
}

// The equal pieces of a buffer, one for each rank.
template <class SliceType, class Pointer>
std::vector<SliceType> pieces(Pointer data, size_t bytes, int size) {
  std::vector<SliceType> all(size);
  const size_t each = bytes / size;
  for (int r = 0; r < size; ++r)
    all[r] = {static_cast<std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>,
                                             const char*, char*>>(data) + r * each,
              each};
  return all;
}

// Pieces of `bytes` along the first dimension: by `splits`, or equal where it is empty.
std::vector<size_t> split_bytes(const char* op, const char* argument, const at::Tensor& t,
                                const std::vector<int64_t>& splits, int size) {
  std::vector<size_t> bytes(size);
  const int64_t rows = t.dim() == 0 ? 1 : t.size(0);
  if (splits.empty()) {
    TORCH_CHECK_VALUE(rows % size == 0, op, ": the first dimension of ", argument, ", ", rows,
                      ", is not a multiple of the ", size, " ranks; give split sizes");
    for (size_t& b : bytes) b = t.nbytes() / size;
    return bytes;
  }
  TORCH_CHECK_VALUE(static_cast<int>(splits.size()) == size, op, ": ", argument,
                    " split sizes have ", splits.size(), " entries, and the group has ", size,
                    " ranks");
  int64_t sum = 0;
  for (int64_t s : splits) {
    TORCH_CHECK_VALUE(s >= 0, op, ": ", argument, " split sizes contain ", s);
    sum += s;
  }
  TORCH_CHECK_VALUE(sum == rows, op, ": ", argument, " split sizes add up to ", sum,
                    ", and the first dimension is ", rows);
  const size_t row = rows ? t.nbytes() / rows : 0;
  for (int r = 0; r < size; ++r) bytes[r] = splits[r] * row;
  return bytes;
}

} // namespace

std::shared_ptr<Event> ready_event(const Tensors& tensors) {
  for (const at::Tensor& t : tensors) {
    if (!t.is_privateuseone()) continue;
    Stream& stream = current_stream(t.device().index());
    if (stream.runs_inline() || Stream::of_worker() == &stream || stream.query()) return nullptr;
    auto event = std::make_shared<Event>(false);
    event->record(stream);
    return event;
  }
  return nullptr;
}

bool host_waits_on(c10::Device device) {
  if (device.type() != c10::DeviceType::PrivateUse1) return true;
  Stream& stream = current_stream(device.index());
  return stream.runs_inline() || Stream::of_worker() == &stream;
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::broadcast(
    Tensors& tensors, const c10d::BroadcastOptions& opts) {
  const char* op = "broadcast";
  const at::Tensor& t = only(op, "tensor", tensors);
  const int root = check_root(op, opts.rootRank);
  return run({op, "xpulite:broadcast", Collective::Broadcast, OpType::BROADCAST, opts.timeout,
              opts.asyncOp},
             tensors, tensors,
             [=, this, t = own(t, opts.asyncOp), transport = transport_](const Call& call) {
               Output data(t, /*with_value=*/rank_ == root);
               transport->broadcast(call, data.data(), data.bytes(), root);
               if (rank_ != root) data.commit();
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::allreduce(
    Tensors& tensors, const c10d::AllreduceOptions& opts) {
  const char* op = "all_reduce";
  if (tensors.size() == 1 && tensors[0].layout() == c10::kSparse)
    return allreduce_sparse(tensors, opts);
  const at::Tensor& t = only(op, "tensor", tensors);
  const DataType type = data_type_of(op, t.scalar_type());
  const Reduction reduction = reduction_of(op, opts.reduceOp, t.scalar_type());
  return run({op, "xpulite:all_reduce", Collective::AllReduce, OpType::ALLREDUCE, opts.timeout,
              opts.asyncOp},
             tensors, tensors,
             [=, t = own(t, opts.asyncOp), transport = transport_](const Call& call) {
               Output data(t, true);
               transport->all_reduce(call, data.data(), data.data(), t.numel(), type, reduction);
               data.commit();
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::allreduce_coalesced(
    Tensors& tensors, const c10d::AllreduceCoalescedOptions& opts) {
  const char* op = "all_reduce_coalesced";
  TORCH_CHECK_VALUE(!tensors.empty(), op, ": the list of tensors is empty");
  std::vector<Reduction> reductions;
  std::vector<DataType> types;
  for (const at::Tensor& t : tensors) {
    check_tensor(op, "tensors", t);
    types.push_back(data_type_of(op, t.scalar_type()));
    reductions.push_back(reduction_of(op, opts.reduceOp, t.scalar_type()));
  }
  return run({op, "xpulite:all_reduce", Collective::AllReduce, OpType::ALLREDUCE_COALESCED,
              opts.timeout, opts.asyncOp},
             tensors, tensors,
             [=, all = own(tensors, opts.asyncOp), transport = transport_](const Call& call) {
               for (size_t i = 0; i < all.size(); ++i) {
                 Output data(all[i], true);
                 transport->all_reduce(call, data.data(), data.data(), all[i].numel(), types[i],
                                       reductions[i]);
                 data.commit();
               }
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::reduce(Tensors& tensors,
                                                         const c10d::ReduceOptions& opts) {
  const char* op = "reduce";
  const at::Tensor& t = only(op, "tensor", tensors);
  const int root = check_root(op, opts.rootRank);
  const DataType type = data_type_of(op, t.scalar_type());
  const Reduction reduction = reduction_of(op, opts.reduceOp, t.scalar_type());
  return run({op, "xpulite:reduce", Collective::Reduce, OpType::REDUCE, opts.timeout,
              opts.asyncOp},
             tensors, tensors,
             [=, this, t = own(t, opts.asyncOp), transport = transport_](const Call& call) {
               if (rank_ == root) {
                 Output data(t, true);
                 transport->reduce(call, data.data(), data.data(), t.numel(), type, reduction,
                                   root);
                 data.commit();
               } else {
                 Input data(t);
                 transport->reduce(call, data.data(), nullptr, t.numel(), type, reduction, root);
               }
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::allgather(
    std::vector<Tensors>& outputs, Tensors& inputs, const c10d::AllgatherOptions& opts) {
  const char* op = "all_gather";
  const at::Tensor& in = only(op, "tensor", inputs);
  TORCH_CHECK_VALUE(outputs.size() == 1, op, ": expected one list of outputs, got ",
                    outputs.size());
  check_list(op, "tensor_list", outputs[0], size_, in, "tensor");
  TORCH_CHECK_VALUE(outputs[0][rank_].numel() == in.numel(), op, ": tensor_list[", rank_,
                    "] has ", outputs[0][rank_].numel(), " elements, and this rank's tensor has ",
                    in.numel());
  return run({op, "xpulite:all_gather", Collective::AllGather, OpType::ALLGATHER, opts.timeout,
              opts.asyncOp},
             inputs, outputs[0],
             [in = own(in, opts.asyncOp), outs = own(outputs[0], opts.asyncOp),
              transport = transport_](const Call& call) {
               Input input(in);
               std::vector<Output> buffers = outputs_of(outs);
               transport->all_gather(call, input.slice(), slices_of<Slice>(buffers).data());
               commit_all(buffers);
             });
}

namespace {
void check_gathered(const char* op, const at::Tensor& output, const at::Tensor& input,
                    int size) {
  check_tensor(op, "output", output);
  check_tensor(op, "input", input);
  check_same_type(op, output, "output", input, "input");
  TORCH_CHECK_VALUE(output.numel() == input.numel() * size, op, ": the output has ",
                    output.numel(), " elements and the input ", input.numel(), "; with ", size,
                    " ranks the output must have ", input.numel() * size);
}
void gather_base(Transport& transport, const Call& call, const at::Tensor& output,
                 const at::Tensor& input, int size) {
  Input in(input);
  Output out(output);
  transport.all_gather(call, in.slice(),
                       pieces<Slice>(static_cast<char*>(out.data()), out.bytes(), size).data());
  out.commit();
}
void check_scattered(const char* op, const at::Tensor& output, const at::Tensor& input,
                     int size) {
  check_tensor(op, "output", output);
  check_tensor(op, "input", input);
  check_same_type(op, output, "output", input, "input");
  TORCH_CHECK_VALUE(input.numel() == output.numel() * size, op, ": the input has ",
                    input.numel(), " elements and the output ", output.numel(), "; with ", size,
                    " ranks the input must have ", output.numel() * size);
}
void scatter_base(Transport& transport, const Call& call, const at::Tensor& output,
                  const at::Tensor& input, int size, DataType type,
                  const Reduction& reduction) {
  Input in(input);
  Output out(output);
  std::vector<const void*> ins(size);
  for (int r = 0; r < size; ++r)
    ins[r] = static_cast<const char*>(in.data()) + r * (in.bytes() / size);
  const std::vector<size_t> counts(size, output.numel());
  transport.reduce_scatter(call, ins.data(), counts.data(), out.data(), type, reduction);
  out.commit();
}
} // namespace

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::_allgather_base(
    at::Tensor& output, at::Tensor& input, const c10d::AllgatherOptions& opts) {
  const char* op = "all_gather_into_tensor";
  check_gathered(op, output, input, size_);
  return run({op, "xpulite:_all_gather_base", Collective::AllGather, OpType::_ALLGATHER_BASE,
              opts.timeout, opts.asyncOp},
             {input}, {output},
             [output = own(output, opts.asyncOp), input = own(input, opts.asyncOp),
              size = size_, transport = transport_](const Call& call) {
               gather_base(*transport, call, output, input, size);
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::allgather_into_tensor_coalesced(
    Tensors& outputs, Tensors& inputs, const c10d::AllgatherOptions& opts) {
  const char* op = "all_gather_into_tensor_coalesced";
  TORCH_CHECK_VALUE(outputs.size() == inputs.size(), op, ": ", outputs.size(),
                    " outputs and ", inputs.size(), " inputs");
  for (size_t i = 0; i < inputs.size(); ++i) check_gathered(op, outputs[i], inputs[i], size_);
  return run({op, "xpulite:_all_gather_base", Collective::AllGather, OpType::_ALLGATHER_BASE,
              opts.timeout, opts.asyncOp},
             inputs, outputs,
             [outs = own(outputs, opts.asyncOp), ins = own(inputs, opts.asyncOp),
              size = size_, transport = transport_](const Call& call) {
               for (size_t i = 0; i < ins.size(); ++i)
                 gather_base(*transport, call, outs[i], ins[i], size);
             });
}

// outputs[r][i] receives rank r's inputs[i].
ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::allgather_coalesced(
    std::vector<Tensors>& outputs, Tensors& inputs, const c10d::AllgatherOptions& opts) {
  const char* op = "all_gather_coalesced";
  TORCH_CHECK_VALUE(static_cast<int>(outputs.size()) == size_, op, ": output has ",
                    outputs.size(), " lists, and the group has ", size_, " ranks");
  Tensors flat;
  for (const Tensors& list : outputs) {
    TORCH_CHECK_VALUE(list.size() == inputs.size(), op, ": an output list has ", list.size(),
                      " tensors, and there are ", inputs.size(), " inputs");
    for (size_t i = 0; i < list.size(); ++i) {
      check_tensor(op, "output", list[i]);
      check_tensor(op, "input", inputs[i]);
      check_same_type(op, list[i], "output", inputs[i], "input");
      flat.push_back(list[i]);
    }
  }
  return run({op, "xpulite:all_gather", Collective::AllGather, OpType::ALLGATHER_COALESCED,
              opts.timeout, opts.asyncOp},
             inputs, flat,
             [outs = own(outputs, opts.asyncOp), ins = own(inputs, opts.asyncOp),
              transport = transport_](const Call& call) {
               for (size_t i = 0; i < ins.size(); ++i) {
                 Tensors column;
                 for (const Tensors& list : outs) column.push_back(list[i]);
                 Input input(ins[i]);
                 std::vector<Output> buffers = outputs_of(column);
                 transport->all_gather(call, input.slice(), slices_of<Slice>(buffers).data());
                 commit_all(buffers);
               }
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::gather(std::vector<Tensors>& outputs,
                                                         Tensors& inputs,
                                                         const c10d::GatherOptions& opts) {
  const char* op = "gather";
  const at::Tensor& in = only(op, "tensor", inputs);
  const int root = check_root(op, opts.rootRank);
  Tensors outs;
  if (rank_ == root) {
    TORCH_CHECK_VALUE(outputs.size() == 1, op, ": rank ", root,
                      " is the destination and needs gather_list");
    check_list(op, "gather_list", outputs[0], size_, in, "tensor");
    TORCH_CHECK_VALUE(outputs[0][rank_].numel() == in.numel(), op, ": gather_list[", rank_,
                      "] has ", outputs[0][rank_].numel(),
                      " elements, and this rank's tensor has ", in.numel());
    outs = outputs[0];
  } else {
    TORCH_CHECK_VALUE(outputs.empty() || outputs[0].empty(), op, ": rank ", rank_,
                      " is not the destination (", root, ") and must not give gather_list");
  }
  return run({op, "xpulite:gather", Collective::Gather, OpType::GATHER, opts.timeout,
              opts.asyncOp},
             inputs, outs,
             [in = own(in, opts.asyncOp), outs = own(outs, opts.asyncOp), root,
              transport = transport_](const Call& call) {
               Input input(in);
               std::vector<Output> buffers = outputs_of(outs);
               transport->gather(call, input.slice(), slices_of<Slice>(buffers).data(), root);
               commit_all(buffers);
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::scatter(Tensors& outputs,
                                                          std::vector<Tensors>& inputs,
                                                          const c10d::ScatterOptions& opts) {
  const char* op = "scatter";
  const at::Tensor& out = only(op, "tensor", outputs);
  const int root = check_root(op, opts.rootRank);
  Tensors ins;
  if (rank_ == root) {
    TORCH_CHECK_VALUE(inputs.size() == 1, op, ": rank ", root,
                      " is the source and needs scatter_list");
    check_list(op, "scatter_list", inputs[0], size_, out, "tensor");
    TORCH_CHECK_VALUE(inputs[0][rank_].numel() == out.numel(), op, ": scatter_list[", rank_,
                      "] has ", inputs[0][rank_].numel(),
                      " elements, and this rank's tensor has ", out.numel());
    ins = inputs[0];
  } else {
    TORCH_CHECK_VALUE(inputs.empty() || inputs[0].empty(), op, ": rank ", rank_,
                      " is not the source (", root, ") and must not give scatter_list");
  }
  return run({op, "xpulite:scatter", Collective::Scatter, OpType::SCATTER, opts.timeout,
              opts.asyncOp},
             ins, outputs,
             [ins = own(ins, opts.asyncOp), out = own(out, opts.asyncOp), root,
              transport = transport_](const Call& call) {
               std::vector<Input> buffers = inputs_of(ins);
               Output output(out);
               transport->scatter(call, slices_of<ConstSlice>(buffers).data(), output.slice(),
                                  root);
               output.commit();
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::reduce_scatter(
    Tensors& outputs, std::vector<Tensors>& inputs, const c10d::ReduceScatterOptions& opts) {
  const char* op = "reduce_scatter";
  const at::Tensor& out = only(op, "output", outputs);
  TORCH_CHECK_VALUE(inputs.size() == 1, op, ": expected one list of inputs, got ",
                    inputs.size());
  check_list(op, "input_list", inputs[0], size_, out, "output");
  TORCH_CHECK_VALUE(inputs[0][rank_].numel() == out.numel(), op, ": input_list[", rank_,
                    "] has ", inputs[0][rank_].numel(), " elements, and the output has ",
                    out.numel());
  const DataType type = data_type_of(op, out.scalar_type());
  const Reduction reduction = reduction_of(op, opts.reduceOp, out.scalar_type());
  return run({op, "xpulite:reduce_scatter", Collective::ReduceScatter, OpType::REDUCE_SCATTER,
              opts.timeout, opts.asyncOp},
             inputs[0], outputs,
             [=, ins = own(inputs[0], opts.asyncOp), out = own(out, opts.asyncOp),
              transport = transport_](const Call& call) {
               std::vector<Input> buffers = inputs_of(ins);
               std::vector<const void*> data;
               std::vector<size_t> counts;
               for (size_t r = 0; r < ins.size(); ++r) {
                 data.push_back(buffers[r].data());
                 counts.push_back(ins[r].numel());
               }
               Output output(out);
               transport->reduce_scatter(call, data.data(), counts.data(), output.data(), type,
                                         reduction);
               output.commit();
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::_reduce_scatter_base(
    at::Tensor& output, at::Tensor& input, const c10d::ReduceScatterOptions& opts) {
  const char* op = "reduce_scatter_tensor";
  check_scattered(op, output, input, size_);
  const DataType type = data_type_of(op, output.scalar_type());
  const Reduction reduction = reduction_of(op, opts.reduceOp, output.scalar_type());
  return run({op, "xpulite:_reduce_scatter_base", Collective::ReduceScatter,
              OpType::_REDUCE_SCATTER_BASE, opts.timeout, opts.asyncOp},
             {input}, {output},
             [=, output = own(output, opts.asyncOp), input = own(input, opts.asyncOp),
              size = size_, transport = transport_](const Call& call) {
               scatter_base(*transport, call, output, input, size, type, reduction);
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::reduce_scatter_tensor_coalesced(
    Tensors& outputs, Tensors& inputs, const c10d::ReduceScatterOptions& opts) {
  const char* op = "reduce_scatter_tensor_coalesced";
  TORCH_CHECK_VALUE(outputs.size() == inputs.size(), op, ": ", outputs.size(),
                    " outputs and ", inputs.size(), " inputs");
  std::vector<DataType> types;
  std::vector<Reduction> reductions;
  for (size_t i = 0; i < inputs.size(); ++i) {
    check_scattered(op, outputs[i], inputs[i], size_);
    types.push_back(data_type_of(op, outputs[i].scalar_type()));
    reductions.push_back(reduction_of(op, opts.reduceOp, outputs[i].scalar_type()));
  }
  return run({op, "xpulite:_reduce_scatter_base", Collective::ReduceScatter,
              OpType::REDUCE_SCATTER_TENSOR_COALESCED, opts.timeout, opts.asyncOp},
             inputs, outputs,
             [=, outs = own(outputs, opts.asyncOp), ins = own(inputs, opts.asyncOp),
              size = size_, transport = transport_](const Call& call) {
               for (size_t i = 0; i < ins.size(); ++i)
                 scatter_base(*transport, call, outs[i], ins[i], size, types[i], reductions[i]);
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::alltoall_base(
    at::Tensor& output, at::Tensor& input, std::vector<int64_t>& output_splits,
    std::vector<int64_t>& input_splits, const c10d::AllToAllOptions& opts) {
  const char* op = "all_to_all_single";
  check_tensor(op, "output", output);
  check_tensor(op, "input", input);
  check_same_type(op, output, "output", input, "input");
  const std::vector<size_t> out_bytes =
      split_bytes(op, "output", output, output_splits, size_);
  const std::vector<size_t> in_bytes = split_bytes(op, "input", input, input_splits, size_);
  return run({op, "xpulite:all_to_all", Collective::AllToAll, OpType::ALLTOALL_BASE,
              opts.timeout, opts.asyncOp},
             {input}, {output},
             [=, output = own(output, opts.asyncOp), input = own(input, opts.asyncOp),
              size = size_, transport = transport_](const Call& call) {
               Input in(input);
               Output out(output);
               std::vector<ConstSlice> ins(size);
               std::vector<Slice> outs(size);
               auto* from = static_cast<const char*>(in.data());
               auto* to = static_cast<char*>(out.data());
               for (int r = 0; r < size; ++r) {
                 ins[r] = {from, in_bytes[r]};
                 outs[r] = {to, out_bytes[r]};
                 from += in_bytes[r];
                 to += out_bytes[r];
               }
               transport->all_to_all(call, ins.data(), outs.data());
               out.commit();
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::alltoall(Tensors& outputs, Tensors& inputs,
                                                           const c10d::AllToAllOptions& opts) {
  const char* op = "all_to_all";
  TORCH_CHECK_VALUE(!inputs.empty() && inputs[0].defined(), op,
                    ": input_tensor_list is empty, and the group has ", size_, " ranks");
  check_list(op, "input_tensor_list", inputs, size_, inputs[0], "its first tensor");
  check_list(op, "output_tensor_list", outputs, size_, inputs[0], "input_tensor_list");
  return run({op, "xpulite:all_to_all", Collective::AllToAll, OpType::ALLTOALL, opts.timeout,
              opts.asyncOp},
             inputs, outputs,
             [ins = own(inputs, opts.asyncOp), outs = own(outputs, opts.asyncOp),
              transport = transport_](const Call& call) {
               std::vector<Input> from = inputs_of(ins);
               std::vector<Output> to = outputs_of(outs);
               transport->all_to_all(call, slices_of<ConstSlice>(from).data(),
                                     slices_of<Slice>(to).data());
               commit_all(to);
             });
}

ProcessGroupXpuLite::WorkPtr ProcessGroupXpuLite::barrier(const c10d::BarrierOptions& opts) {
  return run({"barrier", "xpulite:barrier", Collective::Barrier, OpType::BARRIER, opts.timeout,
              opts.asyncOp},
             {}, {}, [transport = transport_](const Call& call) { transport->barrier(call); });
}

} // namespace xpu_lite::ccl
