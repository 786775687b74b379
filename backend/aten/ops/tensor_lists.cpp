#include "backend/aten/ops/tensor_lists.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

namespace xpu_lite::aten {

std::optional<cpu::DType> floating_dtype(at::ScalarType type) {
  switch (type) {
    case at::ScalarType::Float: return cpu::DType::Float;
    case at::ScalarType::Double: return cpu::DType::Double;
    case at::ScalarType::BFloat16: return cpu::DType::BFloat16;
    case at::ScalarType::Half: return cpu::DType::Half;
    default: return std::nullopt;
  }
}

void check_lists(std::initializer_list<at::TensorList> lists) {
  const size_t size = lists.begin()->size();
  for (at::TensorList list : lists) {
    TORCH_CHECK(!list.empty(), "Tensor list must have at least one tensor.");
    TORCH_CHECK(list.size() == size,
                "Tensor lists must have the same number of tensors, got ", size, " and ",
                list.size());
  }
}

bool same_dense_layout(const at::Tensor& a, const at::Tensor& b) {
  if (a.layout() != at::kStrided || b.layout() != at::kStrided) return false;
  if (a.sizes() != b.sizes() || !a.is_non_overlapping_and_dense()) return false;
  if (a.strides() == b.strides()) return true;
  for (int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) != 1 && a.stride(d) != b.stride(d)) return false;
  }
  return b.is_non_overlapping_and_dense();
}

bool lists_match(std::initializer_list<at::TensorList> lists) {
  const at::TensorList first = *lists.begin();
  const c10::Device device = first[0].device();
  const at::ScalarType type = first[0].scalar_type();
  if (device.type() != kDevice) return false;
  for (at::TensorList list : lists) {
    for (size_t i = 0; i < list.size(); ++i) {
      const at::Tensor& tensor = list[i];
      if (tensor.device() != device || tensor.scalar_type() != type ||
          !same_dense_layout(first[i], tensor)) {
        return false;
      }
    }
  }
  return true;
}

void bump_versions(at::TensorList written) {
  for (const at::Tensor& tensor : written) {
    if (!tensor.is_inference()) tensor.unsafeGetTensorImpl()->bump_version();
  }
}

namespace {

double read_as_double(const void* data, at::ScalarType type) {
  switch (type) {
    case at::ScalarType::Float: return *static_cast<const float*>(data);
    case at::ScalarType::Double: return *static_cast<const double*>(data);
    case at::ScalarType::BFloat16: return *static_cast<const c10::BFloat16*>(data);
    case at::ScalarType::Half: return *static_cast<const c10::Half*>(data);
    case at::ScalarType::Int: return *static_cast<const int32_t*>(data);
    default: return static_cast<double>(*static_cast<const int64_t*>(data));
  }
}

} // namespace

LateScalar::LateScalar(const at::Tensor& tensor, const char* what)
    : type_(tensor.scalar_type()) {
  TORCH_CHECK(tensor.numel() == 1, what, " must have one element, got a tensor of ",
              tensor.numel());
  TORCH_CHECK(floating_dtype(type_) || type_ == at::kInt || type_ == at::kLong, what,
              " must be a floating point or integer tensor, got ", type_);
  TORCH_CHECK(tensor.device().is_cpu() || tensor.device().type() == kDevice, what,
              " is on ", tensor.device(), ", expected the CPU or this device");
  if (tensor.device().is_cpu()) {
    value_ = read_as_double(tensor.const_data_ptr(), type_);
  } else {
    data_ = tensor.const_data_ptr();
  }
}

double LateScalar::read() const { return data_ ? read_as_double(data_, type_) : value_; }

} // namespace xpu_lite::aten
