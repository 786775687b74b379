#pragma once

// Route 2: torch's own CPU kernel on the device's memory.
//
// route2<Op> is the PrivateUse1 kernel of an operator that has a CPU kernel. It
// turns the device tensors among the arguments into CPU aliases, calls the CPU
// kernel without boxing, and turns what it returns back (Note [CPU aliases]).
// The list of operators is generated: see codegen/generate_route2.py.

#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/IListRef.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/Device.h>

#include "backend/aten/core/alias.h"
#include "backend/aten/core/launch.h"
#include "backend/aten/core/routes.h"
#include "backend/aten/core/write_watch.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {

// What an operator needs beyond the default.
enum Route2Flags : int {
  kDefault = 0,
  kView = 1,        // only metadata: may run while work is queued
  kAnyCpuTensor = 2, // takes CPU tensors beside device tensors (indices)
  kComposite = 4     // a composite that looks at the device, taken as a whole
};

// Out of line: the unlikely cases of a call.
[[noreturn]] void throw_generator(const char* op, const at::Generator& generator);

// The key whose boxed fallback runs an operator on a stream with queued work. No
// tensor carries it; torch leaves PrivateUse3 unused.
constexpr c10::DispatchKey kQueuedKey = c10::DispatchKey::PrivateUse3;

// --- Arguments: constructed for every argument first, then asked for the value.

template <class T>
struct Arg {
  const T& value;
  Arg(AliasFrame&, const T& v) : value(v) {}
  const T& get(AliasFrame&) { return value; }
};

template <>
struct Arg<const at::Tensor&> {
  const at::Tensor& tensor;
  int place;
  Arg(AliasFrame& frame, const at::Tensor& t) : tensor(t), place(frame.add(t)) {}
  const at::Tensor& get(AliasFrame& frame) { return place < 0 ? tensor : frame.at(place); }
};

template <>
struct Arg<at::Tensor&> {
  at::Tensor& tensor;
  int place;
  Arg(AliasFrame& frame, at::Tensor& t) : tensor(t), place(frame.add(t, true)) {}
  at::Tensor& get(AliasFrame& frame) {
    return place < 0 ? tensor : const_cast<at::Tensor&>(frame.at(place));
  }
};

template <>
struct Arg<const std::optional<at::Tensor>&> {
  const std::optional<at::Tensor>& tensor;
  std::optional<at::Tensor> alias;
  int place = AliasFrame::kAsIs;
  Arg(AliasFrame& frame, const std::optional<at::Tensor>& t) : tensor(t) {
    // Written too: running statistics come as optional arguments. The tensor has
    // no place of its own in the caller's frame, so no sizes are carried back.
    if (!t.has_value()) return;
    about_to_write(*t);
    place = frame.add(*t);
  }
  const std::optional<at::Tensor>& get(AliasFrame& frame) {
    if (place < 0) return tensor;
    alias = frame.at(place);
    return alias;
  }
};

template <>
struct Arg<at::TensorList> {
  std::vector<int> places;
  at::TensorList list;
  std::vector<at::Tensor> aliases;
  Arg(AliasFrame& frame, at::TensorList l) : list(l) {
    places.reserve(l.size());
    for (const at::Tensor& t : l) places.push_back(frame.add(t, false));
  }
  at::TensorList get(AliasFrame& frame) {
    aliases.reserve(places.size());
    for (size_t i = 0; i < places.size(); ++i) {
      aliases.push_back(places[i] < 0 ? list[i] : frame.at(places[i]));
    }
    return aliases;
  }
};

template <>
struct Arg<const at::ITensorListRef&> {
  std::vector<at::Tensor> originals, aliases;
  std::vector<int> places;
  std::optional<at::ITensorListRef> ref;
  Arg(AliasFrame& frame, const at::ITensorListRef& l) {
    originals.reserve(l.size());
    for (const at::Tensor& t : l) originals.push_back(t);
    for (const at::Tensor& t : originals) places.push_back(frame.add(t));
  }
  const at::ITensorListRef& get(AliasFrame& frame) {
    aliases.reserve(places.size());
    for (size_t i = 0; i < places.size(); ++i) {
      aliases.push_back(places[i] < 0 ? originals[i] : frame.at(places[i]));
    }
    ref.emplace(at::TensorList(aliases));
    return *ref;
  }
};

template <>
struct Arg<const c10::List<std::optional<at::Tensor>>&> {
  std::vector<std::optional<at::Tensor>> originals;
  std::vector<int> places;
  c10::List<std::optional<at::Tensor>> aliases;
  Arg(AliasFrame& frame, const c10::List<std::optional<at::Tensor>>& l) {
    originals.reserve(l.size());
    for (size_t i = 0; i < l.size(); ++i) originals.push_back(l.get(i));
    for (const auto& t : originals) places.push_back(t ? frame.add(*t) : AliasFrame::kAsIs);
  }
  const c10::List<std::optional<at::Tensor>>& get(AliasFrame& frame) {
    for (size_t i = 0; i < places.size(); ++i) {
      aliases.push_back(places[i] < 0 ? originals[i]
                                      : std::optional<at::Tensor>(frame.at(places[i])));
    }
    return aliases;
  }
};

// A factory: make it on the CPU, for the device that was asked for.
template <>
struct Arg<std::optional<c10::Device>> {
  Arg(AliasFrame& frame, std::optional<c10::Device> device) {
    if (device.has_value() && device->type() == kDevice) {
      frame.set_device(device->index() < 0 ? current_device() : device->index());
    }
  }
  std::optional<c10::Device> get(AliasFrame&) { return c10::Device(c10::kCPU); }
};

// Operators that draw random numbers have kernels of their own; what is left
// never uses the generator for device tensors.
template <>
struct Arg<std::optional<at::Generator>> {
  Arg(AliasFrame&, const std::optional<at::Generator>& generator) {
    if (generator.has_value() && generator->defined()) throw_generator("operator", *generator);
  }
  std::optional<at::Generator> get(AliasFrame&) { return std::nullopt; }
};

// --- Results

template <class T>
struct Result {
  static T take(AliasFrame&, T value) { return value; }
};
template <>
struct Result<at::Tensor> {
  static at::Tensor take(AliasFrame& frame, at::Tensor&& value) {
    return frame.result(std::move(value));
  }
};
template <>
struct Result<at::Tensor&> {
  static at::Tensor& take(AliasFrame& frame, at::Tensor& value) {
    return const_cast<at::Tensor&>(frame.argument(value));
  }
};
template <>
struct Result<const at::Tensor&> {
  static const at::Tensor& take(AliasFrame& frame, const at::Tensor& value) {
    return frame.argument(value);
  }
};
template <>
struct Result<std::vector<at::Tensor>> {
  static std::vector<at::Tensor> take(AliasFrame& frame, std::vector<at::Tensor>&& value) {
    for (at::Tensor& t : value) t = frame.result(std::move(t));
    return std::move(value);
  }
};
template <class... Ts>
struct Result<std::tuple<Ts...>> {
  static std::tuple<Ts...> take(AliasFrame& frame, std::tuple<Ts...>&& value) {
    return std::apply(
        [&](auto&&... parts) {
          return std::tuple<Ts...>(Result<Ts>::take(frame, std::forward<Ts>(parts))...);
        },
        std::move(value));
  }
};

// --- The kernel

// Does the operator write to tensors of a list ("Tensor(a!)[] self")?
constexpr bool writes_list(std::string_view schema) {
  return schema.find("!)[]") != std::string_view::npos;
}

// A view runs nothing on the device.
struct NoSpan {
  NoSpan(const char*, const Stream&) {}
};

template <class Op, int flags, class Schema = typename Op::schema>
struct Route2;

template <class Op, int flags, class Ret, class... Args>
struct Route2<Op, flags, Ret(Args...)> {
  static Ret call(Args... args) {
    AliasFrame frame(Op::name);
    if constexpr ((flags & kAnyCpuTensor) != 0) frame.allow_cpu_tensors();
    if constexpr (writes_list(Op::schema_str)) frame.all_written();
    return run(frame, std::tuple<Arg<Args>...>{Arg<Args>(frame, args)...}, args...);
  }

 private:
  static Ret run(AliasFrame& frame, std::tuple<Arg<Args>...>&& holders, Args... args) {
    const int device = frame.device() < 0 ? current_device() : frame.device();
    Stream& stream = current_stream(device);
    if constexpr ((flags & kView) == 0) {
      if (C10_UNLIKELY(!stream.runs_inline())) {
        return Op::redispatch(c10::DispatchKeySet(kQueuedKey), std::forward<Args>(args)...);
      }
    }
    frame.set_device(device);
    note_route(2, Op::name);
    OpScope scope(device, stream);
    std::conditional_t<(flags & kView) != 0, NoSpan, KernelSpan> span(Op::name, stream);
    return std::apply(
        [&](auto&... holder) -> Ret {
          const c10::DispatchKeySet cpu(c10::DispatchKey::CPU);
          if constexpr (std::is_void_v<Ret>) {
            Op::redispatch(cpu, holder.get(frame)...);
            frame.write_back();
          } else if constexpr (std::is_reference_v<Ret>) {
            Ret result = Op::redispatch(cpu, holder.get(frame)...);
            frame.write_back();
            return Result<Ret>::take(frame, result);
          } else {
            Ret result = Op::redispatch(cpu, holder.get(frame)...);
            frame.write_back();
            return Result<Ret>::take(frame, std::move(result));
          }
        },
        holders);
  }
};

// Composites that route 2 sends to the CPU as a whole need a kernel for queued
// work too: their composite kernel would take its place, and on device tensors
// it takes another way than on the CPU's.
void register_queued(const char* name, const char* overload);

// Registers the kernel for PrivateUse1. Straight at the dispatcher: TORCH_LIBRARY
// would infer and compare a schema for each of a thousand operators, at every
// `import torch`; these take theirs from torch's own declaration.
template <class Op, int flags>
void register_route2() {
  using Kernel = Route2<Op, flags>;
  static auto& handle = *new c10::RegistrationHandleRAII(c10::Dispatcher::singleton().registerImpl(
      c10::OperatorName(Op::name, Op::overload_name), c10::DispatchKey::PrivateUse1,
      c10::KernelFunction::makeFromUnboxedFunction(TORCH_FN((&Kernel::call))), std::nullopt,
      nullptr, "xpu_lite route 2"));
  (void)handle;
  if constexpr ((flags & kComposite) != 0) register_queued(Op::name, Op::overload_name);
}

} // namespace xpu_lite::aten
