#pragma once

// The forward pass: one task is a block of rows, queries of the heads that share one head
// of keys, against the keys that they see, block by block.

#include <omp.h>

#include "backend/cpu/attention/levels/block.h"

namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL {
namespace {

// Keys and values are packed once for a block of rows: longer ones, where no row's keys are
// skipped and there are blocks enough for all threads.
constexpr int64_t kLongRows = 2 * kRows;

template <class A>
struct ForwardParts {
  ForwardParts(const AttentionShape& s, int64_t rows, char* base) {
    Cutter cut{base};
    ldq = up(s.width, 32);
    panels = (s.value_width + kPanel - 1) / kPanel;
    q = cut.template cut<A>(rows * ldq);
    keys = cut.template cut<A>(kKeys / kPanel * Form<A>::panel(s.width));
    values = cut.template cut<A>(panels * Form<A>::panel(kKeys));
    weights = cut.template cut<A>(rows * kKeys);
    scores = cut.template cut<float>(rows * kKeys);
    out = cut.template cut<float>(rows * panels * kPanel);
    most = cut.template cut<float>(rows);
    sum = cut.template cut<float>(rows);
    bias = cut.template cut<float>(kKeys);
    factors = cut.template cut<float>(kKeys);
    bytes = cut.used;
  }
  int64_t ldq, panels, bytes;
  A *q, *keys, *values, *weights;
  float *scores, *out, *most, *sum, *bias, *factors;
};

// Rows of a task: queries [q0, q0 + queries) of each of `heads` heads from h0 on.
struct Rows {
  int64_t b, h0, heads, q0, queries;
  int64_t size() const { return heads * queries; }
  int64_t head(int64_t row) const { return h0 + row / queries; }
  int64_t query(int64_t row) const { return q0 + row % queries; }
};

template <class In, class A>
void forward_rows(const AttentionForward& p, const Rows& at_rows, const gemm::Kernels& kernels,
                  const ForwardParts<A>& t) {
  const AttentionShape& s = p.shape;
  const Dropout dropout(s);
  const int64_t rows = at_rows.size(), kv_head = at_rows.h0 / (s.heads / s.kv_heads);
  for (int64_t r = 0; r < rows; ++r) {
    read_row(at<const In>(p.query, at_rows.b, at_rows.head(r), at_rows.query(r)), p.query.column,
             s.width, t.q + r * t.ldq, t.ldq);
    t.most[r] = -kInfinity;
    t.sum[r] = 0;
  }
  for (int64_t i = 0; i < rows * t.panels * kPanel; ++i) t.out[i] = 0;
  // A factor can wait for the exponential where nothing is added before.
  const bool late = !p.bias.data && s.scale > 0;
  const float scale = static_cast<float>(s.scale);
  BiasRow<In> bias_row(t.bias);
  const int64_t last = s.causal ? smaller(s.keys, at_rows.q0 + at_rows.queries) : s.keys;
  for (int64_t k0 = 0; k0 < last; k0 += kKeys) {
    const int64_t columns = smaller(kKeys, last - k0);
    pack(at<const In>(p.key, at_rows.b, kv_head, k0), columns, s.width, p.key.row, p.key.column,
         t.keys);
    product(kernels, t.q, t.ldq, t.keys, (columns + kPanel - 1) / kPanel, s.width, t.scores, rows,
            false);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t b = at_rows.b, h = at_rows.head(r), query = at_rows.query(r);
      const int64_t seen = seen_keys(s, query, k0, columns);
      finish_scores(t.scores + r * kPanel, rows * kPanel, seen, late ? 1.f : scale,
                    bias_row.get(p.bias, b, h, query, k0, columns));
      if (dropout.on) dropout.factors(s, b, h, query, k0, up(columns, kPanel), t.factors);
      const float keep = online_softmax(t.scores + r * kPanel, rows * kPanel,
                                        t.weights + r * kKeys, seen, columns,
                                        late ? scale : 1.f, dropout.on ? t.factors : nullptr,
                                        t.most[r], t.sum[r]);
      if (keep == 1) continue;
      for (int64_t panel = 0; panel < t.panels; ++panel) {
        float* out = t.out + (panel * rows + r) * kPanel;
        for (int64_t v = 0; v < kPanel; v += kLanes) store(out + v, load(out + v) * splat(keep));
      }
    }
    pack(at<const In>(p.value, at_rows.b, kv_head, k0), s.value_width, columns, p.value.column,
         p.value.row, t.values);
    product(kernels, t.weights, kKeys, t.values, t.panels, columns, t.out, rows, true);
  }
  float* lse = static_cast<float*>(p.logsumexp);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t h = at_rows.head(r), query = at_rows.query(r);
    const bool empty = t.most[r] == -kInfinity;
    write_row(at<In>(p.out, at_rows.b, h, query), p.out.column, s.value_width,
              t.out + r * kPanel, rows * kPanel, empty ? 0.f : 1.f / t.sum[r]);
    if (lse) {
      lse[(at_rows.b * s.heads + h) * s.queries + query] =
          empty ? kInfinity : t.most[r] + ::logf(t.sum[r]);
    }
  }
}

template <class In, class A>
bool forward(const AttentionForward& p, const gemm::Kernels& kernels) {
  const AttentionShape& s = p.shape;
  const int64_t group = s.heads / s.kv_heads;
  const bool enough = s.batch * s.heads * s.queries >= 2 * omp_get_max_threads() * kLongRows;
  const int64_t rows = s.causal || !enough ? kRows : kLongRows;
  // Heads of a group share packed keys, where their queries are few.
  const int64_t together = smaller(group, rows);
  const int64_t most = larger(1, rows / together);
  const int64_t query_blocks = (s.queries + most - 1) / most;
  const int64_t queries = (s.queries + query_blocks - 1) / query_blocks; // even parts
  const int64_t parts = (group + together - 1) / together;
  const int64_t tasks = s.batch * s.kv_heads * parts * query_blocks;
  const int threads = static_cast<int>(larger(1, smaller(omp_get_max_threads(), tasks)));
  const Scratch scratch(threads, ForwardParts<A>(s, rows, nullptr).bytes);
  if (!scratch.ok()) return false;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t task = 0; task < tasks; ++task) {
    const ForwardParts<A> t(s, rows, scratch.of_thread(omp_get_thread_num()));
    // The last queries see most keys: they go first.
    const int64_t block = query_blocks - 1 - task % query_blocks, pair = task / query_blocks;
    const int64_t part = pair % parts, kv_head = pair / parts % s.kv_heads;
    const int64_t h0 = kv_head * group + part * together, q0 = block * queries;
    if (q0 >= s.queries) continue;
    forward_rows<In, A>(p, {pair / parts / s.kv_heads, h0,
                            smaller(together, (kv_head + 1) * group - h0), q0,
                            smaller(queries, s.queries - q0)}, kernels, t);
  }
  return true;
}

} // namespace
} // namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL
