#include "backend/xpu/ops/foreach.h"

#include <string>

#include "backend/xpu/device_pointer.h"
#include "backend/xpu/ops/multi_tensor.h"

namespace xpu_lite::xpu {

namespace {

const char* name_of(cpu::ElementwiseOp op) {
  static constexpr const char* names[] = {
      "add",        "sub",        "mul",        "div",            "maximum",
      "minimum",    "pow",        "add_scalar", "sub_scalar",     "mul_scalar",
      "div_scalar", "maximum_scalar", "minimum_scalar", "pow_scalar", "scalar_pow",
      "addcmul",    "addcdiv",    "lerp",       "lerp_scalar",    "abs",
      "neg",        "relu",       "sign",       "sqrt",           "rsqrt",
      "reciprocal", "ceil",       "floor",      "round",          "trunc",
      "frac"};
  static_assert(std::size(names) == static_cast<size_t>(cpu::ElementwiseOp::Count));
  return names[static_cast<int>(op)];
}

template <class Real>
const ForeachTensor<Real>* write_tensors(Table& table, const std::vector<ForeachItem>& items) {
  auto* tensors = table.take<ForeachTensor<Real>>(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    const ForeachItem& item = items[i];
    tensors[i] = {device_pointer(item.out), device_pointer(item.a), device_pointer(item.b),
                  device_pointer(item.c),   item.n,                 static_cast<Real>(item.s)};
  }
  return tensors;
}

template <class Real>
size_t table_bytes(size_t tensors, size_t chunks) {
  return tensors * sizeof(ForeachTensor<Real>) + chunks * sizeof(TensorChunk) +
         (tensors + 1) * sizeof(uint32_t) + 64;
}

// body(table, chunks): with room for tensors and chunks, unless all are empty.
template <class Real, class Body>
void with_table(Stream& stream, const std::vector<ForeachItem>& items, const Body& body) {
  const size_t chunks = chunk_count(items);
  if (chunks == 0) return;
  Table table(stream, table_bytes<Real>(items.size(), chunks));
  body(table, chunks);
}

const char* size_suffix(size_t size) {
  return size == 1 ? "u8" : size == 2 ? "u16" : size == 4 ? "u32" : "u64";
}

void move(Stream& stream, const char* what, size_t size, const std::vector<ForeachItem>& items) {
  with_table<float>(stream, items, [&](Table& table, size_t chunks) {
    const auto* tensors = write_tensors<float>(table, items);
    launch(stream, std::string(what) + size_suffix(size), chunk_grid(stream.device(), chunks),
           ForeachMoveArgs{tensors, write_chunks(table, items, chunks)});
  });
}

template <class Real>
void apply_as(Stream& stream, const std::string& name, const std::vector<ForeachItem>& items,
              const void* late, double factor) {
  with_table<Real>(stream, items, [&](Table& table, size_t chunks) {
    const auto* tensors = write_tensors<Real>(table, items);
    launch(stream, name, chunk_grid(stream.device(), chunks),
           ForeachArgs<Real>{tensors, write_chunks(table, items, chunks), device_pointer(late),
                             static_cast<Real>(factor)});
  });
}

template <class Real>
void reduce_as(Stream& stream, const std::string& name, DType type,
               const std::vector<ForeachItem>& items, void* scratch) {
  const size_t chunks = chunk_count(items);
  Table table(stream, table_bytes<Real>(items.size(), chunks));
  const auto* tensors = write_tensors<Real>(table, items);
  const TensorChunk* list = write_chunks(table, items, chunks);
  auto* first = table.take<uint32_t>(items.size() + 1);
  first[0] = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    first[i + 1] = first[i] + static_cast<uint32_t>(chunks_of(items[i].n));
  }
  const ForeachReduceArgs<Real> args{tensors, list, first,
                                     device_pointer(static_cast<Real*>(scratch))};
  Grid grid = chunk_grid(stream.device(), chunks);
  grid.group_size = std::min<size_t>(grid.group_size, kReduceLanes);
  if (chunks > 0) launch(stream, name + "_" + suffix(type), grid, args);
  launch(stream, name + "_finish_" + suffix(type), {items.size(), 1}, args);
}

} // namespace

void foreach_apply(Stream& stream, cpu::ElementwiseOp op, DType type,
                   const std::vector<ForeachItem>& items, const void* late, double factor) {
  const std::string name = std::string("foreach_") + name_of(op) + "_" + suffix(type);
  type == DType::F64 ? apply_as<double>(stream, name, items, late, factor)
                     : apply_as<float>(stream, name, items, late, factor);
}

void foreach_zero(Stream& stream, size_t size, const std::vector<ForeachItem>& items) {
  move(stream, "foreach_zero_", size, items);
}

void foreach_copy(Stream& stream, size_t size, const std::vector<ForeachItem>& items) {
  move(stream, "foreach_copy_", size, items);
}

size_t foreach_reduce_bytes(DType type, const std::vector<ForeachItem>& items) {
  return chunk_count(items) * (type == DType::F64 ? sizeof(double) : sizeof(float));
}

void foreach_reduce(Stream& stream, ForeachReduce op, DType type,
                    const std::vector<ForeachItem>& items, void* scratch) {
  static constexpr const char* names[] = {"sum_abs", "sum_squares", "max", "abs_max"};
  const std::string name = std::string("foreach_") + names[static_cast<int>(op)];
  type == DType::F64 ? reduce_as<double>(stream, name, type, items, scratch)
                     : reduce_as<float>(stream, name, type, items, scratch);
}

void amp_unscale(Stream& stream, DType type, const std::vector<ForeachItem>& items,
                 const float* inv_scale, float* found_inf) {
  with_table<float>(stream, items, [&](Table& table, size_t chunks) {
    const auto* tensors = write_tensors<float>(table, items);
    launch(stream, std::string("amp_unscale_") + suffix(type),
           chunk_grid(stream.device(), chunks),
           UnscaleArgs{tensors, write_chunks(table, items, chunks), device_pointer(inv_scale),
                       device_pointer(found_inf)});
  });
}

void amp_update_scale(Stream& stream, float* scale, int32_t* growth_tracker,
                      const float* found_inf, double growth, double backoff,
                      int64_t interval) {
  launch(stream, "amp_update_scale", {1, 1},
         UpdateScaleArgs{device_pointer(scale), device_pointer(growth_tracker),
                         device_pointer(found_inf), static_cast<float>(growth),
                         static_cast<float>(backoff), static_cast<int32_t>(interval)});
}

} // namespace xpu_lite::xpu
