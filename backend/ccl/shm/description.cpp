// Comparing and printing descriptions of calls.

#include "backend/ccl/shm/description.h"

#include <cstring>

namespace xpu_lite::ccl::shm {
namespace {

bool reduces(Collective kind) {
  return kind == Collective::AllReduce || kind == Collective::Reduce ||
         kind == Collective::ReduceScatter;
}

bool has_root(Collective kind) {
  return kind == Collective::Reduce || kind == Collective::Broadcast ||
         kind == Collective::Gather || kind == Collective::Scatter;
}

} // namespace

bool same_call(const Description& a, const Description& b) noexcept {
  return std::memcmp(&a, &b, offsetof(Description, bytes)) == 0; // no padding before it
}

std::string text_of(const Description& d) {
  std::string text = message(name_of(d.kind), " #", d.sequence);
  if (d.kind == Collective::Barrier) return text;
  text += " (";
  // Opaque: a step of a call over several hosts that moves what others reduced.
  if (reduces(d.kind) && d.type != DataType::Opaque)
    text += message(name_of(d.reduction), " of ", name_of(d.type), ", ");
  if (d.reduction == ReduceKind::PreMulSum) text += message("factor ", d.factor, ", ");
  text += message(d.bytes, " bytes");
  if (has_root(d.kind)) text += message(", root ", d.detail);
  if (d.checking) text += ", checked on all ranks";
  return text + ")";
}

} // namespace xpu_lite::ccl::shm
