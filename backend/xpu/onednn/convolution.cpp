#include "backend/xpu/onednn/convolution.h"

#include "backend/runtime/error.h"
#include "backend/xpu/onednn/attributes.h"
#include "backend/xpu/onednn/convolution_primitive.h"
#include "backend/xpu/onednn/primitive_cache.h"

namespace xpu_lite::xpu::onednn {

namespace {

Key key_of(int device, Direction direction, const Convolution& c) {
  Key key;
  key.add(static_cast<int64_t>(device) * 8 + static_cast<int64_t>(direction) * 2 + c.transposed);
  key.add(c.groups * 4 + c.spatial);
  key.add(c.src), key.add(c.weight), key.add(c.dst);
  for (int i = 0; i < c.spatial; ++i) {
    key.add(c.stride[i]), key.add(c.padding[i]), key.add(c.dilation[i]);
  }
  key.add(static_cast<int64_t>(c.bias.data != nullptr));
  if (direction == Direction::Forward) key.add(c.epilogue);
  return key;
}

std::string describe_call(const Convolution& c) {
  std::string text = message("input ", to_string(c.src), ", weight ", to_string(c.weight),
                             ", output ", to_string(c.dst), ", groups ", c.groups);
  auto list = [&](const char* name, const int64_t* values) {
    text += message(", ", name, " [");
    for (int i = 0; i < c.spatial; ++i) text += message(i == 0 ? "" : ", ", values[i]);
    text += "]";
  };
  list("stride", c.stride), list("padding", c.padding), list("dilation", c.dilation);
  return text + (c.transposed ? ", transposed" : "");
}

// An operand in the layout that the primitive wants; `kept`: it is there already.
class InLayout {
 public:
  InLayout(Stream& stream, const Operand& operand, void* data, bool written,
           const void* kept = nullptr)
      : stream_(stream),
        operand_(operand),
        data_(kept == nullptr ? data : const_cast<void*>(kept)),
        written_(written),
        same_(operand.same || kept != nullptr),
        temporary_(stream, same_ ? 0 : operand.bytes) {
    if (!same_ && !written) reorder(stream, operand, data, temporary_.data(), false);
  }
  void* data() const { return same_ ? data_ : temporary_.data(); }
  // After the primitive has written it.
  void store() {
    if (!same_ && written_) reorder(stream_, operand_, temporary_.data(), data_, true);
  }

 private:
  Stream& stream_;
  const Operand& operand_;
  void* const data_;
  const bool written_, same_;
  const Temporary temporary_;
};

std::shared_ptr<const void> kept_form(Stream& stream, const Convolution& c,
                                      const ConvolutionEntry& entry) {
  if (c.forms == nullptr || entry.weight.same) return nullptr;
  return c.forms->find(entry.weight_layout, entry.weight.bytes,
                       [&] { return reordered(stream, entry.weight, c.weight.data); });
}

void execute(Stream& stream, Direction direction, const Convolution& c,
             const ConvolutionEntry& entry) {
  const bool forward = direction == Direction::Forward;
  const bool data = direction == Direction::BackwardData;
  const bool weights = direction == Direction::BackwardWeights;
  InLayout src(stream, entry.src, c.src.data, data);
  const auto kept = weights ? nullptr : kept_form(stream, c, entry);
  InLayout weight(stream, entry.weight, c.weight.data, weights, kept.get());
  InLayout dst(stream, entry.dst, c.dst.data, forward);
  const Temporary scratch(stream, entry.scratch_bytes);

  Arguments arguments(engine_of(stream.device()));
  arguments.add(data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, entry.src.wanted, src.data());
  arguments.add(weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, entry.weight.wanted,
                weight.data());
  arguments.add(forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, entry.dst.wanted, dst.data());
  if (!data && c.bias.data != nullptr) {
    arguments.add(weights ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS, entry.bias, c.bias.data);
  }
  arguments.add(DNNL_ARG_SCRATCHPAD, entry.scratch, scratch.data());
  if (forward) add_epilogue(arguments, c.epilogue);
  arguments.execute(entry.primitive, stream);
  src.store(), weight.store(), dst.store();
}

} // namespace

void run_convolution(Stream& stream, const char* op, Direction direction,
                     const Convolution& call) {
  static auto* cache = new PrimitiveCache<ConvolutionEntry>;
  const int device = stream.device();
  try {
    const auto entry = cache->get(key_of(device, direction, call),
                                  [&] { return make_convolution(device, direction, call); });
    execute(stream, direction, call, *entry);
  } catch (const dnnl::error& error) {
    rethrow(op, error, describe_call(call));
  }
}

bool can_convolve(int device, DType type) {
  try {
    const auto t = data_type(type);
    using dnnl::memory;
    const auto any = memory::format_tag::any;
    dnnl::convolution_forward::primitive_desc(
        engine_of(device), dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct,
        memory::desc({1, 16, 8, 8}, t, any), memory::desc({16, 16, 3, 3}, t, any),
        memory::desc({1, 16, 8, 8}, t, any), {1, 1}, {1, 1}, {1, 1});
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

} // namespace xpu_lite::xpu::onednn
