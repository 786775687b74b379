#pragma once

// An Epilogue as oneDNN says it: post-operations of a primitive.

#include "backend/xpu/onednn/context.h"

namespace xpu_lite::xpu::onednn {

// Attributes with the epilogue and scratch memory that we give.
dnnl::primitive_attr attributes(const Epilogue& epilogue);

// The argument that the epilogue needs, if it does.
void add_epilogue(Arguments& arguments, const Epilogue& epilogue);

} // namespace xpu_lite::xpu::onednn
