#include "backend/aten/core/fallback.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <unordered_map>

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>

#include "backend/aten/core/alias.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/route2.h"
#include "backend/aten/core/routes.h"
#include "backend/aten/core/staged.h"
#include "backend/runtime/device.h"
#include "backend/runtime/options.h"

namespace xpu_lite::aten {
namespace {

struct Counter {
  std::mutex mutex;
  std::unordered_map<std::string, int64_t> counts;
};
Counter& counter() {
  static auto* instance = new Counter;
  return *instance;
}

std::string full_name(const c10::OperatorHandle& op) {
  const auto& name = op.operator_name();
  return name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
}

// Turns one boxed argument into what the CPU kernel takes. Tensors live in
// `originals` (a deque: stable addresses) for as long as the frame needs them.
class BoxedArguments {
 public:
  explicit BoxedArguments(AliasFrame& frame) : frame_(frame) {}

  c10::IValue convert(const c10::IValue& value, const c10::Argument& argument) {
    const bool written = argument.alias_info() && argument.alias_info()->isWrite();
    if (value.isTensor()) {
      if (argument.type()->kind() == c10::TypeKind::OptionalType) about_to_write(value.toTensor());
      return alias(value.toTensor(), written);
    }
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& t : value.toTensorVector()) list.push_back(alias(t, written));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& t : value.toOptionalTensorList()) {
        list.push_back(t ? std::optional<at::Tensor>(alias(*t, written)) : std::nullopt);
      }
      return list;
    }
    if (value.isDevice() && value.toDevice().type() == kDevice) {
      const auto device = value.toDevice();
      if (frame_.device() < 0) {
        frame_.set_device(device.has_index() ? device.index() : current_device());
      }
      return c10::Device(c10::kCPU);
    }
    if (value.isGenerator() && value.toGenerator().device().type() == kDevice) {
      throw_generator("fallback", value.toGenerator());
    }
    return value;
  }

 private:
  at::Tensor alias(const at::Tensor& tensor, bool written) {
    originals_.push_back(tensor);
    const int place = frame_.add(originals_.back(), written);
    return place < 0 ? tensor : frame_.at(place);
  }
  AliasFrame& frame_;
  std::deque<at::Tensor> originals_;
};

bool is_alias(const c10::Argument& result) {
  return result.alias_info() && result.alias_info()->isWrite();
}

} // namespace

// A value of the option that cannot be parsed is reported by who asks for a device.
bool print_routes = [] {
  try {
    return options().print_routes;
  } catch (const Error&) {
    return false;
  }
}();

void set_print_routes(bool on) {
  options().print_routes = on;
  print_routes = on;
}

std::vector<std::pair<std::string, int64_t>> fallback_counts() {
  Counter& c = counter();
  std::vector<std::pair<std::string, int64_t>> sorted;
  {
    std::lock_guard<std::mutex> lock(c.mutex);
    sorted.assign(c.counts.begin(), c.counts.end());
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  return sorted;
}

void reset_fallback_counts() {
  Counter& c = counter();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.counts.clear();
}

void count_fallback(const c10::OperatorHandle& op) {
  const std::string name = full_name(op);
  bool first;
  {
    Counter& c = counter();
    std::lock_guard<std::mutex> lock(c.mutex);
    first = c.counts[name]++ == 0;
  }
  switch (options().fallback) {
    case FallbackPolicy::Allow:
      break;
    case FallbackPolicy::Warn:
      if (first) {
        TORCH_WARN(name, ": xpu_lite has no kernel for it; it runs through the boxed CPU fallback");
      }
      break;
    case FallbackPolicy::Error:
      TORCH_CHECK_NOT_IMPLEMENTED(
          false, name, ": xpu_lite has no kernel for it, and the fallback is forbidden "
          "(XPU_LITE_FALLBACK=error or torch.xpu_lite.set_fallback_policy)");
  }
}

int device_of_arguments(const c10::OperatorHandle& op, const torch::jit::Stack& stack) {
  const auto arguments = torch::jit::last(stack, op.schema().arguments().size());
  for (const c10::IValue& value : arguments) {
    if (value.isTensor() && value.toTensor().defined() &&
        value.toTensor().device().type() == kDevice) {
      return value.toTensor().device().index();
    }
    if (value.isTensorList()) {
      for (const at::Tensor& t : value.toTensorVector()) {
        if (t.defined() && t.device().type() == kDevice) return t.device().index();
      }
    }
    if (value.isOptionalTensorList()) {
      for (const std::optional<at::Tensor>& t : value.toOptionalTensorList()) {
        if (t && t->defined() && t->device().type() == kDevice) return t->device().index();
      }
    }
    if (value.isDevice() && value.toDevice().type() == kDevice && value.toDevice().has_index()) {
      return value.toDevice().index();
    }
  }
  return current_device();
}

void run_boxed_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const size_t count = schema.arguments().size();
  TORCH_CHECK_NOT_IMPLEMENTED(
      op.hasComputedKernelForDispatchKey(c10::DispatchKey::CPU), full_name(op),
      ": not implemented for xpu_lite, and torch has no CPU kernel to run in its place");

  const int device = device_of_arguments(op, *stack);
  if (!engine().supports(Feature::HostReadableMemory)) {
    run_boxed_staged(op, stack, device);
    return;
  }
  AliasFrame frame(schema.name().c_str());
  BoxedArguments arguments(frame);
  frame.allow_cpu_tensors();
  torch::jit::Stack cpu_stack;
  cpu_stack.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    cpu_stack.push_back(arguments.convert(torch::jit::peek(*stack, i, count), schema.arguments()[i]));
  }
  frame.set_device(device);
  {
    Stream& stream = current_stream(device);
    OpScope scope(device, stream);
    KernelSpan span(schema.name().c_str(), stream);
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &cpu_stack);
  }
  frame.write_back();

  std::vector<c10::IValue> results;
  results.reserve(cpu_stack.size());
  for (size_t i = 0; i < cpu_stack.size(); ++i) {
    c10::IValue& value = cpu_stack[i];
    if (value.isTensor() && value.toTensor().defined()) {
      results.emplace_back(is_alias(schema.returns()[i])
                               ? frame.argument(value.toTensor())
                               : frame.result(std::move(value).toTensor()));
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> tensors = value.toTensorVector();
      value = c10::IValue(); // result() takes what nobody else holds
      c10::List<at::Tensor> list;
      for (at::Tensor& t : tensors) list.push_back(frame.result(std::move(t)));
      results.emplace_back(std::move(list));
    } else {
      results.push_back(std::move(value));
    }
  }
  cpu_stack.clear(); // before the frame looks who still holds its aliases
  torch::jit::drop(*stack, count);
  for (c10::IValue& value : results) torch::jit::push(*stack, std::move(value));
}

void throw_generator(const char* op, const at::Generator& generator) {
  TORCH_CHECK_NOT_IMPLEMENTED(false, op, ": takes no generator of device ", generator.device(),
                              " on xpu_lite");
}

} // namespace xpu_lite::aten
