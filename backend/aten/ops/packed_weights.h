#pragma once

// Note [Packed weights]
// A matrix product packs its right operand before it multiplies. A weight that is used
// again unchanged is packed once, and the packed form kept (Note [Forms of weights]). It
// is kept from the second use on: one that changes at every step, or is made for one
// call, is packed into a scratch buffer of the thread. The kernel is the same, so that a
// result never depends on what is kept.

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>
#include <c10/util/FunctionRef.h>

#include "backend/aten/core/form_cache.h"
#include "backend/cpu/gemm/packed_gemm.h"

namespace xpu_lite::aten {

// `weight` is [k, n], of any strides, on the device, in the current order of an inline
// stream. The result is valid while the pointer is held.
std::shared_ptr<const void> packed_form(const at::Tensor& weight, cpu::DType dtype);

// For an operand that is no weight (an activation, of which a gradient is made): packed for
// this call alone.
std::shared_ptr<const void> packed_once(const at::Tensor& operand, cpu::DType dtype);

// As packed_form() for a form of another kind: `pack` writes its `bytes`; `kind` and `variant` tell
// it from the weight's other forms. Where the form is made of `others`, too (scales), it
// ends when one of these is written.
std::shared_ptr<const void> packed_by(const at::Tensor& weight, at::ScalarType kind, size_t bytes,
                                      c10::function_ref<void(void*)> pack,
                                      std::initializer_list<int64_t> variant = {},
                                      at::TensorList others = {});

// For a stream whose worker computes later: the form if it is kept already or from now on,
// else none, as nobody would pack for one call. Writes are noted when they are queued, so that
// a form that is found now holds what the queued product should read; where it has to be made,
// this waits for the device once.
std::shared_ptr<const void> kept_by(const at::Tensor& weight, at::ScalarType kind, size_t bytes,
                                    c10::function_ref<void(void*)> pack,
                                    std::initializer_list<int64_t> variant = {});
std::shared_ptr<const void> kept_form(const at::Tensor& weight, cpu::DType dtype);

FormCache<std::shared_ptr<const void>>& packed_weights();

} // namespace xpu_lite::aten
