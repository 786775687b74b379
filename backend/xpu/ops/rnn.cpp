#include "backend/xpu/ops/rnn.h"

#include <algorithm>
#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

namespace {

// One work-item for each unit of each row: the kernels do not loop.
template <class Args>
void submit(Stream& stream, const char* name, DType type, const Args& args) {
  const size_t items = static_cast<size_t>(args.batch * args.hidden);
  const size_t width = std::min<size_t>(128, limits(stream.device()).max_group_size);
  launch(stream, std::string(name) + suffix(type), {(items + width - 1) / width, width}, args);
}

} // namespace

void lstm_forward(Stream& stream, DType type, const CellArgs& args) {
  submit(stream, "lstm_forward_", type, args);
}
void lstm_backward(Stream& stream, DType type, const LstmGradArgs& args) {
  submit(stream, "lstm_backward_", type, args);
}
void gru_forward(Stream& stream, DType type, const CellArgs& args) {
  submit(stream, "gru_forward_", type, args);
}
void gru_backward(Stream& stream, DType type, const GruGradArgs& args) {
  submit(stream, "gru_backward_", type, args);
}

} // namespace xpu_lite::xpu
