#include "backend/xpu/onednn/operand.h"

#include <map>
#include <mutex>
#include <vector>

namespace xpu_lite::xpu::onednn {

using dnnl::memory;

memory::desc free_layout(const memory::desc& desc) {
  return memory::desc(desc.get_dims(), desc.get_data_type(), memory::format_tag::any);
}

void finish(Operand& operand, const memory::desc& wanted, bool written,
            const dnnl::engine& engine) {
  operand.wanted = wanted;
  operand.same = wanted == operand.ours;
  operand.bytes = wanted.get_size();
  if (operand.same) return;
  const memory::desc& from = written ? wanted : operand.ours;
  const memory::desc& to = written ? operand.ours : wanted;
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::reorder::primitive_desc made(engine, from, engine, to, attr);
  if (made.scratchpad_desc().get_size() != 0) {
    operand.reorder = dnnl::reorder(dnnl::reorder::primitive_desc(engine, from, engine, to));
  } else {
    operand.reorder = dnnl::reorder(made);
  }
}

void reorder(Stream& stream, const Operand& operand, void* from, void* to, bool written) {
  Arguments arguments(engine_of(stream.device()));
  arguments.add(DNNL_ARG_FROM, written ? operand.wanted : operand.ours, from);
  arguments.add(DNNL_ARG_TO, written ? operand.ours : operand.wanted, to);
  arguments.execute(operand.reorder, stream);
}

std::shared_ptr<const void> reordered(Stream& stream, const Operand& weight, void* data) {
  const Allocation memory = allocate(stream.device(), weight.bytes, stream);
  std::shared_ptr<const void> form(memory.data,
                                   [context = memory.context](const void*) { release(context); });
  reorder(stream, weight, data, memory.data, false);
  return form;
}

int64_t number_of(memory::desc layout, bool transposed) {
  static auto* mutex = new std::mutex;
  static auto* numbers = new std::map<std::pair<std::vector<uint8_t>, bool>, int64_t>;
  std::lock_guard<std::mutex> lock(*mutex);
  return numbers->emplace(std::pair(layout.get_blob(), transposed), numbers->size()).first->second;
}

} // namespace xpu_lite::xpu::onednn
