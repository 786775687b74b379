#include "backend/aten/core/infer.h"

#include <cstring>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include <ATen/EmptyTensor.h>
#include <c10/util/hash.h>

#include "backend/aten/core/boxed.h"

namespace xpu_lite::aten {
namespace {

// Operators whose meta kernel promises other sizes, dtypes or strides than the
// CPU kernel delivers, or checks its arguments less: they wait for their stream.
bool meta_disagrees(const c10::OperatorHandle& op) {
  static const auto& names = *new std::unordered_set<std::string>{
      "aten::_batch_norm_with_update", "aten::_batch_norm_with_update_functional",
      "aten::_embedding_bag", "aten::_embedding_bag_forward_only",
      "aten::_fft_c2c", "aten::_fft_c2r", "aten::_fft_r2c", "aten::_linalg_eigh",
      "aten::_native_batch_norm_legit", "aten::_native_batch_norm_legit_no_training",
      "aten::addbmm_", "aten::addr", "aten::addr_", "aten::index_put_", "aten::_index_put_impl_",
      "aten::linalg_eig", "aten::logit_", "aten::max_unpool2d", "aten::max_unpool3d",
      "aten::native_batch_norm",
      "aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward",
      "aten::native_layer_norm", "aten::nonzero_static",
  };
  return names.count(op.schema().name()) != 0;
}

at::Tensor meta_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  // Meta kernels take numbers as they are, and those written in Python only so.
  if (tensor.device().is_cpu() && tensor.unsafeGetTensorImpl()->is_wrapped_number()) return tensor;
  at::Tensor meta(at::detail::empty_strided_meta(tensor.sizes(), tensor.strides(),
                                                 tensor.scalar_type()));
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) {
    meta.unsafeGetTensorImpl()->set_wrapped_number(true);
  }
  if (tensor.is_conj()) meta._set_conj(true);
  if (tensor.is_neg()) meta._set_neg(true);
  return meta;
}

bool is_dense(const at::Tensor& t) {
  return !t.defined() || (t.layout() == c10::kStrided && !t.is_quantized() && !t.is_nested());
}

// Meta kernels disagree with the CPU's about the strides of nothing.
bool is_empty(const at::Tensor& t) {
  return t.defined() && t.numel() == 0;
}

// What a meta kernel warns of, the CPU kernel will warn of.
class NoWarnings final : public c10::WarningHandler {
 public:
  void process(const c10::Warning&) override {}
};

TensorMeta describe(const at::Tensor& tensor) {
  TensorMeta meta;
  if (!tensor.defined()) return meta;
  meta.defined = true;
  meta.sizes.assign(tensor.sizes().begin(), tensor.sizes().end());
  meta.strides.assign(tensor.strides().begin(), tensor.strides().end());
  meta.dtype = tensor.scalar_type();
  return meta;
}

std::optional<c10::OperatorHandle> functional_variant(const c10::OperatorHandle& op);

std::shared_ptr<const InferredResults> ask(const c10::OperatorHandle& op,
                                           const torch::jit::Stack& stack) {
  const auto& schema = op.schema();
  if (const auto functional = functional_variant(op)) {
    // Not of the meta kernel of the out= overload: it may warn of a resize, which
    // the CPU kernel will do again.
    const size_t given = functional->schema().arguments().size();
    const size_t all = schema.arguments().size();
    const auto arguments = torch::jit::last(stack, all);
    const auto results =
        ask(*functional, torch::jit::Stack(arguments.begin(), arguments.begin() + given));
    if (!results) return nullptr;
    for (size_t i = given; i < all; ++i) {
      const at::Tensor& out = arguments[i].toTensor();
      if (!out.defined() || is_empty(out) || out.sizes() != (*results)[i - given].sizes) return nullptr;
    }
    return results;
  }
  if (!op.hasComputedKernelForDispatchKey(c10::DispatchKey::Meta) || meta_disagrees(op)) {
    return nullptr;
  }
  for (const auto& result : schema.returns()) {
    if (result.type()->kind() != c10::TypeKind::TensorType) return nullptr;
  }
  for (const auto tag : op.getTags()) {
    if (tag == at::Tag::data_dependent_output || tag == at::Tag::dynamic_output_shape) {
      return nullptr;
    }
  }
  const size_t count = schema.arguments().size();
  torch::jit::Stack meta;
  meta.reserve(count);
  bool usable = true;
  for (size_t i = 0; i < count; ++i) {
    const c10::IValue& value = torch::jit::peek(stack, i, count);
    if (value.isDevice()) {
      meta.emplace_back(c10::Device(c10::kMeta));
      continue;
    }
    meta.push_back(map_tensors(value, [&](const at::Tensor& t) {
      usable = usable && is_dense(t) && !is_empty(t);
      return usable ? meta_of(t) : t;
    }));
  }
  if (!usable) return nullptr;
  const torch::jit::Stack arguments = meta;
  NoWarnings quiet;
  c10::WarningUtils::WarningHandlerGuard silence(&quiet);
  try {
    c10::impl::ExcludeDispatchKeyGuard guard(
        c10::autograd_dispatch_keyset_with_ADInplaceOrView | c10::autocast_dispatch_keyset);
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::Meta), &meta);
  } catch (const std::exception&) {
    return nullptr; // the CPU kernel says it better
  }
  // An out= argument that must be resized is resized by the CPU kernel, now.
  for (size_t i = 0; i < count; ++i) {
    const c10::IValue& given = torch::jit::peek(stack, i, count);
    if (given.isTensor() && given.toTensor().defined() &&
        (given.toTensor().sizes() != arguments[i].toTensor().sizes() ||
         given.toTensor().scalar_type() != arguments[i].toTensor().scalar_type())) {
      return nullptr;
    }
  }
  auto results = std::make_shared<InferredResults>();
  for (const c10::IValue& value : meta) {
    if (!value.isTensor()) return nullptr;
    results->push_back(describe(value.toTensor()));
  }
  return results;
}

// Everything that a meta kernel looks at, as numbers; false for an argument that
// cannot be written down.
using Key = std::vector<int64_t>;

void write(Key& key, at::IntArrayRef values) {
  key.push_back(static_cast<int64_t>(values.size()));
  key.insert(key.end(), values.begin(), values.end());
}
void write(Key& key, const at::Tensor& t) {
  if (!t.defined()) {
    key.push_back(-1);
    return;
  }
  const auto* impl = t.unsafeGetTensorImpl();
  key.push_back(static_cast<int64_t>(t.scalar_type()) | (impl->is_wrapped_number() << 8) |
                (t.is_conj() << 9) | (t.is_neg() << 10) | (t.device().is_cpu() << 11));
  write(key, t.sizes());
  write(key, t.strides());
}
int64_t bits(double value) {
  int64_t same;
  std::memcpy(&same, &value, sizeof same);
  return same;
}

bool write_value(Key& key, const c10::IValue& value) {
  // The kind first: 1 and 1.0 and True differ.
  const auto kind = [&](int64_t k) { key.push_back(k); };
  if (value.isTensor()) {
    if (!is_dense(value.toTensor())) return false;
    kind(1), write(key, value.toTensor());
  } else if (value.isNone()) {
    kind(2);
  } else if (value.isInt()) {
    kind(3), key.push_back(value.toInt());
  } else if (value.isDouble()) {
    kind(4), key.push_back(bits(value.toDouble()));
  } else if (value.isBool()) {
    kind(5), key.push_back(value.toBool());
  } else if (value.isIntList()) {
    kind(6), write(key, at::IntArrayRef(value.toIntVector()));
  } else if (value.isDevice()) {
    kind(7);
  } else if (value.isTensorList()) {
    const auto list = value.toTensorVector();
    kind(8), key.push_back(static_cast<int64_t>(list.size()));
    for (const at::Tensor& t : list) {
      if (!is_dense(t)) return false;
      write(key, t);
    }
  } else if (value.isString()) {
    kind(9);
    for (const char c : value.toStringRef()) key.push_back(c);
    key.push_back(-1);
  } else if (value.isBoolList()) {
    const auto list = value.toBoolList();
    kind(10), key.push_back(static_cast<int64_t>(list.size()));
    for (size_t i = 0; i < list.size(); ++i) key.push_back(list.get(i));
  } else if (value.isDoubleList()) {
    const auto list = value.toDoubleVector();
    kind(11), key.push_back(static_cast<int64_t>(list.size()));
    for (const double v : list) key.push_back(bits(v));
  } else {
    return false;
  }
  return true;
}

struct KeyHash {
  size_t operator()(const Key& key) const {
    size_t seed = key.size();
    for (const int64_t v : key) seed = c10::hash_combine(seed, static_cast<size_t>(v));
    return seed;
  }
};

struct Answers {
  std::mutex mutex;
  std::unordered_map<Key, std::shared_ptr<const InferredResults>, KeyHash> map;
};
constexpr size_t kMostAnswers = 8192;

} // namespace

std::shared_ptr<const InferredResults> infer_results(const c10::OperatorHandle& op,
                                                     const torch::jit::Stack& stack) {
  const size_t count = op.schema().arguments().size();
  // Integers become the default dtype in many operators.
  Key key{reinterpret_cast<int64_t>(&op.schema()),
          static_cast<int64_t>(c10::typeMetaToScalarType(c10::get_default_dtype()))};
  key.reserve(64);
  for (size_t i = 0; i < count; ++i) {
    const c10::IValue& value = torch::jit::peek(stack, i, count);
    if (value.isGenerator()) return nullptr;
    if (!write_value(key, value)) return ask(op, stack);
  }
  static auto& answers = *new Answers;
  {
    std::lock_guard<std::mutex> lock(answers.mutex);
    const auto known = answers.map.find(key);
    if (known != answers.map.end()) return known->second;
  }
  // Not under the lock: a meta kernel in Python takes the GIL.
  auto results = ask(op, stack);
  std::lock_guard<std::mutex> lock(answers.mutex);
  if (answers.map.size() >= kMostAnswers) answers.map.clear();
  answers.map.emplace(std::move(key), results);
  return results;
}

namespace {

bool is_out_variant_of(const c10::FunctionSchema& out, const c10::FunctionSchema& functional) {
  const auto& given = functional.arguments();
  const size_t results = functional.returns().size();
  if (results == 0 || out.arguments().size() != given.size() + results ||
      out.returns().size() != results) {
    return false;
  }
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i].alias_info() || out.arguments()[i].alias_info() ||
        given[i].name() != out.arguments()[i].name() ||
        *given[i].type() != *out.arguments()[i].type()) {
      return false;
    }
  }
  for (size_t i = given.size(); i < out.arguments().size(); ++i) {
    const auto* info = out.arguments()[i].alias_info();
    if (!info || !info->isWrite() || !out.arguments()[i].type()->isSubtypeOf(*c10::TensorType::get())) {
      return false;
    }
  }
  return true;
}

// The first overload of the same name that `matches`, looked for once.
class Variants {
 public:
  template <class Matches>
  std::optional<c10::OperatorHandle> find(const c10::OperatorHandle& op, Matches&& matches) {
    const auto& schema = op.schema();
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = known_.find(&schema);
    if (found != known_.end()) return found->second;
    std::optional<c10::OperatorHandle> variant;
    for (const auto& name : overloads(schema.name())) {
      const auto candidate = c10::Dispatcher::singleton().findSchema(name);
      if (candidate && matches(candidate->schema(), schema)) {
        variant = candidate;
        break;
      }
    }
    known_.emplace(&schema, variant);
    return variant;
  }

 private:
  static const std::vector<c10::OperatorName>& overloads(const std::string& name) {
    static const auto& by_name = *[] {
      auto* names = new std::unordered_map<std::string, std::vector<c10::OperatorName>>;
      for (auto& each : c10::Dispatcher::singleton().getAllOpNames()) {
        (*names)[each.name].push_back(each);
      }
      return names;
    }();
    static const std::vector<c10::OperatorName> none;
    const auto found = by_name.find(name);
    return found == by_name.end() ? none : found->second;
  }
  std::mutex mutex_;
  std::unordered_map<const c10::FunctionSchema*, std::optional<c10::OperatorHandle>> known_;
};

std::optional<c10::OperatorHandle> functional_variant(const c10::OperatorHandle& op) {
  static auto& variants = *new Variants;
  return variants.find(op, [](const auto& functional, const auto& out) {
    return is_out_variant_of(out, functional);
  });
}

} // namespace

std::optional<c10::OperatorHandle> out_variant(const c10::OperatorHandle& op) {
  static auto& variants = *new Variants;
  return variants.find(op, is_out_variant_of);
}

} // namespace xpu_lite::aten
