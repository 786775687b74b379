#include "backend/aten/ops/engine_kernels.h"

namespace xpu_lite::aten {

const RandomKernels* random_kernels = nullptr;
const ListKernels* list_kernels = nullptr;

} // namespace xpu_lite::aten
