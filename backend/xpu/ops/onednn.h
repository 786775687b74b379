#pragma once

// Matrix products and convolutions through oneDNN, in the order of a stream.
//
// oneDNN is 100 MB of code that a process may never need, and a package that may not
// be installed: it is linked by a library of its own, libxpu_lite_onednn.so
// (backend/xpu/onednn), which is loaded at the first product. This header is all that
// the rest of the engine knows of it: plain descriptions of tensors, and Library.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"

namespace xpu_lite::xpu::onednn {

constexpr int kMaxRank = 6;

// A tensor in device memory; strides in elements. A size of 1 broadcasts where the
// operation allows it; strides of 0 are not allowed.
struct View {
  void* data = nullptr;
  DType type = DType::F32;
  int rank = 0;
  int64_t size[kMaxRank] = {};
  int64_t stride[kMaxRank] = {};
};

enum class Activation : uint8_t { None, Relu, Gelu, GeluTanh, Sigmoid, Tanh, Silu };

// What happens to a result before it is stored:
//   out = activation(scale * result + add + keep * out)
struct Epilogue {
  float scale = 1;
  const View* add = nullptr; // broadcasts to the result
  float keep = 0;            // 0: what `out` held is not read
  Activation activation = Activation::None;
};

// Keeps a weight in the layouts that primitives want.
class WeightForms {
 public:
  // Equal numbers mean equal layouts. Null: it is not kept, the caller makes one for this
  // call; else what `make` returned, now or before.
  virtual std::shared_ptr<const void> find(
      int64_t layout, size_t bytes,
      const std::function<std::shared_ptr<const void>()>& make) = 0;

 protected:
  ~WeightForms() = default;
};

// out[.., m, n] = sum over k of a[.., m, k] b[.., k, n] (+ bias[.., 1, n]), rank 2 or
// 3; any strides, of which one of the last two should be 1.
struct Matmul {
  View a, b, out;
  const View* bias = nullptr; // added before the epilogue
  Epilogue epilogue;
  WeightForms* forms = nullptr; // of b; null: it is never kept
};

// A convolution of 1 to 3 spatial dimensions, shapes and parameters as in PyTorch: data
// [N, C, ...], contiguous or channels last; weight [out, in / groups, ...], if
// transposed [in, out / groups, ...].
struct Convolution {
  int spatial = 2;
  bool transposed = false;
  int64_t groups = 1;
  int64_t stride[3] = {1, 1, 1}, padding[3] = {}, dilation[3] = {1, 1, 1};
  View src, weight, dst; // of the forward pass; backward writes the gradient of one
  View bias;             // data null: none; if its data is null, so is its gradient
  Epilogue epilogue;     // forward only
  WeightForms* forms = nullptr; // of a weight that is read; null: it is never kept
};

enum class Direction : uint8_t { Forward, BackwardData, BackwardWeights };

// What libxpu_lite_onednn.so implements. `op` names the operator in errors. Nothing
// waits; temporary memory comes from the caching allocator, on the stream.
class Library {
 public:
  virtual ~Library() = default;
  virtual const char* version() const noexcept = 0;
  // Whether oneDNN computes with this type on this device; asked for once.
  virtual bool matmul_supports(int device, DType type) = 0;
  virtual bool convolution_supports(int device, DType type) = 0;

  virtual void matmul(Stream& stream, const char* op, const Matmul& call) = 0;
  // Forward: writes dst. BackwardData: dst holds its gradient, src's is written.
  // BackwardWeights: likewise weight's, and bias's where it is given.
  virtual void convolution(Stream& stream, const char* op, Direction direction,
                           const Convolution& call) = 0;
  // Primitives made and found again since the process started.
  virtual void cache_statistics(int64_t& made, int64_t& found) const noexcept = 0;
};

// The library, or null where it or a package it needs is not installed; why_missing()
// then says what failed and which command installs it.
Library* library();
const std::string& why_missing();

} // namespace xpu_lite::xpu::onednn
