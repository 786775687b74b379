#include "backend/ccl/c10d/host_view.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/resolve_conj.h>
#include <ATen/ops/resolve_neg.h>

#include "backend/runtime/device.h"

namespace xpu_lite::ccl {

DataType data_type_of(const char* op, c10::ScalarType type) {
  using S = c10::ScalarType;
  switch (type) {
    case S::Bool: return DataType::Bool;
    case S::Byte: return DataType::UInt8;
    case S::Char: return DataType::Int8;
    case S::UInt16: return DataType::UInt16;
    case S::Short: return DataType::Int16;
    case S::UInt32: return DataType::UInt32;
    case S::Int: return DataType::Int32;
    case S::UInt64: return DataType::UInt64;
    case S::Long: return DataType::Int64;
    case S::Half: return DataType::Float16;
    case S::BFloat16: return DataType::BFloat16;
    case S::Float: return DataType::Float32;
    case S::Double: return DataType::Float64;
    case S::ComplexHalf: return DataType::ComplexHalf;
    case S::ComplexFloat: return DataType::ComplexFloat;
    case S::ComplexDouble: return DataType::ComplexDouble;
    case S::Float8_e4m3fn: return DataType::Float8_e4m3fn;
    case S::Float8_e5m2: return DataType::Float8_e5m2;
    case S::Float8_e4m3fnuz: return DataType::Float8_e4m3fnuz;
    case S::Float8_e5m2fnuz: return DataType::Float8_e5m2fnuz;
    case S::Float8_e8m0fnu: return DataType::Float8_e8m0fnu;
    default:
      TORCH_CHECK_VALUE(false, op, ": tensors of dtype ", type, " cannot be reduced");
  }
}

Reduction reduction_of(const char* op, const c10d::ReduceOp& reduce, c10::ScalarType type) {
  Reduction r;
  switch (reduce.op_) {
    case c10d::ReduceOp::SUM: r.kind = ReduceKind::Sum; break;
    case c10d::ReduceOp::AVG: r.kind = ReduceKind::Avg; break;
    case c10d::ReduceOp::PRODUCT: r.kind = ReduceKind::Product; break;
    case c10d::ReduceOp::MIN: r.kind = ReduceKind::Min; break;
    case c10d::ReduceOp::MAX: r.kind = ReduceKind::Max; break;
    case c10d::ReduceOp::BAND: r.kind = ReduceKind::BitAnd; break;
    case c10d::ReduceOp::BOR: r.kind = ReduceKind::BitOr; break;
    case c10d::ReduceOp::BXOR: r.kind = ReduceKind::BitXor; break;
    case c10d::ReduceOp::PREMUL_SUM: {
      r.kind = ReduceKind::PreMulSum;
      auto* premul = dynamic_cast<c10d::PreMulSumSupplement*>(reduce.supplement_.get());
      TORCH_CHECK_VALUE(premul, op, ": ReduceOp.PREMUL_SUM has no factor; make it with "
                        "torch.distributed._make_nccl_premul_sum(factor)");
      r.factor = premul->tensor_factor.defined()
          ? on_host(premul->tensor_factor).item().toDouble()
          : premul->double_factor;
      break;
    }
    default:
      TORCH_CHECK_VALUE(false, op, ": ReduceOp ", static_cast<int>(reduce.op_), " is unknown");
  }
  try {
    check_reduction(data_type_of(op, type), r);
  } catch (const ValueError& error) {
    TORCH_CHECK_VALUE(false, op, ": ", error.what());
  }
  return r;
}

void check_tensor(const char* op, const char* argument, const at::Tensor& tensor) {
  TORCH_CHECK_VALUE(tensor.defined(), op, ": ", argument, " is undefined");
  TORCH_CHECK_VALUE(tensor.layout() == c10::kStrided, op, ": ", argument,
                    " must be dense, and has layout ", tensor.layout());
  TORCH_CHECK_VALUE(tensor.is_cpu() || tensor.is_privateuseone(), op, ": ", argument,
                    " must be on cpu or xpu_lite, and is on ", tensor.device());
}

namespace {
// May the host read the tensor's memory?
bool reachable(const at::Tensor& t) {
  return t.is_cpu() || engine().supports(Feature::HostReadableMemory);
}
bool as_it_is(const at::Tensor& t) {
  return t.is_contiguous() && !t.is_conj() && !t.is_neg() && reachable(t);
}
bool is_plain(const at::Tensor& t) { return t.is_contiguous() && !t.is_conj() && !t.is_neg(); }

// Of tensors whose streams are known to have come this far. Not by an operator, which would
// queue the copy on the thread's current stream: that stream may be waiting for this
// collective, and then comes to the copy after what must not overtake it.
void copy_bytes(void* to, int to_device, const void* from, int from_device, size_t bytes) {
  if (bytes != 0) engine().copy(to, to_device, from, from_device, bytes);
}

// A contiguous copy on the host, with the value or with nothing in it.
at::Tensor packed_on_host(const at::Tensor& t, bool with_value) {
  if (with_value && (reachable(t) || !is_plain(t))) {
    return on_host(t).resolve_conj().resolve_neg().clone(at::MemoryFormat::Contiguous);
  }
  at::Tensor packed = at::empty(t.sizes(), t.options().device(c10::kCPU));
  if (with_value) {
    copy_bytes(packed.mutable_data_ptr(), -1, t.const_data_ptr(), t.device().index(), t.nbytes());
  }
  return packed;
}
} // namespace

at::Tensor on_host(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  if (!reachable(tensor)) return tensor.cpu();
  at::Tensor view = at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                                  tensor.options().device(c10::kCPU));
  if (tensor.is_conj()) view = view.conj();
  if (tensor.is_neg()) view = view._neg_view();
  return view;
}

Input::Input(const at::Tensor& tensor) : bytes_(tensor.nbytes()) {
  if (as_it_is(tensor)) {
    data_ = tensor.const_data_ptr();
  } else {
    packed_ = packed_on_host(tensor, true);
    data_ = packed_.const_data_ptr();
  }
}

Output::Output(const at::Tensor& tensor, bool with_value)
    : target_(tensor), bytes_(tensor.nbytes()) {
  if (as_it_is(tensor)) {
    data_ = tensor.mutable_data_ptr();
  } else {
    packed_ = packed_on_host(tensor, with_value);
    data_ = packed_.mutable_data_ptr();
  }
}

void Output::commit() {
  if (!packed_.defined()) return;
  if (reachable(target_)) {
    on_host(target_).copy_(packed_);
  } else if (is_plain(target_)) {
    copy_bytes(target_.mutable_data_ptr(), target_.device().index(), packed_.const_data_ptr(), -1,
               bytes_);
  } else {
    target_.copy_(packed_);
  }
}

} // namespace xpu_lite::ccl
