#include "backend/aten/ops/foreach.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <ATen/ops/_foreach_copy_native.h>
#include <ATen/ops/_foreach_max_native.h>
#include <ATen/ops/_foreach_norm_native.h>
#include <ATen/ops/_foreach_zero_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "backend/aten/ops/engine_kernels.h"
#include "backend/cpu/multi_tensor.h"

namespace xpu_lite::aten::foreach {

namespace {

struct Item {
  void* out;
  const void* a;
  const void* b;
  const void* c;
  double scalar;
  int64_t numel;
};

std::vector<Item> items_of(TensorList out, TensorList a, TensorList b, TensorList c) {
  std::vector<Item> items(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    items[i] = {out[i].mutable_data_ptr(),
                a[i].const_data_ptr(),
                b.empty() ? nullptr : b[i].const_data_ptr(),
                c.empty() ? nullptr : c[i].const_data_ptr(),
                0,
                a[i].numel()};
  }
  return items;
}

void compute(ElementwiseOp op, cpu::DType dtype, const std::vector<Item>& items) {
  const int64_t size = cpu::dtype_size(dtype);
  int64_t bytes = 0;
  for (const Item& item : items) bytes += item.numel * size;
  const bool large = bytes > cpu::kStreamBytes;
  cpu::multi_tensor_for(
      items.size(), [&](int64_t i) { return items[i].numel; },
      [&](int64_t i, int64_t first, int64_t last) {
        const Item& item = items[i];
        const int64_t skip = first * size;
        const bool stream = large && item.out != item.a;
        cpu::elementwise(op, dtype, cpu::advance(item.out, skip),
                         cpu::advance(item.a, skip), cpu::advance(item.b, skip),
                         cpu::advance(item.c, skip), item.scalar, last - first, stream);
      });
}

} // namespace

void run(const char* name, ElementwiseOp op, TensorList out, TensorList a, TensorList b,
         TensorList c, Scalars scalars) {
  if (list_kernels) {
    std::vector<double> s;
    for (const Scalar& scalar : scalars) s.push_back(scalar.toDouble());
    return list_kernels->apply(name, op, out, a, b, c, s, nullptr, 1);
  }
  const cpu::DType dtype = *floating_dtype(a[0].scalar_type());
  std::vector<Item> items = items_of(out, a, b, c);
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].scalar = scalars[scalars.size() == 1 ? 0 : i].toDouble();
  }
  launch_lists(name, {out, a, b, c},
               [op, dtype, items = std::move(items)] { compute(op, dtype, items); });
}

void run_late(const char* name, ElementwiseOp op, TensorList out, TensorList a,
              const Tensor& scalar, double factor) {
  const LateScalar late(scalar, "the tensor operand of a _foreach operator");
  if (list_kernels) {
    const bool now = scalar.device().is_cpu();
    return list_kernels->apply(name, op, out, a, {}, {}, {now ? factor * late.value() : 0},
                               now ? nullptr : &scalar, factor);
  }
  const cpu::DType dtype = *floating_dtype(a[0].scalar_type());
  launch_lists(name, {out, a, scalar},
               [op, dtype, late, factor, items = items_of(out, a, {}, {})]() mutable {
                 const double value = factor * late.read();
                 for (Item& item : items) item.scalar = value;
                 compute(op, dtype, items);
               });
}

Tensors empty_like(TensorList self) {
  Tensors out;
  out.reserve(self.size());
  for (const Tensor& tensor : self) out.push_back(at::empty_like(tensor));
  return out;
}

bool fast(std::initializer_list<TensorList> lists) {
  check_lists(lists);
  return floating_dtype((*lists.begin())[0].scalar_type()) && lists_match(lists);
}

bool fast_scalar(const Scalar& scalar) {
  return !scalar.isSymbolic() &&
      (scalar.isFloatingPoint() || scalar.isIntegral(/*includeBool=*/false));
}

bool fast_scalars(TensorList self, Scalars scalars) {
  TORCH_CHECK(self.size() == scalars.size(),
              "Tensor list must have same number of elements as scalar list.");
  for (const Scalar& scalar : scalars) {
    if (!fast_scalar(scalar)) return false;
  }
  return true;
}

bool fast_late(TensorList self, const Tensor& scalar) {
  return scalar.dim() == 0 && scalar.scalar_type() == self[0].scalar_type() &&
      (scalar.device() == self[0].device() || scalar.device().is_cpu());
}

bool is_scalar_list(TensorList self, const Tensor& scalars) {
  return scalars.device().is_cpu() && scalars.dim() == 1 && scalars.is_contiguous() &&
      scalars.size(0) == static_cast<int64_t>(self.size()) &&
      (scalars.scalar_type() == at::kFloat || scalars.scalar_type() == at::kDouble);
}

std::vector<Scalar> scalar_list_of(const Tensor& scalars) {
  std::vector<Scalar> list;
  list.reserve(scalars.size(0));
  const bool wide = scalars.scalar_type() == at::kDouble;
  const void* data = scalars.const_data_ptr();
  for (int64_t i = 0; i < scalars.size(0); ++i) {
    list.emplace_back(wide ? static_cast<const double*>(data)[i]
                           : static_cast<double>(static_cast<const float*>(data)[i]));
  }
  return list;
}

bool fast_pow(TensorList self) {
  constexpr int64_t kFew = 256;
  for (const Tensor& tensor : self) {
    if (tensor.numel() > kFew) return false;
  }
  return true;
}

namespace {

// One double per tensor: `finish` turns the sum or maximum into the result.
template <class Finish>
Tensors reduce(const char* name, cpu::ReduceOp op, TensorList self, Finish finish) {
  const cpu::DType dtype = *floating_dtype(self[0].scalar_type());
  Tensors out;
  out.reserve(self.size());
  for (const Tensor& tensor : self) out.push_back(at::empty({}, tensor.options()));
  if (list_kernels) {
    list_kernels->reduce(name, op, out, self);
    return out;
  }

  // Fixed pieces, so that the result does not depend on the number of threads.
  constexpr int64_t kPiece = 65536;
  struct Piece {
    const void* data;
    int64_t numel;
    size_t tensor;
  };
  std::vector<Piece> pieces;
  std::vector<void*> results;
  const int64_t size = cpu::dtype_size(dtype);
  for (size_t i = 0; i < self.size(); ++i) {
    const int64_t n = self[i].numel();
    for (int64_t first = 0; first < n; first += kPiece) {
      pieces.push_back({cpu::advance(self[i].const_data_ptr(), first * size),
                        std::min(kPiece, n - first), i});
    }
    results.push_back(out[i].mutable_data_ptr());
  }
  launch_lists(
      name, {out, self},
      [op, dtype, finish, pieces = std::move(pieces), results = std::move(results)] {
        std::vector<double> partial(pieces.size());
        cpu::multi_tensor_for(
            pieces.size(), [&](int64_t i) { return pieces[i].numel; },
            [&](int64_t i, int64_t first, int64_t) {
              if (first != 0) return; // the thread that meets its start does all of it
              partial[i] = cpu::reduce_range(op, dtype, pieces[i].data, pieces[i].numel);
            });
        for (size_t i = 0; i < pieces.size();) {
          const size_t tensor = pieces[i].tensor;
          double total = partial[i];
          for (++i; i < pieces.size() && pieces[i].tensor == tensor; ++i) {
            const bool most = op == cpu::ReduceOp::Max || op == cpu::ReduceOp::AbsMax;
            total = !most                                          ? total + partial[i]
                : total > partial[i] || std::isnan(total)          ? total
                                                                   : partial[i];
          }
          const double value = finish(total);
          switch (dtype) {
            case cpu::DType::Double: *static_cast<double*>(results[tensor]) = value; break;
            case cpu::DType::Float:
              *static_cast<float*>(results[tensor]) = static_cast<float>(value);
              break;
            case cpu::DType::BFloat16:
              *static_cast<c10::BFloat16*>(results[tensor]) = static_cast<float>(value);
              break;
            default:
              *static_cast<c10::Half*>(results[tensor]) = static_cast<float>(value);
          }
        }
      });
  return out;
}

bool none_empty(TensorList self) {
  for (const Tensor& tensor : self) {
    if (tensor.numel() == 0) return false;
  }
  return true;
}

} // namespace

Tensors norm(TensorList self, const Scalar& ord, std::optional<at::ScalarType> dtype) {
  const bool plain = fast({self}) && none_empty(self) && fast_scalar(ord) &&
      (!dtype || *dtype == self[0].scalar_type());
  const double p = plain ? ord.toDouble() : 0;
  if (p == 1) {
    return reduce("_foreach_norm", cpu::ReduceOp::SumAbs, self, [](double x) { return x; });
  }
  if (p == 2) {
    return reduce("_foreach_norm", cpu::ReduceOp::SumSquares, self,
                  [](double x) { return std::sqrt(x); });
  }
  if (p == std::numeric_limits<double>::infinity()) {
    return reduce("_foreach_norm", cpu::ReduceOp::AbsMax, self, [](double x) { return x; });
  }
  return at::native::foreach_tensor_norm_slow(self, ord, dtype);
}

Tensors max(TensorList self) {
  if (!fast({self}) || !none_empty(self)) return at::native::foreach_tensor_max_slow(self);
  return reduce("_foreach_max", cpu::ReduceOp::Max, self, [](double x) { return x; });
}

void zero_(TensorList self) {
  check_lists({self});
  if (!lists_match({self})) return at::native::foreach_tensor_zero_slow_(self);
  if (list_kernels) {
    list_kernels->zero("_foreach_zero_", self);
    return bump_versions(self);
  }
  std::vector<std::pair<void*, int64_t>> items;
  for (const Tensor& t : self) items.emplace_back(t.mutable_data_ptr(), t.nbytes());
  launch_lists("_foreach_zero_", {self}, [items = std::move(items)] {
    cpu::multi_tensor_for(
        items.size(), [&](int64_t i) { return items[i].second; },
        [&](int64_t i, int64_t first, int64_t last) {
          std::memset(cpu::advance(items[i].first, first), 0, last - first);
        });
  });
  bump_versions(self);
}

void copy_(TensorList self, TensorList src, bool non_blocking) {
  check_lists({self, src});
  if (self[0].is_complex() || !lists_match({self, src})) { // complex: lazy conjugates
    return at::native::foreach_tensor_copy_list_kernel_slow_(self, src, non_blocking);
  }
  if (list_kernels) {
    list_kernels->copy("_foreach_copy_", self, src);
    return bump_versions(self);
  }
  std::vector<Item> items = items_of(self, src, {}, {});
  const int64_t size = self[0].element_size();
  launch_lists("_foreach_copy_", {self, src}, [size, items = std::move(items)] {
    cpu::multi_tensor_for(
        items.size(), [&](int64_t i) { return items[i].numel; },
        [&](int64_t i, int64_t first, int64_t last) {
          // memmove: a tensor may be copied to itself.
          std::memmove(cpu::advance(items[i].out, first * size),
                       cpu::advance(items[i].a, first * size), (last - first) * size);
        });
  });
  bump_versions(self);
}

} // namespace xpu_lite::aten::foreach
