// Stateless random numbers: torch.func._random. A key says everything, so keys are
// read when the work runs and nothing is taken from a generator.

#include <algorithm>

#include <ATen/ExpandUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/ops/engine_kernels.h"
#include "backend/aten/ops/random.h"
#include "backend/aten/ops/random_type.h"
#include "backend/cpu/kernels/philox.h"
#include "backend/cpu/kernels/random_fill.h"

namespace xpu_lite::aten {

using cpu::PhiloxStream;
using cpu::RandomType;

namespace {

void check_key(const char* name, const at::Tensor& key) {
  TORCH_CHECK(key.dim() >= 1 && key.size(-1) == 2, name,
              ": key must have shape (2,) or (*batch, 2), got shape ", key.sizes());
  TORCH_CHECK(key.scalar_type() == at::kUInt64, name, ": key must have dtype uint64, got ",
              key.scalar_type());
}

void derive(const uint64_t* key, uint64_t data, uint64_t* derived) {
  uint32_t words[4];
  cpu::philox_block(PhiloxStream::of_key(key[0], key[1]), data, words);
  derived[0] = words[0] | uint64_t{words[1]} << 32;
  derived[1] = words[2] | uint64_t{words[3]} << 32;
}

// Each key fills its part of `self`: the dimensions where the batch of keys is 1
// at the end.
void fill_by_key(const char* name, at::Tensor& self, const at::Tensor& key, const Draw& draw) {
  TORCH_CHECK(self.is_floating_point(), name, ": self must be a floating point tensor, got ",
              self.scalar_type());
  check_key(name, key);
  TORCH_CHECK(self.device() == key.device(), name,
              ": self and key must be on the same device, got ", self.device(), " and ",
              key.device());
  const std::optional<RandomType> type = random_type(self.scalar_type());
  TORCH_CHECK_NOT_IMPLEMENTED(type.has_value(), '"', name, "\" not implemented for '",
                              self.scalar_type(), "'");
  int64_t keys = 1;
  at::Tensor flat = key;
  if (key.dim() > 1) {
    TORCH_CHECK(key.dim() == self.dim() + 1, name,
                ": batched key must have ndim == output ndim + 1, got key shape ", key.sizes(),
                " with output shape ", self.sizes());
    TORCH_CHECK(at::is_expandable_to(key.sizes().slice(0, self.dim()), self.sizes()), name,
                ": key batch shape ", key.sizes().slice(0, self.dim()),
                " is not broadcastable with output shape ", self.sizes());
    std::vector<int64_t> batch = self.sizes().vec();
    for (int64_t d = self.dim() - 1; d >= 0 && key.size(d) == 1; --d) batch[d] = 1;
    for (int64_t size : batch) keys *= size;
    batch.push_back(2);
    flat = key.expand(batch);
  }
  if (self.numel() == 0) return;
  flat = flat.contiguous();
  const at::Tensor memory =
      self.is_contiguous() ? self : at::empty(self.sizes(), self.options());
  if (random_kernels) {
    random_kernels->fill_by_key(name, memory, flat.reshape({keys, 2}), draw);
    if (!memory.is_same(self)) self.copy_(memory);
    return;
  }
  const auto* key_data = static_cast<const uint64_t*>(flat.const_data_ptr());
  auto* out = static_cast<uint8_t*>(memory.mutable_data_ptr());
  const int64_t each = self.numel() / keys, bytes = each * self.element_size();
  launch(name, {memory, flat}, [=, type = *type] {
    for (int64_t k = 0; k < keys; ++k) {
      const auto kernel = draw.kind == Draw::Uniform ? cpu::random_uniform : cpu::random_normal;
      kernel(out + k * bytes, type, each,
             PhiloxStream::of_key(key_data[2 * k], key_data[2 * k + 1]), draw.a, draw.b);
    }
  });
  if (!memory.is_same(self)) self.copy_(memory);
}

} // namespace

at::Tensor philox_key_split(const at::Tensor& key, int64_t num_splits) {
  check_key("_philox_key_split", key);
  TORCH_CHECK(num_splits > 0, "_philox_key_split: num_splits must be positive, got ", num_splits);
  std::vector<int64_t> sizes = key.sizes().vec();
  sizes.insert(sizes.begin(), num_splits);
  const at::Tensor result = at::empty(sizes, key.options());
  const int64_t keys = key.numel() / 2;
  if (keys == 0) return result;
  const at::Tensor input = key.contiguous();
  if (random_kernels) {
    random_kernels->derive_keys("_philox_key_split", result, input, num_splits, 0);
    return result;
  }
  const auto* from = static_cast<const uint64_t*>(input.const_data_ptr());
  auto* to = static_cast<uint64_t*>(result.mutable_data_ptr());
  launch("_philox_key_split", {result, input}, [=] {
    for (int64_t s = 0; s < num_splits; ++s) {
      for (int64_t k = 0; k < keys; ++k) derive(from + 2 * k, s, to + 2 * (s * keys + k));
    }
  });
  return result;
}

at::Tensor philox_key_fold_in(const at::Tensor& key, int64_t data) {
  check_key("_philox_key_fold_in", key);
  const at::Tensor result = at::empty(key.sizes(), key.options());
  const int64_t keys = key.numel() / 2;
  if (keys == 0) return result;
  const at::Tensor input = key.contiguous();
  if (random_kernels) {
    random_kernels->derive_keys("_philox_key_fold_in", result, input, 1,
                                static_cast<uint64_t>(data));
    return result;
  }
  const auto* from = static_cast<const uint64_t*>(input.const_data_ptr());
  auto* to = static_cast<uint64_t*>(result.mutable_data_ptr());
  launch("_philox_key_fold_in", {result, input}, [=] {
    for (int64_t k = 0; k < keys; ++k) {
      derive(from + 2 * k, static_cast<uint64_t>(data), to + 2 * k);
    }
  });
  return result;
}

at::Tensor& philox_uniform_(at::Tensor& self, const at::Tensor& key, double low, double high) {
  fill_by_key("_philox_uniform_", self, key, {Draw::Uniform, low, high});
  return self;
}

at::Tensor& philox_normal_(at::Tensor& self, const at::Tensor& key, double mean, double std) {
  fill_by_key("_philox_normal_", self, key, {Draw::Normal, mean, std});
  return self;
}

at::Tensor& fill_dropout_numbers_(at::Tensor& self, double dropout_p, int64_t seed,
                                  int64_t offset) {
  TORCH_CHECK(self.is_contiguous() && self.dim() >= 1,
              "_fill_mem_eff_dropout_mask_: self must be contiguous with at least one dimension");
  TORCH_CHECK(self.scalar_type() == at::kFloat,
              "_fill_mem_eff_dropout_mask_: self must be float, got ", self.scalar_type());
  TORCH_CHECK(offset >= 0 && offset % 4 == 0,
              "_fill_mem_eff_dropout_mask_: offset must be a multiple of 4, got ", offset);
  if (self.numel() == 0) return self;
  const int64_t width = self.size(-1), rows = self.numel() / width;
  auto* out = static_cast<float*>(self.mutable_data_ptr());
  const PhiloxStream stream = PhiloxStream::of_generator(static_cast<uint64_t>(seed),
                                                         static_cast<uint64_t>(offset));
  if (random_kernels) {
    random_kernels->dropout_numbers("_fill_mem_eff_dropout_mask_", self, stream);
    return self;
  }
  launch("_fill_mem_eff_dropout_mask_", {self}, [=] {
    const int64_t groups = (width + 3) / 4; // a row starts a new block
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t j = 0; j < width; j += 4) {
        uint32_t words[4];
        cpu::philox_block(stream, static_cast<uint64_t>(r * groups + j / 4), words);
        for (int64_t k = j; k < std::min(j + 4, width); ++k) {
          out[r * width + k] = static_cast<float>(1.0 - (words[k - j] + 0.5) * 0x1p-32);
        }
      }
    }
  });
  return self;
}

} // namespace xpu_lite::aten
