#include "backend/xpu/onednn/attributes.h"

namespace xpu_lite::xpu::onednn {

namespace {

// Where in the list of post-operations the added tensor is: after the scale.
int place_of_add(const Epilogue& epilogue) { return epilogue.scale != 1 ? 1 : 0; }

void append(dnnl::post_ops& ops, Activation activation) {
  using A = dnnl::algorithm;
  switch (activation) {
    case Activation::None: return;
    case Activation::Relu: return ops.append_eltwise(A::eltwise_relu, 0.f, 0.f);
    case Activation::Gelu: return ops.append_eltwise(A::eltwise_gelu_erf, 0.f, 0.f);
    case Activation::GeluTanh: return ops.append_eltwise(A::eltwise_gelu_tanh, 0.f, 0.f);
    case Activation::Sigmoid: return ops.append_eltwise(A::eltwise_logistic, 0.f, 0.f);
    case Activation::Tanh: return ops.append_eltwise(A::eltwise_tanh, 0.f, 0.f);
    case Activation::Silu: return ops.append_eltwise(A::eltwise_swish, 1.f, 0.f);
  }
}

} // namespace

dnnl::primitive_attr attributes(const Epilogue& epilogue) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops ops;
  if (epilogue.scale != 1) {
    ops.append_eltwise(dnnl::algorithm::eltwise_linear, epilogue.scale, 0.f);
  }
  if (epilogue.add != nullptr) {
    ops.append_binary(dnnl::algorithm::binary_add, describe(*epilogue.add));
  }
  if (epilogue.keep != 0) ops.append_sum(epilogue.keep);
  append(ops, epilogue.activation);
  if (ops.len() > 0) attr.set_post_ops(ops);
  return attr;
}

void add_epilogue(Arguments& arguments, const Epilogue& epilogue) {
  if (epilogue.add == nullptr) return;
  arguments.add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(place_of_add(epilogue)) | DNNL_ARG_SRC_1,
                describe(*epilogue.add), epilogue.add->data);
}

} // namespace xpu_lite::xpu::onednn
