#pragma once

// Operators that fill tensors with random numbers. Arguments, results and errors
// are those of torch's CPU operators; the numbers are those of Note [Philox layout].

#include <optional>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

using OptionalGenerator = std::optional<at::Generator>;

at::Tensor& uniform_(at::Tensor& self, double from, double to, OptionalGenerator generator);
at::Tensor& normal_(at::Tensor& self, double mean, double std, OptionalGenerator generator);
at::Tensor& log_normal_(at::Tensor& self, double mean, double std, OptionalGenerator generator);
at::Tensor& exponential_(at::Tensor& self, double lambda, OptionalGenerator generator);
at::Tensor& cauchy_(at::Tensor& self, double median, double sigma, OptionalGenerator generator);
at::Tensor& geometric_(at::Tensor& self, double p, OptionalGenerator generator);

at::Tensor& random_(at::Tensor& self, OptionalGenerator generator);
at::Tensor& random_to_(at::Tensor& self, int64_t to, OptionalGenerator generator);
at::Tensor& random_from_to_(at::Tensor& self, int64_t from, std::optional<int64_t> to,
                            OptionalGenerator generator);

at::Tensor& bernoulli_p_(at::Tensor& self, double p, OptionalGenerator generator);
at::Tensor& bernoulli_tensor_(at::Tensor& self, const at::Tensor& p, OptionalGenerator generator);
at::Tensor& bernoulli_out(const at::Tensor& self, OptionalGenerator generator, at::Tensor& out);

at::Tensor normal_tensor_float(const at::Tensor& mean, double std, OptionalGenerator generator);
at::Tensor normal_float_tensor(double mean, const at::Tensor& std, OptionalGenerator generator);
at::Tensor normal_tensor_tensor(const at::Tensor& mean, const at::Tensor& std,
                                OptionalGenerator generator);
at::Tensor& normal_tensor_float_out(const at::Tensor& mean, double std,
                                    OptionalGenerator generator, at::Tensor& out);
at::Tensor& normal_float_tensor_out(double mean, const at::Tensor& std,
                                    OptionalGenerator generator, at::Tensor& out);
at::Tensor& normal_tensor_tensor_out(const at::Tensor& mean, const at::Tensor& std,
                                     OptionalGenerator generator, at::Tensor& out);

// Stateless: the numbers of a key (seed, offset) of shape (2,) or (*batch, 2), uint64.
at::Tensor philox_key_split(const at::Tensor& key, int64_t num_splits);
at::Tensor philox_key_fold_in(const at::Tensor& key, int64_t data);
at::Tensor& philox_uniform_(at::Tensor& self, const at::Tensor& key, double low, double high);
at::Tensor& philox_normal_(at::Tensor& self, const at::Tensor& key, double mean, double std);
// For float scores (batch, heads, queries, keys): fused attention's dropout with
// (seed, offset) keeps a weight where this number exceeds dropout_p.
at::Tensor& fill_dropout_numbers_(at::Tensor& self, double dropout_p, int64_t seed,
                                  int64_t offset);

} // namespace xpu_lite::aten
