#include "backend/aten/sycl/reduce.h"

#include <limits>

#include <ATen/native/ReduceOps.h>
#include <ATen/ops/empty.h>

#include "backend/aten/sycl/run.h"
#include "backend/xpu/kernel_library.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::Tensor;
using at::TensorIterator;

// Bytes of one accumulator in memory (the kernels' Acc).
size_t partial_bytes(const std::string& kernel, xpu::DType type) {
  const bool wide = type == xpu::DType::F64 || type == xpu::DType::C128;
  const size_t number = xpu::is_complex(type)        ? xpu::size_of(type)
                        : type == xpu::DType::F64    ? 8
                        : xpu::is_floating(type)     ? 4
                                                     : 8;
  if (kernel == "any") return 4;
  if (kernel.rfind("norm", 0) == 0) return wide ? 8 : 4;
  if (kernel == "extreme_index") return 16;
  if (kernel == "variance") return 3 * number;
  return number;
}

struct Temporaries {
  c10::TensorOptions options;
  Tensor buffer;
};

void* scratch(void* context, size_t bytes) {
  auto* t = static_cast<Temporaries*>(context);
  t->buffer = at::empty({static_cast<int64_t>(bytes)}, t->options.dtype(at::kByte));
  return out(t->buffer);
}

void submit(const char* op, const Tensor& any, xpu::Reduction& r) {
  const std::string name = r.kernel + "_rows_" + xpu::suffix(r.type);
  TORCH_CHECK_NOT_IMPLEMENTED(xpu::find_kernel(name) != nullptr, '"', op, "\" not implemented for '",
                              xpu::suffix(r.type), "'");
  r.partial_bytes = partial_bytes(r.kernel, r.type);
  Temporaries temporaries{any.options(), {}};
  run(op, any, [&](Stream& stream) { xpu::reduce(stream, r, scratch, &temporaries); });
}

void* address(const Tensor& t) { return t.defined() ? out(t) : nullptr; }

// More separate dimensions than a kernel takes: in a copy that has the kept ones
// before the reduced ones they merge into one each.
void reduce_regrouped(const char* op, at::TensorIteratorBase& iter, xpu::Reduction& r) {
  const Tensor& self = iter.input(0);
  std::vector<int64_t> order, reduced;
  int64_t kept = 1;
  for (int64_t d = 0; d < self.dim(); ++d) {
    const bool is_reduced = iter.output(0).size(d) != self.size(d);
    (is_reduced ? reduced : order).push_back(d);
    if (!is_reduced) kept *= self.size(d);
  }
  order.insert(order.end(), reduced.begin(), reduced.end());
  const Tensor dense = self.permute(order).contiguous();
  std::vector<Tensor> results;
  for (int i = 0; i < iter.noutputs(); ++i) {
    results.push_back(at::empty(iter.output(i).sizes(), iter.output(i).options()));
  }
  const int64_t many = self.numel() / kept;
  r.dims = {{many, 1, 0, 0, true}, {kept, many, 1, 1, false}};
  r.in = in(dense), r.out = out(results[0]), r.out2 = r.out2 ? out(results[1]) : nullptr;
  submit(op, self, r);
  for (int i = 0; i < iter.noutputs(); ++i) iter.output(i).copy_(results[i]);
}

} // namespace

void reduce(const char* op, at::TensorIteratorBase& iter, const ReduceOptions& options) {
  const int input = iter.noutputs();
  const Tensor& result = iter.output(0);
  const auto type = iter.dtype(input);
  xpu::Reduction r;
  r.kernel = options.kernel, r.flag = options.flag, r.number = options.number;
  r.type = dtype_of(op, type);
  r.wide_out = iter.dtype(0) != type;
  r.in = xpu::device_pointer(iter.data_ptr(input));
  r.out = xpu::device_pointer(iter.data_ptr(0));
  r.out2 = input > 1 ? xpu::device_pointer(iter.data_ptr(1)) : nullptr;
  for (int d = 0; d < iter.ndim(); ++d) {
    const auto stride = [&](int arg) {
      return iter.strides(arg)[d] / static_cast<int64_t>(iter.element_size(arg));
    };
    xpu::ReduceDim dim{iter.shape()[d], stride(input), stride(0), input > 1 ? stride(1) : 0,
                       iter.is_dim_reduced(d)};
    r.dims.push_back(dim);
  }
  if (iter.numel() == 0) { // the iterator no longer says which dimensions are reduced
    r.dims = {{0, 1, 0, 0, true}};
    for (int64_t d = 0; d < result.dim(); ++d) {
      r.dims.push_back({result.size(d), 0, result.stride(d),
                        input > 1 ? iter.output(1).stride(d) : 0, false});
    }
  }
  if (!xpu::can_reduce(r)) return reduce_regrouped(op, iter, r);
  submit(op, result, r);
}

void reduce_all(const char* op, const Tensor& self, const Tensor& result,
                const ReduceOptions& options) {
  xpu::Reduction r;
  r.kernel = options.kernel, r.flag = options.flag, r.number = options.number;
  r.type = dtype_of(op, self.scalar_type());
  r.wide_out = result.scalar_type() != self.scalar_type();
  r.out = out(result);
  for (int64_t d = 0; d < self.dim(); ++d) {
    r.dims.push_back({self.size(d), self.stride(d), 0, 0, true});
  }
  const Tensor dense = xpu::can_reduce(r) ? self : self.contiguous();
  if (!dense.is_same(self)) r.dims = {{self.numel(), 1, 0, 0, true}};
  r.in = in(dense);
  submit(op, self, r);
}

void reduce_dim_with_index(const char* op, const Tensor& self_, int64_t dim, bool least,
                           const Tensor& value, const Tensor& index) {
  const auto make = [&](const Tensor& self) {
    xpu::Reduction r;
    r.kernel = "extreme_index", r.flag = least;
    r.keeps_index = true;
    r.type = dtype_of(op, self.scalar_type());
    r.in = in(self), r.out = address(value), r.out2 = address(index);
    const int64_t removed = (value.defined() ? value : index).dim() < self.dim() ? 1 : 0;
    for (int64_t d = 0; d < self.dim(); ++d) {
      if (d == dim) {
        r.dims.push_back({self.size(d), self.stride(d), 0, 0, true});
      } else {
        const int64_t o = d > dim ? d - removed : d;
        r.dims.push_back({self.size(d), self.stride(d), value.defined() ? value.stride(o) : 0,
                          index.defined() ? index.stride(o) : 0, false});
      }
    }
    return r;
  };
  xpu::Reduction r = make(self_);
  Tensor dense = self_;
  if (!xpu::can_reduce(r)) r = make(dense = self_.contiguous());
  TORCH_CHECK(xpu::can_reduce(r), op, ": results of sizes ", value.defined() ? value.sizes()
              : index.sizes(), " have too many dimensions that do not merge");
  submit(op, dense, r);
}

namespace {

void sum(TensorIterator& iter) { reduce("sum", iter, {"sum"}); }
void nansum(TensorIterator& iter) {
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(iter.dtype(1)),
                              "\"nansum_cpu\" not implemented for '", iter.dtype(1), "'");
  reduce("nansum", iter, {"nansum"});
}
void prod(TensorIterator& iter) { reduce("prod", iter, {"prod"}); }
void mean(TensorIterator& iter) {
  TORCH_CHECK(!at::isIntegralType(iter.dtype(0), /*includeBool=*/true),
              "result type Float can't be cast to the desired output type ", iter.dtype(0));
  const double n = static_cast<double>(iter.numel()) / static_cast<double>(iter.num_output_elements());
  reduce("mean", iter, {"sum", 1, n});
}
void every(TensorIterator& iter) { reduce("all", iter, {"any", 1}); }
void some(TensorIterator& iter) { reduce("any", iter, {"any", 0}); }
void least(TensorIterator& iter) { reduce("amin", iter, {"extreme", 1}); }
void largest(TensorIterator& iter) { reduce("amax", iter, {"extreme", 0}); }

void norm(TensorIterator& iter, const c10::Scalar& order) {
  const double p = order.to<double>();
  const double inf = std::numeric_limits<double>::infinity();
  const int32_t kind = p == 0 ? 0 : p == 1 ? 1 : p == 2 ? 2 : p == inf ? 4 : p == -inf ? 5 : 3;
  reduce("linalg_vector_norm", iter,
         {kind == 2 ? "norm2" : kind == 3 ? "norm_pow" : "norm", kind, p});
}

void power_sum(TensorIterator& iter, const c10::Scalar& order) {
  const double p = order.to<double>();
  const int32_t kind = p == 0 ? 0 : p == 1 ? 1 : 6;
  reduce("linalg_powsum", iter, {kind == 6 ? "norm_pow" : "norm", kind, p});
}

void variance(TensorIterator& iter, double correction, bool take_sqrt) {
  reduce("var", iter, {"variance", take_sqrt ? 1 : 0, correction});
}

} // namespace

} // namespace xpu_lite::aten::sycl

namespace at::native {

REGISTER_PRIVATEUSE1_DISPATCH(sum_stub, &xpu_lite::aten::sycl::sum)
REGISTER_PRIVATEUSE1_DISPATCH(nansum_stub, &xpu_lite::aten::sycl::nansum)
REGISTER_PRIVATEUSE1_DISPATCH(prod_stub, &xpu_lite::aten::sycl::prod)
REGISTER_PRIVATEUSE1_DISPATCH(mean_stub, &xpu_lite::aten::sycl::mean)
REGISTER_PRIVATEUSE1_DISPATCH(and_stub, &xpu_lite::aten::sycl::every)
REGISTER_PRIVATEUSE1_DISPATCH(or_stub, &xpu_lite::aten::sycl::some)
REGISTER_PRIVATEUSE1_DISPATCH(min_values_stub, &xpu_lite::aten::sycl::least)
REGISTER_PRIVATEUSE1_DISPATCH(max_values_stub, &xpu_lite::aten::sycl::largest)
REGISTER_PRIVATEUSE1_DISPATCH(norm_stub, &xpu_lite::aten::sycl::norm)
REGISTER_PRIVATEUSE1_DISPATCH(powsum_stub, &xpu_lite::aten::sycl::power_sum)
REGISTER_PRIVATEUSE1_DISPATCH(std_var_stub, &xpu_lite::aten::sycl::variance)

} // namespace at::native
