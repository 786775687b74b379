// Operators on a stream that has work queued, or that has a worker of its own.
//
// Route 2 comes here through kQueuedKey, whose only kernel is this boxed
// fallback. Where the meta kernel tells the shapes of the results without
// looking at data, results are allocated now and the CPU kernel runs on the
// stream's worker. Else the call waits for its own stream and runs here.

#include <string>
#include <unordered_map>
#include <unordered_set>

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/copy_ops.h>
#include <ATen/ops/empty_strided.h>
#include <torch/library.h>

#include "backend/aten/core/alias.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/fallback.h"
#include "backend/aten/core/route2.h"

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

bool is_wrapped_number(const at::Tensor& t) {
  return t.unsafeGetTensorImpl()->is_wrapped_number();
}

at::Tensor meta_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  // Meta kernels take numbers as they are, and those written in Python only so.
  if (tensor.device().is_cpu() && is_wrapped_number(tensor)) return tensor;
  at::Tensor meta = at::detail::empty_strided_meta(tensor.sizes(), tensor.strides(),
                                                   tensor.scalar_type());
  if (is_wrapped_number(tensor)) meta.unsafeGetTensorImpl()->set_wrapped_number(true);
  if (tensor.is_conj()) meta._set_conj(true);
  if (tensor.is_neg()) meta._set_neg(true);
  return meta;
}

// Applies fn to every tensor in a boxed value.
template <class Fn>
c10::IValue map_tensors(const c10::IValue& value, Fn&& fn) {
  if (value.isTensor()) return fn(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& t : value.toTensorVector()) list.push_back(fn(t));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& t : value.toOptionalTensorList()) {
      list.push_back(t ? std::optional<at::Tensor>(fn(*t)) : std::nullopt);
    }
    return list;
  }
  return value;
}

bool same_metadata(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type();
}

// Operators whose meta kernel promises other sizes, dtypes or strides than the
// CPU kernel delivers, or checks its arguments less: they wait for their stream.
bool meta_disagrees(const c10::OperatorHandle& op) {
  static const std::unordered_set<std::string> names{
      "aten::_batch_norm_with_update", "aten::_batch_norm_with_update_functional",
      "aten::_embedding_bag", "aten::_embedding_bag_forward_only",
      "aten::_fft_c2c", "aten::_fft_c2r", "aten::_fft_r2c", "aten::_linalg_eigh",
      "aten::_native_batch_norm_legit", "aten::_native_batch_norm_legit_no_training",
      "aten::addbmm_", "aten::addr_", "aten::index_put_", "aten::_index_put_impl_",
      "aten::linalg_eig", "aten::logit_", "aten::native_batch_norm",
      "aten::native_layer_norm", "aten::nonzero_static",
  };
  return names.count(op.schema().name()) != 0;
}

// What the meta kernel says: the results of `op`, or nothing where it cannot say.
std::optional<torch::jit::Stack> infer(const c10::OperatorHandle& op,
                                       const torch::jit::Stack& stack) {
  const auto& schema = op.schema();
  if (!op.hasComputedKernelForDispatchKey(c10::DispatchKey::Meta) || meta_disagrees(op)) {
    return std::nullopt;
  }
  for (const auto& result : schema.returns()) {
    if (result.type()->kind() != c10::TypeKind::TensorType) return std::nullopt;
  }
  for (const auto tag : op.getTags()) {
    if (tag == at::Tag::data_dependent_output || tag == at::Tag::dynamic_output_shape) {
      return std::nullopt;
    }
  }
  const size_t count = schema.arguments().size();
  torch::jit::Stack meta;
  meta.reserve(count);
  bool dense = true;
  for (size_t i = 0; i < count; ++i) {
    const c10::IValue& value = torch::jit::peek(stack, i, count);
    if (value.isGenerator()) return std::nullopt;
    if (value.isDevice()) {
      meta.emplace_back(c10::Device(c10::kMeta));
      continue;
    }
    meta.push_back(map_tensors(value, [&](const at::Tensor& t) {
      if (t.defined() && (t.layout() != c10::kStrided || t.is_quantized())) dense = false;
      return dense ? meta_of(t) : t;
    }));
  }
  if (!dense) return std::nullopt;
  torch::jit::Stack arguments = meta;
  try {
    c10::impl::ExcludeDispatchKeyGuard guard(
        c10::autograd_dispatch_keyset_with_ADInplaceOrView | c10::autocast_dispatch_keyset);
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::Meta), &meta);
  } catch (const c10::Error&) {
    return std::nullopt; // the CPU kernel says it better
  }
  // An out= argument that must be resized is resized by the CPU kernel, now.
  for (size_t i = 0; i < count; ++i) {
    const c10::IValue& given = torch::jit::peek(stack, i, count);
    if (given.isTensor() && given.toTensor().defined() &&
        !same_metadata(given.toTensor(), arguments[i].toTensor())) {
      return std::nullopt;
    }
  }
  for (const c10::IValue& value : meta) {
    if (!value.isTensor()) return std::nullopt;
  }
  return meta;
}

struct QueuedCall {
  c10::OperatorHandle op;
  torch::jit::Stack arguments;          // owning CPU aliases
  std::vector<at::Tensor> outputs;      // aliases of new results; undefined: an argument
};

void run_queued_call(QueuedCall& call, Stream& stream) {
  OpScope scope(stream.device(), stream);
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

void run_queued(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const size_t count = schema.arguments().size();
  const int device = device_of_arguments(op, *stack);
  Stream& stream = current_stream(device);

  std::optional<torch::jit::Stack> inferred = infer(op, *stack);
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
      call->arguments.push_back(map_tensors(value, [&](const at::Tensor& t) {
        if (!t.defined()) return t;
        if (t.device().is_cpu()) return is_wrapped_number(t) ? t : t.detach().clone();
        TORCH_CHECK(t.device() == where, schema.name(),
                    ": Expected all tensors to be on the same device, but found at least two devices, ",
                    where, " and ", t.device(), "!");
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
      const at::Tensor meta = (*inferred)[i].toTensor();
      if (!meta.defined()) {
        results.emplace_back(at::Tensor());
        call->outputs.emplace_back();
        continue;
      }
      at::Tensor output = at::empty_strided(meta.sizes(), meta.strides(),
                                            meta.options().device(where));
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

// Route 3 in stream order: what falls back waits for its own stream.
void run_fallback(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  count_fallback(op);
  Stream& stream = current_stream(device_of_arguments(op, *stack));
  if (!stream.runs_inline()) translate([&] { stream.synchronize(); });
  run_boxed_on_cpu(op, stack);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_fallback>());
}
TORCH_LIBRARY_IMPL(_, PrivateUse3, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_queued>());
}

// Composites that route 2 sends to the CPU as a whole. Their composite kernel
// would take this key's place, and on device tensors it takes another way.
TORCH_LIBRARY_IMPL(aten, PrivateUse3, m) {
  for (const char* name : {"_convolution", "convolution", "convolution_backward", "mode.values"}) {
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&run_queued>());
  }
}

} // namespace
} // namespace xpu_lite::aten
