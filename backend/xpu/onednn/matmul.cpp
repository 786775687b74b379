#include "backend/xpu/onednn/matmul.h"

#include <atomic>
#include <mutex>

#include "backend/runtime/error.h"
#include "backend/xpu/onednn/attributes.h"
#include "backend/xpu/onednn/operand.h"
#include "backend/xpu/onednn/primitive_cache.h"

namespace xpu_lite::xpu::onednn {

namespace {

struct Variant {
  dnnl::matmul primitive;
  dnnl::memory::desc scratch;
  size_t scratch_bytes = 0;
  Operand b;
};

// One shape of product. `packed` reads b in a layout of oneDNN's choice and is made when the
// shape comes back: making it takes as long as hundreds of small products.
struct Entry {
  dnnl::memory::desc a, out, bias;
  Variant plain;
  mutable std::atomic<bool> seen{false};
  mutable std::once_flag once;
  mutable Variant packed;
  mutable int64_t layout = -1; // of the packed b; -1: the plain one is what oneDNN wants
};

Variant make_variant(int device, const Entry& entry, const Matmul& call, bool packed) {
  const dnnl::engine& engine = engine_of(device);
  const dnnl::primitive_attr attr = attributes(call.epilogue);
  Variant made;
  made.b.ours = describe(call.b);
  const dnnl::memory::desc b = packed ? free_layout(made.b.ours) : made.b.ours;
  const auto desc =
      call.bias == nullptr
          ? dnnl::matmul::primitive_desc(engine, entry.a, b, entry.out, attr)
          : dnnl::matmul::primitive_desc(engine, entry.a, b, entry.bias, entry.out, attr);
  made.primitive = dnnl::matmul(desc);
  made.scratch = desc.scratchpad_desc();
  made.scratch_bytes = made.scratch.get_size();
  finish(made.b, desc.weights_desc(), false, engine);
  return made;
}

std::shared_ptr<const Entry> make_matmul(int device, const char* op, const Matmul& call) {
  try {
    auto entry = std::make_shared<Entry>();
    entry->a = describe(call.a), entry->out = describe(call.out);
    if (call.bias != nullptr) entry->bias = describe(*call.bias);
    entry->plain = make_variant(device, *entry, call, false);
    return entry;
  } catch (const dnnl::error& error) {
    rethrow(op, error, message(to_string(call.a), " x ", to_string(call.b), " -> ",
                               to_string(call.out)));
  }
}

// b in the packed layout, if it is kept; null: the plain primitive reads it where it is.
std::shared_ptr<const void> kept_operand(Stream& stream, const Entry& entry,
                                         const Matmul& call) {
  if (call.forms == nullptr || !entry.seen.exchange(true, std::memory_order_relaxed)) {
    return nullptr;
  }
  std::call_once(entry.once, [&] {
    try {
      entry.packed = make_variant(stream.device(), entry, call, true);
    } catch (const dnnl::error&) {
      return; // no such primitive: plain serves
    }
    if (!entry.packed.b.same) entry.layout = number_of(entry.packed.b.wanted, false);
  });
  if (entry.layout < 0) return nullptr;
  return call.forms->find(entry.layout, entry.packed.b.bytes,
                          [&] { return reordered(stream, entry.packed.b, call.b.data); });
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
      cache->get(key_of(device, call), [&] { return make_matmul(device, op, call); });
  try {
    const auto kept = kept_operand(stream, *entry, call);
    const Variant& variant = kept ? entry->packed : entry->plain;
    const Temporary scratch(stream, variant.scratch_bytes);
    Arguments arguments(engine_of(device));
    arguments.add(DNNL_ARG_SRC, entry->a, call.a.data);
    arguments.add(DNNL_ARG_WEIGHTS, variant.b.wanted,
                  kept ? const_cast<void*>(kept.get()) : call.b.data);
    arguments.add(DNNL_ARG_DST, entry->out, call.out.data);
    if (call.bias != nullptr) arguments.add(DNNL_ARG_BIAS, entry->bias, call.bias->data);
    arguments.add(DNNL_ARG_SCRATCHPAD, variant.scratch, scratch.data());
    add_epilogue(arguments, call.epilogue);
    arguments.execute(variant.primitive, stream);
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
