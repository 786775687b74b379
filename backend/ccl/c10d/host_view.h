#pragma once

// Tensors as transports want them: contiguous host memory and an element type.
// A contiguous tensor of an engine with host-readable memory is used where it
// lies; any other is packed before and unpacked after.

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>
#include <torch/csrc/distributed/c10d/Types.hpp>

#include "backend/ccl/transport.h"

namespace xpu_lite::ccl {

// ValueError with the operator's name for a type no transport knows (quantized).
DataType data_type_of(const char* op, c10::ScalarType type);
// Throws ValueError for reductions without a meaning for the type. Reads the factor
// of PREMUL_SUM, which may be a tensor.
Reduction reduction_of(const char* op, const c10d::ReduceOp& reduce, c10::ScalarType type);

// Throws, naming `op` and the argument, unless the tensor is dense, on the host or
// on xpu_lite.
void check_tensor(const char* op, const char* argument, const at::Tensor& tensor);

class Input {
 public:
  explicit Input(const at::Tensor& tensor);
  const void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  ConstSlice slice() const { return {data_, bytes_}; }

 private:
  at::Tensor packed_; // undefined when the tensor itself is used
  const void* data_;
  size_t bytes_;
};

class Output {
 public:
  // with_value: the buffer starts with what the tensor holds (in-place collectives).
  explicit Output(const at::Tensor& tensor, bool with_value = false);
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Slice slice() const { return {data_, bytes_}; }
  void commit(); // writes a packed buffer back; call it after success

 private:
  at::Tensor target_, packed_;
  void* data_;
  size_t bytes_;
};

// A CPU tensor over the memory of a device tensor (or the CPU tensor itself).
at::Tensor on_host(const at::Tensor& tensor);

} // namespace xpu_lite::ccl
