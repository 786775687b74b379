#include "backend/aten/sycl/embedding_bag.h"

#include <ATen/native/EmbeddingBag.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/zeros.h>

#include "backend/aten/sycl/index_walk.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/embedding_bag.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;
using xpu::BagMode;

// The bag of each index: offsets are those of the first of each bag.
Tensor bags_of(const Tensor& indices, const Tensor& offsets) {
  const Tensor at = at::arange(indices.numel(), offsets.options());
  return at::searchsorted(offsets, at, /*out_int32=*/false, /*right=*/true).sub(1);
}

} // namespace

BagResult embedding_bag(const Tensor& weight, const Tensor& indices_arg,
                        const Tensor& offsets_arg, bool /*scale_grad_by_freq*/, int64_t mode,
                        bool /*sparse*/, const std::optional<Tensor>& scales_arg,
                        bool include_last_offset, int64_t padding_idx) {
  TORCH_CHECK(indices_arg.dim() == 1, "input has to be a 1D Tensor, but got Tensor of dimension ",
              indices_arg.dim());
  TORCH_CHECK(offsets_arg.dim() == 1, "offsets has to be a 1D Tensor, but got Tensor of dimension ",
              offsets_arg.dim());
  TORCH_CHECK(weight.dim() == 2, "weight has to be a 2D Tensor, but got Tensor of dimension ",
              weight.dim());
  TORCH_CHECK(mode >= 0 && mode <= 2, "embedding_bag: mode must be 0 (sum), 1 (mean) or 2 (max), "
              "got ", mode);
  TORCH_CHECK(!include_last_offset || offsets_arg.numel() >= 1,
              "include_last_offset: number of offset should be at least 1");
  const Tensor scales = scales_arg.value_or(Tensor());
  TORCH_CHECK(!scales.defined() || mode == 0,
              "embedding_bag: per_sample_weights was not None. per_sample_weights is only "
              "supported for mode='sum' (got mode ", mode, ")");
  TORCH_CHECK(!scales.defined() || scales.numel() == indices_arg.numel(),
              "expected per_sample_weights to have as many elements as input (",
              indices_arg.numel(), "), got ", scales.numel());
  const Tensor indices = indices_arg.to(at::kLong).contiguous();
  const Tensor offsets = offsets_arg.to(at::kLong).contiguous();
  const auto longs = indices.options();
  const int64_t bags = offsets.numel() - (include_last_offset ? 1 : 0);
  // Offsets must begin at 0 and stay inside of the input: checked, so that no kernel
  // reads past it.
  if (offsets.numel()) {
    const Tensor ends = at::cat({offsets, at::full({1}, indices.numel(), longs)});
    const int64_t first = offsets.select(0, 0).item<int64_t>();
    TORCH_CHECK(first == 0, "offsets[0] has to be 0, i.e., the first sequence in the mini-batch "
                "has to start from position 0. However, got ", first);
    const int64_t last = offsets.select(0, -1).item<int64_t>();
    TORCH_CHECK(last <= indices.numel(), "offsets[-1] can not be greater than input's length: ",
                "got offsets[-1] of ", last, " and input of length ", indices.numel());
    TORCH_CHECK(ends.narrow(0, 1, ends.numel() - 1).ge(offsets).all().item<bool>(),
                "embedding_bag: offsets must not decrease");
  }
  const int64_t columns = weight.size(1);
  Tensor result = at::empty({bags, columns}, weight.options());
  Tensor sizes = at::zeros({bags}, longs);
  Tensor greatest = mode == 2 ? at::empty({bags, columns}, longs) : at::empty({0}, longs);
  if (bags && columns) {
    const Tensor ends = include_last_offset
                            ? offsets
                            : at::cat({offsets, at::full({1}, indices.numel(), longs)});
    const Tensor factors =
        scales.defined() ? scales.to(weight.scalar_type()).contiguous() : Tensor();
    xpu::EmbeddingBagArgs args{};
    args.weight = in(weight);
    args.indices = static_cast<const int64_t*>(in(indices));
    args.offsets = static_cast<const int64_t*>(in(ends));
    args.scales = factors.defined() ? in(factors) : nullptr;
    args.out = out(result);
    args.sizes = static_cast<int64_t*>(out(sizes));
    args.greatest = mode == 2 ? static_cast<int64_t*>(out(greatest)) : nullptr;
    args.bags = bags;
    args.rows = weight.size(0);
    args.columns = columns;
    args.row_stride = weight.stride(0);
    args.column_stride = weight.stride(1);
    args.padding = padding_idx;
    args.mode = static_cast<BagMode>(mode);
    run("embedding_bag", weight, [&](Stream& stream) {
      xpu::embedding_bag(stream, dtype_of("embedding_bag", weight.scalar_type()), args);
    });
    check_indexed(weight);
  }
  return {result, indices.numel() ? bags_of(indices, offsets) : at::empty({0}, longs), sizes,
          greatest};
}

Tensor embedding_bag_dense_backward(const Tensor& grad, const Tensor& indices_arg,
                                    const Tensor& offset2bag, const Tensor& bag_size,
                                    const Tensor& max_indices, int64_t num_weights,
                                    bool scale_grad_by_freq, int64_t mode,
                                    const std::optional<Tensor>& scales_arg,
                                    int64_t padding_idx) {
  const Tensor scales = scales_arg.value_or(Tensor());
  const Tensor indices = indices_arg.to(at::kLong);
  const int64_t columns = grad.size(1);
  if (indices.numel() == 0) return at::zeros({num_weights, columns}, grad.options());
  if (static_cast<BagMode>(mode) == BagMode::Max) {
    // Empty bags have no row: their gradient goes nowhere.
    const Tensor filled = max_indices.ge(0);
    return at::zeros({num_weights, columns}, grad.options())
        .scatter_add_(0, max_indices.clamp_min(0), grad.masked_fill(filled.logical_not(), 0));
  }
  const Tensor bags = offset2bag.to(at::kLong);
  Tensor rows = grad.index_select(0, bags);
  if (static_cast<BagMode>(mode) == BagMode::Mean)
    rows = rows.div(bag_size.index_select(0, bags).clamp_min(1).unsqueeze(1).to(
        rows.scalar_type()));
  if (scales.defined()) rows = rows.mul(scales.unsqueeze(1));
  return at::embedding_dense_backward(rows, indices, num_weights, padding_idx,
                                      scale_grad_by_freq);
}

Tensor embedding_bag_weights_backward(const Tensor& grad, const Tensor& weight,
                                      const Tensor& indices_arg, const Tensor& offsets,
                                      const Tensor& offset2bag_arg, int64_t mode,
                                      int64_t padding_idx) {
  TORCH_CHECK(mode == 0, "embedding_bag_backward: per_sample_weights only supported for "
              "mode='sum'");
  if (indices_arg.numel() == 0) return at::zeros({0}, grad.options());
  const Tensor indices = indices_arg.to(at::kLong);
  const Tensor bags = offset2bag_arg.numel() ? offset2bag_arg.to(at::kLong)
                                             : bags_of(indices, offsets.to(at::kLong));
  Tensor products =
      grad.index_select(0, bags).mul(weight.index_select(0, indices)).sum(1);
  if (padding_idx >= 0) products.masked_fill_(indices.eq(padding_idx), 0);
  return products;
}

} // namespace xpu_lite::aten::sycl
