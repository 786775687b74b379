#include "backend/aten/sycl/copy_kernel.h"

#include <ATen/TensorIterator.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/core/fallback.h"
#include "backend/aten/sycl/elementwise.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/elementwise_copy.h"

namespace xpu_lite::aten::sycl {

bool only_moved(at::ScalarType type) {
  if (type == at::ScalarType::Float4_e2m1fn_x2) return true;
  return c10::isFloat8Type(type) && type != at::kFloat8_e4m3fn && type != at::kFloat8_e5m2;
}

namespace {

// A fallback like any other, but copy_ is the same for all backends and has no place for one.
void cast_by_host(const at::Tensor& src, const at::Tensor& dst) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::copy_", "");
  count_fallback(op);
  at::Tensor target = dst;
  target.copy_(src.cpu().to(dst.scalar_type()));
}

} // namespace

void copy_kernel(const at::Tensor& src, const at::Tensor& dst) {
  if (dst.numel() == 0) return;
  if (only_moved(src.scalar_type()) || only_moved(dst.scalar_type())) {
    if (src.scalar_type() == dst.scalar_type()) {
      copy_kernel(src.view(at::kByte), dst.view(at::kByte));
    } else {
      cast_by_host(src, dst);
    }
    return;
  }
  const bool conjugate = src.is_conj() != dst.is_conj();
  const bool negate = src.is_neg() != dst.is_neg();
  // Aliases that overlap were refused or made sure of by the caller.
  auto iter = at::TensorIteratorConfig()
                  .set_check_mem_overlap(false)
                  .add_output(dst)
                  .add_const_input(src)
                  .resize_outputs(false)
                  .check_all_same_dtype(false)
                  .check_all_same_device(true)
                  .build();
  const xpu::EwOperand to = device_operand("copy_", iter, 0);
  const xpu::EwOperand from = device_operand("copy_", iter, 1);
  const int dims = iter.ndim();
  translate([&] {
    run("copy_", dst, [&](Stream& stream) {
      if (!conjugate && !negate) {
        xpu::copy_elements(stream, dims, iter.shape().data(), to, from);
        return;
      }
      // Bits are resolved in the type of the source, where it is complex.
      const char* kernel = conjugate ? (negate ? "neg_conj" : "conj") : "neg";
      xpu::Elementwise call;
      call.name = kernel;
      call.type = conjugate && !xpu::is_complex(from.dtype) ? to.dtype : from.dtype;
      call.dims = dims;
      std::copy(iter.shape().begin(), iter.shape().end(), call.size.begin());
      call.operands = 2;
      call.operand[0] = to;
      call.operand[1] = from;
      call.wanted[0] = call.wanted[1] = call.type;
      xpu::elementwise(stream, call);
    });
  });
}

} // namespace xpu_lite::aten::sycl
