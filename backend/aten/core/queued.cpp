// Operators on a stream that has work queued, or that has a worker of its own.
//
// Route 2 comes here through kQueuedKey, whose only kernel is this boxed
// fallback. Where the meta kernel tells the shapes of the results without
// looking at data, results are allocated now and the CPU kernel runs on the
// stream's worker. Else the call waits for its own stream and runs here.

#include <unordered_map>

#include <ATen/MemoryOverlap.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/copy_ops.h>
#include <ATen/ops/empty_strided.h>
#include <torch/library.h>

#include "backend/aten/core/alias.h"
#include "backend/aten/core/boxed.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/fallback.h"
#include "backend/aten/core/infer.h"
#include "backend/aten/core/install.h"
#include "backend/aten/core/route2.h"
#include "backend/aten/core/routes.h"

namespace xpu_lite::aten {

Stream& stream_of(const at::Tensor& tensor) {
  return current_stream(tensor.device().index());
}

void launch_queued(const char* name, Stream& stream, std::vector<at::Tensor> keep,
                   std::function<void()> body) {
  // Storages, not tensors: a tensor may own a Python object, whose end needs the
  // GIL, and a worker must never wait for it.
  std::vector<c10::Storage> storages;
  storages.reserve(keep.size());
  for (const at::Tensor& t : keep) {
    if (t.defined() && t.has_storage()) storages.push_back(t.storage());
  }
  const Correlation correlation = current_correlation();
  stream.launch(name, [name, &stream, storages = std::move(storages), body = std::move(body),
                       correlation] {
    KernelSpan span(name, stream, correlation);
    body();
  });
}

namespace {

// A CPU scalar for the worker: the caller may change its own, and a meta kernel in
// Python may have given it a Python object, which the worker must not drop.
at::Tensor number_of_its_own(const at::Tensor& t) {
  at::Tensor copy = t.detach().clone();
  if (t.unsafeGetTensorImpl()->is_wrapped_number()) {
    copy.unsafeGetTensorImpl()->set_wrapped_number(true);
  }
  return copy;
}

struct QueuedCall {
  c10::OperatorHandle op;
  torch::jit::Stack arguments;     // owning CPU aliases
  std::vector<at::Tensor> outputs; // aliases of new results; undefined: an argument
};

// Does an argument that is written lie across another, or across itself? The CPU
// kernel raises for most, and its caller should hear of it in this call.
bool written_overlaps(const c10::FunctionSchema& schema, const torch::jit::Stack& stack) {
  if (!schema.is_mutable()) return false;
  const size_t count = schema.arguments().size();
  bool overlaps = false;
  for (size_t w = 0; w < count; ++w) {
    const c10::IValue& written = torch::jit::peek(stack, w, count);
    const auto* info = schema.arguments()[w].alias_info();
    if (!info || !info->isWrite() || !written.isTensor() || !written.toTensor().defined()) continue;
    const at::Tensor& to = written.toTensor();
    if (!to.has_storage()) continue;
    overlaps |= at::has_internal_overlap(to) == at::MemOverlap::Yes;
    for (size_t i = 0; i < count; ++i) {
      if (i == w) continue;
      map_tensors(torch::jit::peek(stack, i, count), [&](const at::Tensor& from) {
        if (from.defined() && from.has_storage() &&
            from.storage().unsafeGetStorageImpl() == to.storage().unsafeGetStorageImpl()) {
          const auto status = at::get_overlap_status(from, to);
          overlaps |= status == at::MemOverlapStatus::Partial ||
              status == at::MemOverlapStatus::TooHard;
        }
        return from;
      });
    }
  }
  return overlaps;
}

// Calls the out= overload, so that the results need no copy. Some such kernels use
// their output for something larger first: it cannot be resized here, as the
// caller has it already, and the functional kernel serves instead.
bool run_into_outputs(QueuedCall& call) {
  for (const at::Tensor& output : call.outputs) {
    if (!output.defined()) return false;
  }
  const auto variant = out_variant(call.op);
  if (!variant || !variant->hasComputedKernelForDispatchKey(c10::DispatchKey::CPU)) return false;
  torch::jit::Stack arguments = call.arguments;
  std::vector<std::pair<std::vector<int64_t>, std::vector<int64_t>>> promised;
  for (const at::Tensor& output : call.outputs) {
    promised.emplace_back(output.sizes().vec(), output.strides().vec());
    output.storage().unsafeGetStorageImpl()->set_resizable(false);
    arguments.emplace_back(output);
  }
  try {
    variant->redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &arguments);
  } catch (const c10::Error&) {
    // The functional kernel raises it again if it was something else. What the
    // failed resize left is the sizes that it tried.
    for (size_t i = 0; i < promised.size(); ++i) {
      call.outputs[i].unsafeGetTensorImpl()->set_sizes_and_strides(promised[i].first,
                                                                   promised[i].second);
    }
    return false;
  }
  return true;
}

void run_queued_call(QueuedCall& call, Stream& stream) {
  OpScope scope(stream.device(), stream);
  if (!call.outputs.empty() && run_into_outputs(call)) {
    call.arguments.clear();
    return;
  }
  call.op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &call.arguments);
  for (size_t i = 0; i < call.outputs.size(); ++i) {
    if (!call.outputs[i].defined()) continue;
    const at::Tensor result = call.arguments[i].toTensor();
    TORCH_CHECK(result.sizes() == call.outputs[i].sizes(), call.op.schema().name(),
                ": its meta kernel promised sizes ", call.outputs[i].sizes(),
                ", the CPU kernel made ", result.sizes());
    at::_ops::copy_::redispatch(c10::DispatchKeySet(c10::DispatchKey::CPU), call.outputs[i],
                                result, false);
  }
  call.arguments.clear();
}

// Route 3 in stream order: what falls back waits for its own stream.
void run_fallback(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  count_fallback(op);
  note_route(3, op.schema().name().c_str());
  Stream& stream = current_stream(device_of_arguments(op, *stack));
  if (!stream.runs_inline()) translate([&] { stream.synchronize(); });
  run_boxed_on_cpu(op, stack);
}

void run_queued(const c10::OperatorHandle& op, c10::DispatchKeySet keys,
                torch::jit::Stack* stack) {
  if (sycl_operators()) {
    run_fallback(op, keys, stack);
    return;
  }
  const auto& schema = op.schema();
  const size_t count = schema.arguments().size();
  const int device = device_of_arguments(op, *stack);
  Stream& stream = current_stream(device);

  const auto inferred = written_overlaps(schema, *stack) ? nullptr : infer_results(op, *stack);
  note_route(2, schema.name().c_str(), inferred != nullptr);
  if (!inferred) {
    translate([&] { stream.synchronize(); });
    run_boxed_on_cpu(op, stack);
    return;
  }

  const c10::Device where(kDevice, static_cast<c10::DeviceIndex>(device));
  auto call = std::make_shared<QueuedCall>(QueuedCall{op, {}, {}});
  std::vector<c10::IValue> results;
  {
    std::unordered_map<const c10::TensorImpl*, at::Tensor> aliases;
    for (size_t i = 0; i < count; ++i) {
      const c10::IValue& value = torch::jit::peek(*stack, i, count);
      if (value.isDevice()) {
        call->arguments.emplace_back(c10::Device(c10::kCPU));
        continue;
      }
      const c10::Argument& argument = schema.arguments()[i];
      const bool written = (argument.alias_info() && argument.alias_info()->isWrite()) ||
          argument.type()->kind() == c10::TypeKind::OptionalType;
      call->arguments.push_back(map_tensors(value, [&](const at::Tensor& t) {
        if (!t.defined()) return t;
        if (t.device().is_cpu()) return number_of_its_own(t);
        TORCH_CHECK(t.device() == where, schema.name(),
                    ": Expected all tensors to be on the same device, but found at least two devices, ",
                    where, " and ", t.device(), "!");
        if (written) about_to_write(t);
        at::Tensor& alias = aliases[t.unsafeGetTensorImpl()];
        if (!alias.defined()) alias = cpu_alias(t);
        return alias;
      }));
    }
    for (size_t i = 0; i < inferred->size(); ++i) {
      const auto& annotation = schema.returns()[i].alias_info();
      if (annotation && annotation->isWrite()) {
        // The argument with the same alias set is what is returned.
        for (size_t a = 0; a < count; ++a) {
          const auto& info = schema.arguments()[a].alias_info();
          if (info && info->isWrite() && info->beforeSets() == annotation->beforeSets()) {
            results.push_back(torch::jit::peek(*stack, a, count));
          }
        }
        call->outputs.emplace_back();
        continue;
      }
      const TensorMeta& meta = (*inferred)[i];
      if (!meta.defined) {
        results.emplace_back(at::Tensor());
        call->outputs.emplace_back();
        continue;
      }
      at::Tensor output = at::empty_strided(meta.sizes, meta.strides,
                                            at::TensorOptions(where).dtype(meta.dtype));
      call->outputs.push_back(cpu_alias(output));
      results.emplace_back(std::move(output));
    }
  }
  const Correlation correlation = current_correlation();
  translate([&] {
    stream.launch(schema.name(), [call, &stream, correlation] {
      KernelSpan span(call->op.schema().name().c_str(), stream, correlation);
      run_queued_call(*call, stream);
    });
  });
  torch::jit::drop(*stack, count);
  for (c10::IValue& value : results) torch::jit::push(*stack, std::move(value));
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_fallback>());
}
TORCH_LIBRARY_IMPL(_, PrivateUse3, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_queued>());
}

} // namespace

void register_queued(const char* name, const char* overload) {
  static auto& handles = *new std::vector<c10::RegistrationHandleRAII>;
  handles.push_back(c10::Dispatcher::singleton().registerImpl(
      c10::OperatorName(name, overload), kQueuedKey,
      c10::KernelFunction::makeFromBoxedFunction<&run_queued>(), std::nullopt, nullptr,
      "xpu_lite queued work"));
}

} // namespace xpu_lite::aten
