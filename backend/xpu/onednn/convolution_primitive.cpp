#include "backend/xpu/onednn/convolution_primitive.h"

#include <string>

#include "backend/runtime/error.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/onednn/attributes.h"

namespace xpu_lite::xpu::onednn {

namespace {

using dnnl::memory;

// oneDNN's parameters: its dilation of 1 skips one element, its right padding follows
// from the size of the output.
struct Geometry {
  memory::dims stride, dilation, left, right;
  explicit Geometry(const Convolution& c) {
    for (int i = 0; i < c.spatial; ++i) {
      stride.push_back(c.stride[i]);
      dilation.push_back(c.dilation[i] - 1);
      left.push_back(c.padding[i]);
      const int64_t reach = (c.weight.size[2 + i] - 1) * c.dilation[i] + 1;
      right.push_back(c.transposed ? (c.src.size[2 + i] - 1) * c.stride[i] + reach -
                                         c.dst.size[2 + i] - c.padding[i]
                                   : c.padding[i]);
    }
  }
};

// [groups,] out, in, spatial: also where PyTorch has the inputs first.
memory::desc describe_weight(const Convolution& c) {
  const View& w = c.weight;
  const int64_t first = w.size[0] / c.groups;
  View view;
  view.data = w.data, view.type = w.type;
  auto axis = [&](int64_t size, int64_t stride) {
    view.size[view.rank] = size, view.stride[view.rank] = stride, ++view.rank;
  };
  if (c.groups > 1) axis(c.groups, first * w.stride[0]);
  if (c.transposed) {
    axis(w.size[1], w.stride[1]);
    axis(first, w.stride[0]);
  } else {
    axis(first, w.stride[0]);
    axis(w.size[1], w.stride[1]);
  }
  for (int i = 0; i < c.spatial; ++i) axis(w.size[2 + i], w.stride[2 + i]);
  return describe(view);
}

memory::desc describe_bias(const Convolution& c) {
  View view = c.bias;
  view.rank = 1, view.size[0] = c.dst.size[1], view.stride[0] = 1;
  return describe(view);
}

bool channels_last(const View& v) { return v.stride[1] == 1 && v.size[1] > 1; }

struct ConvolutionKind {
  using Forward = dnnl::convolution_forward;
  using Data = dnnl::convolution_backward_data;
  using Weights = dnnl::convolution_backward_weights;
  static constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
};
struct DeconvolutionKind {
  using Forward = dnnl::deconvolution_forward;
  using Data = dnnl::deconvolution_backward_data;
  using Weights = dnnl::deconvolution_backward_weights;
  static constexpr auto kAlgorithm = dnnl::algorithm::deconvolution_direct;
};

template <class Kind>
std::shared_ptr<ConvolutionEntry> make(const dnnl::engine& engine, Direction direction,
                                       const Convolution& c, bool keep_data_layout,
                                       std::string& implementation) {
  auto entry = std::make_shared<ConvolutionEntry>();
  const Geometry g(c);
  entry->src.ours = describe(c.src), entry->dst.ours = describe(c.dst);
  entry->weight.ours = describe_weight(c);
  const memory::desc src = keep_data_layout ? entry->src.ours : free_layout(entry->src.ours);
  const memory::desc dst = keep_data_layout ? entry->dst.ours : free_layout(entry->dst.ours);
  const memory::desc weight = free_layout(entry->weight.ours);
  if (c.bias.data != nullptr) entry->bias = describe_bias(c);
  const memory::desc bias = direction == Direction::BackwardData ? memory::desc() : entry->bias;
  const bool forward = direction == Direction::Forward;
  const dnnl::primitive_attr attr = attributes(forward ? c.epilogue : Epilogue());
  const auto hint = typename Kind::Forward::primitive_desc(
      engine, forward ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training,
      Kind::kAlgorithm, src, weight, bias, dst, g.stride, g.dilation, g.left, g.right, attr);

  auto take = [&](const auto& made) {
    implementation = made.impl_info_str();
    entry->scratch = made.scratchpad_desc();
    entry->scratch_bytes = entry->scratch.get_size();
  };
  switch (direction) {
    case Direction::Forward:
      take(hint);
      entry->primitive = typename Kind::Forward(hint);
      finish(entry->src, hint.src_desc(), false, engine);
      finish(entry->weight, hint.weights_desc(), false, engine);
      finish(entry->dst, hint.dst_desc(), true, engine);
      break;
    case Direction::BackwardData: {
      const auto made = typename Kind::Data::primitive_desc(
          engine, Kind::kAlgorithm, src, weight, dst, g.stride, g.dilation, g.left, g.right, hint,
          attr);
      take(made);
      entry->primitive = typename Kind::Data(made);
      finish(entry->src, made.diff_src_desc(), true, engine);
      finish(entry->weight, made.weights_desc(), false, engine);
      finish(entry->dst, made.diff_dst_desc(), false, engine);
      break;
    }
    case Direction::BackwardWeights: {
      const auto made = typename Kind::Weights::primitive_desc(
          engine, Kind::kAlgorithm, src, weight, bias, dst, g.stride, g.dilation, g.left, g.right,
          hint, attr);
      take(made);
      entry->primitive = typename Kind::Weights(made);
      finish(entry->src, made.src_desc(), false, engine);
      finish(entry->weight, made.diff_weights_desc(), true, engine);
      finish(entry->dst, made.diff_dst_desc(), false, engine);
      break;
    }
  }
  if (!entry->weight.same) entry->weight_layout = number_of(entry->weight.wanted, c.transposed);
  return entry;
}

bool slow(const std::string& implementation) {
  return implementation.find("ref") != std::string::npos ||
         implementation.find("gemm:jit") != std::string::npos;
}

} // namespace

std::shared_ptr<const ConvolutionEntry> make_convolution(int device, Direction direction,
                                                         const Convolution& call) {
  const dnnl::engine& engine = engine_of(device);
  auto made = [&](bool keep, std::string& implementation) {
    return call.transposed
               ? make<DeconvolutionKind>(engine, direction, call, keep, implementation)
               : make<ConvolutionKind>(engine, direction, call, keep, implementation);
  };
  // Accumulation into dst needs dst in place, and what is added has the layout of dst.
  const bool keep = channels_last(call.src) || channels_last(call.dst) ||
                    (limits(device).is_cpu && call.src.type == DType::F32) ||
                    call.epilogue.keep != 0 || call.epilogue.add != nullptr;
  std::string implementation;
  if (keep) {
    auto entry = made(true, implementation);
    if (!slow(implementation) || call.epilogue.keep != 0) return entry;
  }
  std::string other;
  auto entry = made(false, other);
  // Reordering for loops that are no better buys nothing.
  return keep && slow(other) ? made(true, implementation) : entry;
}

} // namespace xpu_lite::xpu::onednn
