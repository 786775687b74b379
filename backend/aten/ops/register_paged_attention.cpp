// Names carry their namespace: see register_fused_linear.cpp.

#include "backend/aten/core/install.h"
#include "backend/aten/ops/paged_attention.h"

namespace xpu_lite::aten {
namespace {

TORCH_LIBRARY_FRAGMENT(xpu_lite, m) {
  m.def("xpu_lite::paged_attention(Tensor query, Tensor key_cache, Tensor value_cache, "
        "Tensor block_tables, Tensor context_lengths, *, float? scale=None, "
        "Tensor? bias=None) -> Tensor", {at::Tag::pt2_compliant_tag});
  m.def("xpu_lite::write_paged_cache_(Tensor(a!) key_cache, Tensor(b!) value_cache, "
        "Tensor key, Tensor value, Tensor slots) -> ()", {at::Tag::pt2_compliant_tag});
}

XPU_LITE_HOST_IMPL(xpu_lite, PrivateUse1, m) {
  m.impl("xpu_lite::paged_attention", TORCH_FN(paged_attention_host));
  m.impl("xpu_lite::write_paged_cache_", TORCH_FN(write_paged_cache_host));
}

TORCH_LIBRARY_IMPL(xpu_lite, CompositeExplicitAutograd, m) {
  m.impl("xpu_lite::paged_attention", TORCH_FN(paged_attention_composed));
  m.impl("xpu_lite::write_paged_cache_", TORCH_FN(write_paged_cache_composed));
}

TORCH_LIBRARY_IMPL(xpu_lite, Meta, m) {
  m.impl("xpu_lite::paged_attention", TORCH_FN(paged_attention_meta));
  m.impl("xpu_lite::write_paged_cache_", TORCH_FN(write_paged_cache_meta));
}

} // namespace
} // namespace xpu_lite::aten
