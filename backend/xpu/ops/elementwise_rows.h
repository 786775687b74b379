#pragma once

// The launch of a kernel that computes rows: what it can take, and its grid.

#include "backend/xpu/ops/elementwise.h"

namespace xpu_lite::xpu {

// Contiguous in the innermost dimension, or (an input) not moving in it.
bool is_row(int dims, const EwOperand& operand, bool output);

// So many and so short that work-items would idle.
bool short_rows(int dims, const int64_t* size);

// Every operand is_row() and has the type that the kernel takes.
void run_rows(Stream& stream, std::string_view kernel, const Elementwise& call);

} // namespace xpu_lite::xpu
