#include <ATen/autocast_mode.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/stack.h>

#include "backend/aten/ops/int8_linear.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/aten/ops/packed_weights.h"
#include "backend/cpu/gemm/weight_only.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
using Optional = std::optional<Tensor>;
constexpr const char* kWeightOnly = "xpu_lite::weight_only_linear";

bool is_int4(const Tensor& weight) { return weight.scalar_type() == at::kByte; }
at::SymInt features(const Tensor& weight) {
  return is_int4(weight) ? weight.sym_size(1) * 2 : weight.sym_size(1);
}

void check_weight_only(const Tensor& input, const Tensor& weight, const Tensor& scale,
                       const Optional& zero, int64_t group, const LinearTail& tail) {
  TORCH_CHECK(weight.dim() == 2 && (is_int4(weight) || weight.scalar_type() == at::kChar), "[",
              kWeightOnly, "] weight must be int8 [out_features, in_features] or, for int4, uint8 "
              "[out_features, in_features / 2], got ", weight.scalar_type(), " of ",
              weight.sym_sizes());
  const auto n = weight.sym_size(0), k = features(weight);
  TORCH_CHECK_VALUE(group >= 1 && (group % 8 == 0 || k <= group), "[", kWeightOnly,
                    "] group must be a multiple of 8 or at least in_features, got ", group);
  const auto groups = (k + group - 1) / group;
  for (const Optional& each : {Optional(scale), zero}) {
    if (!given(each)) continue;
    TORCH_CHECK(each->dim() == 2 && each->sym_size(0) == n && each->sym_size(1) == groups &&
                    each->scalar_type() == at::kFloat,
                "[", kWeightOnly, "] scale and zero must be float32 of [", n, ", ", groups,
                "], got ", each->scalar_type(), " of ", each->sym_sizes());
  }
  TORCH_CHECK(input.is_floating_point(), "[", kWeightOnly,
              "] input must be of a floating-point dtype, got ", input.scalar_type());
  check_linear(kWeightOnly, input, n, k, tail);
}

// int8 [n, k] in [-8, 7].
Tensor unpack_int4(const Tensor& weight) {
  const Tensor low = weight.bitwise_and(15), high = weight.bitwise_right_shift(4);
  return at::stack({low, high}, -1).flatten(1).to(at::kChar).sub(8);
}

Tensor dequantised_weight(const Tensor& weight, const Tensor& scale, const Optional& zero,
                          int64_t group) {
  const Tensor q = (is_int4(weight) ? unpack_int4(weight) : weight).to(at::kFloat);
  const auto k = q.sym_size(1);
  const auto wide = [&](const Tensor& t) {
    return t.repeat_interleave_symint(group, 1).narrow_symint(1, 0, k);
  };
  return (given(zero) ? q.sub(wide(*zero)) : q).mul(wide(scale));
}

// A form made of weight, scale and zero.
std::shared_ptr<const void> form_of(const Tensor& weight, const Tensor& scale, const Optional& zero,
                                    int64_t group, at::ScalarType kind, size_t bytes,
                                    c10::function_ref<void(void*)> pack) {
  const auto place = [](const Tensor& t) {
    return reinterpret_cast<int64_t>(t.unsafeGetTensorImpl()->unsafe_storage().unsafeGetStorageImpl()) +
        t.storage_offset();
  };
  c10::SmallVector<Tensor, 2> others{scale};
  if (given(zero)) others.push_back(*zero);
  return packed_by(weight, kind, bytes, pack, {group, place(scale), given(zero) ? place(*zero) : 0},
                   others);
}

std::shared_ptr<const void> packed_weight_only(const Tensor& weight, const Tensor& scale,
                                               const Optional& zero, int64_t group) {
  namespace gemm = cpu::gemm;
  const int bits = is_int4(weight) ? 4 : 8;
  const int64_t n = weight.size(0), k = weight.size(1) * (bits == 4 ? 2 : 1);
  const bool zeros = given(zero);
  const auto pack = [&](void* out) {
    const Tensor stored = weight.contiguous(), scales = scale.contiguous();
    const Tensor zeros_of = zeros ? zero->contiguous() : Tensor();
    gemm::WeightOnlyWeight source{bits, n, k, group, nullptr, scales.const_data_ptr<float>(),
                                  zeros ? zeros_of.const_data_ptr<float>() : nullptr};
    std::vector<int8_t> whole;
    if (bits == 4) {
      whole.resize(static_cast<size_t>(n * k));
      const auto* from = stored.const_data_ptr<uint8_t>();
      for (int64_t i = 0; i < n * k / 2; ++i) {
        whole[2 * i] = static_cast<int8_t>((from[i] & 15) - 8);
        whole[2 * i + 1] = static_cast<int8_t>((from[i] >> 4) - 8);
      }
      source.q = whole.data();
    } else {
      source.q = stored.const_data_ptr<int8_t>();
    }
    gemm::weight_only_pack(source, out);
  };
  return form_of(weight, scale, zero, group, at::kBits8,
                 gemm::weight_only_bytes(bits, n, k, group, zeros), pack);
}

// Many rows are bound by arithmetic, and int8 weights would be made bfloat16 for every few of
// them: from here on the product takes a bfloat16 form, as fast as an unquantised weight's.
constexpr int64_t kManyRows = 8;

// The int8 weight in bfloat16 as gemm() reads it.
std::shared_ptr<const void> widened(const Tensor& weight, const Tensor& scale, const Optional& zero,
                                    int64_t group) {
  namespace gemm = cpu::gemm;
  const int64_t n = weight.size(0), k = weight.size(1);
  const auto pack = [&](void* out) {
    constexpr int64_t kColumns = 32; // of a panel: panels follow one another
    const Tensor stored = weight.contiguous(), scales = scale.contiguous();
    const Tensor zeros_of = given(zero) ? zero->contiguous() : Tensor();
    const int64_t groups = scale.size(1);
    const size_t panel_bytes = gemm::packed_bytes(cpu::DType::BFloat16, kColumns, k);
    std::vector<float> values(static_cast<size_t>(kColumns * k));
    for (int64_t first = 0; first < n; first += kColumns) {
      const int64_t columns = std::min(kColumns, n - first);
      for (int64_t c = 0; c < columns; ++c) {
        const int8_t* q = stored.const_data_ptr<int8_t>() + (first + c) * k;
        for (int64_t p = 0; p < k; ++p) {
          const int64_t at = (first + c) * groups + p / group;
          const float origin = zeros_of.defined() ? zeros_of.const_data_ptr<float>()[at] : 0;
          values[c * k + p] = (static_cast<float>(q[p]) - origin) * scales.const_data_ptr<float>()[at];
        }
      }
      gemm::pack({cpu::DType::BFloat16, columns, k, values.data(), cpu::DType::Float, k, 1},
                 static_cast<char*>(out) + first / kColumns * panel_bytes);
    }
  };
  return form_of(weight, scale, zero, group, at::kBFloat16,
                 gemm::packed_bytes(cpu::DType::BFloat16, n, k), pack);
}

} // namespace

Tensor weight_only_linear_composed(XPU_LITE_WEIGHT_ONLY_ARGUMENTS) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_weight_only(input, weight, scale, zero, group, tail);
  const auto type = input.scalar_type();
  const Tensor w = dequantised_weight(weight, scale, zero, group).to(type);
  return apply_tail(at::linear(input, w, given(bias) ? Optional(bias->to(type)) : Optional()), tail);
}

Tensor weight_only_linear_meta(XPU_LITE_WEIGHT_ONLY_ARGUMENTS) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_weight_only(input, weight, scale, zero, group, tail);
  return input.new_empty_symint(linear_sizes(input, weight.sym_size(0)),
                                tail_type(input.scalar_type(), tail));
}

Tensor weight_only_linear_host(XPU_LITE_WEIGHT_ONLY_ARGUMENTS) {
  namespace gemm = cpu::gemm;
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_weight_only(input, weight, scale, zero, group, tail);
  const auto composed = [&] {
    return weight_only_linear_composed(input, weight, scale, zero, bias, group, activation, add,
                                       add_first, mul);
  };
  const auto type = tail_type(input.scalar_type(), tail);
  const auto a_type = gemm_type(input.scalar_type()), c_type = gemm_type(type);
  if (!a_type || !c_type) return composed();
  auto call = linear_call(input, {&weight, &scale, given(zero) ? &*zero : &scale}, weight.size(0),
                          type, tail);
  if (!call) return composed();
  return call->run(kWeightOnly, [&] {
    const auto& [n, k, a, epilogue, out, stream] = *call;
    const int bits = is_int4(weight) ? 4 : 8;
    if (bits == 8 && *a_type == cpu::DType::BFloat16 && a.rows >= kManyRows) {
      const auto packed = widened(weight, scale, zero, group);
      gemm::gemm({*a_type, a.rows, n, k, a.tensor.const_data_ptr(), a.ld, packed.get(),
                  out.mutable_data_ptr(), n, *c_type, epilogue.gemm});
      return;
    }
    const auto packed = packed_weight_only(weight, scale, zero, group);
    gemm::weight_only_gemm({bits, a.rows, n, k, group, given(zero), a.tensor.const_data_ptr(),
                            a.ld, *a_type, packed.get(), out.mutable_data_ptr(), n, *c_type,
                            epilogue.gemm});
  });
}

Tensor weight_only_linear_autocast(XPU_LITE_WEIGHT_ONLY_ARGUMENTS) {
  static const auto op = typed_operator<decltype(weight_only_linear_host)>(kWeightOnly);
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
  const auto to = at::autocast::get_lower_precision_fp_from_device_type(kDevice);
  return op.call(at::autocast::cached_cast(to, input, kDevice), weight, scale, zero, bias, group,
                 activation, add, add_first, mul);
}

} // namespace xpu_lite::aten
