#include "backend/xpu/onednn/matmul.h"

#include "backend/runtime/error.h"
#include "backend/xpu/onednn/attributes.h"
#include "backend/xpu/onednn/context.h"
#include "backend/xpu/onednn/primitive_cache.h"

namespace xpu_lite::xpu::onednn {

namespace {

struct Entry {
  dnnl::matmul primitive;
  dnnl::memory::desc a, b, out, bias, scratch;
  size_t scratch_bytes = 0;
};

std::shared_ptr<const Entry> make(int device, const char* op, const Matmul& call) {
  try {
    auto entry = std::make_shared<Entry>();
    entry->a = describe(call.a), entry->b = describe(call.b), entry->out = describe(call.out);
    const dnnl::primitive_attr attr = attributes(call.epilogue);
    const dnnl::engine& engine = engine_of(device);
    if (call.bias != nullptr) entry->bias = describe(*call.bias);
    const auto made =
        call.bias == nullptr
            ? dnnl::matmul::primitive_desc(engine, entry->a, entry->b, entry->out, attr)
            : dnnl::matmul::primitive_desc(engine, entry->a, entry->b, entry->bias, entry->out,
                                           attr);
    entry->primitive = dnnl::matmul(made);
    entry->scratch = made.scratchpad_desc();
    entry->scratch_bytes = entry->scratch.get_size();
    return entry;
  } catch (const dnnl::error& error) {
    rethrow(op, error, message(to_string(call.a), " x ", to_string(call.b), " -> ",
                               to_string(call.out)));
  }
}

Key key_of(int device, const Matmul& call) {
  Key key;
  key.add(static_cast<int64_t>(device));
  key.add(call.a), key.add(call.b), key.add(call.out);
  key.add(call.bias == nullptr ? View() : *call.bias);
  key.add(call.epilogue);
  return key;
}

} // namespace

void run_matmul(Stream& stream, const char* op, const Matmul& call) {
  static auto* cache = new PrimitiveCache<Entry>;
  const int device = stream.device();
  const std::shared_ptr<const Entry> entry =
      cache->get(key_of(device, call), [&] { return make(device, op, call); });
  const Temporary scratch(stream, entry->scratch_bytes);
  try {
    Arguments arguments(engine_of(device));
    arguments.add(DNNL_ARG_SRC, entry->a, call.a.data);
    arguments.add(DNNL_ARG_WEIGHTS, entry->b, call.b.data);
    arguments.add(DNNL_ARG_DST, entry->out, call.out.data);
    if (call.bias != nullptr) arguments.add(DNNL_ARG_BIAS, entry->bias, call.bias->data);
    arguments.add(DNNL_ARG_SCRATCHPAD, entry->scratch, scratch.data());
    add_epilogue(arguments, call.epilogue);
    arguments.execute(entry->primitive, stream);
  } catch (const dnnl::error& error) {
    rethrow(op, error, message(to_string(call.a), " x ", to_string(call.b)));
  }
}

bool can_multiply(int device, DType type) {
  try {
    const dnnl::memory::desc square({16, 16}, data_type(type), dnnl::memory::dims{16, 1});
    dnnl::matmul::primitive_desc(engine_of(device), square, square, square);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

} // namespace xpu_lite::xpu::onednn
