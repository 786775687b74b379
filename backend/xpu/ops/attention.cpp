#include "backend/xpu/ops/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

namespace {

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
int64_t divide(int64_t n, int64_t by) { return (n + by - 1) / by; }

uint64_t bits_of(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

std::string kernel(const char* name, DType type) {
  return std::string("attention_") + name + "_" + suffix(type);
}

size_t sum_size(DType type) { return type == DType::F64 ? 8 : 4; }

AttentionShape shape_of(const AttentionProblem& p) {
  AttentionShape s;
  s.batch = p.batch, s.heads = p.heads, s.kv_heads = p.kv_heads;
  s.queries = p.queries, s.keys = p.keys;
  s.width = p.width, s.value_width = p.value_width;
  s.ldw = round_up(p.width, kAttentionWidthPad);
  s.ldv = round_up(p.value_width, kAttentionWidthPad);
  s.ldk = s.key_rows = round_up(p.keys, kAttentionKeys);
  s.rows = round_up(p.queries, kAttentionTileRows);
  s.causal = p.causal;
  s.float_bias = p.float_bias;
  s.dropout = p.dropout > 0;
  s.kept = static_cast<uint32_t>(
      std::min(std::ceil((1.0 - p.dropout) * 4294967296.0), 4294967295.0));
  const double factor = p.dropout >= 1 ? 0.0 : 1.0 / (1.0 - p.dropout);
  s.factor = static_cast<float>(factor);
  s.factor64 = bits_of(factor);
  s.seed = p.seed, s.offset = p.offset;
  return s;
}

// Cuts named pieces off the scratch, or only measures them (base null).
struct Cutter {
  char* base;
  size_t item;
  size_t used = 0;
  void* cut(int64_t elements) {
    void* at = base ? base + used : nullptr;
    used += static_cast<size_t>(round_up(elements * static_cast<int64_t>(item), 64));
    return at;
  }
};

struct Operand {
  const AttentionView& view;
  void* dst;
  int64_t heads, rows, padded_rows, columns, ld;
  bool transposed;
  double factor = 1;
};

struct Packing {
  AttentionPackArgs args;
  int64_t groups = 0;
  void add(int64_t batch, const Operand& o) {
    AttentionPackOne& one = args.one[args.count++];
    one.src = o.view, one.dst = o.dst;
    one.heads = o.heads, one.rows = o.rows, one.columns = o.columns, one.ld = o.ld;
    one.dst_head = o.transposed ? o.columns * o.ld : o.padded_rows * o.ld;
    one.transposed = o.transposed;
    one.factor = static_cast<float>(o.factor), one.factor64 = bits_of(o.factor);
    one.first_group = groups;
    groups += batch * o.heads * divide(o.rows, kAttentionKeys);
    one.last_group = groups;
  }
};

size_t teams(const Stream& stream) {
  const size_t most = limits(stream.device()).max_group_size / kAttentionLanes;
  return std::clamp<size_t>(most, 1, kAttentionMaxTeams);
}

void pack(Stream& stream, const AttentionProblem& p, const Packing& packing) {
  launch(stream, kernel("pack", p.type),
         Grid{static_cast<size_t>(packing.groups), teams(stream) * kAttentionLanes}, packing.args);
}

struct ForwardScratch {
  ForwardScratch(const AttentionShape& s, Cutter cut)
      : query(cut.cut(s.batch * s.heads * s.rows * s.ldw)),
        key_t(cut.cut(s.batch * s.kv_heads * s.width * s.ldk)),
        value(cut.cut(s.batch * s.kv_heads * s.key_rows * s.ldv)),
        out_sum(cut.cut(s.batch * s.heads * s.rows * s.ldv)),
        bytes(cut.used) {}
  void *query, *key_t, *value, *out_sum;
  size_t bytes;
};

struct BackwardScratch {
  BackwardScratch(const AttentionBackward& c, const AttentionShape& s, Cutter cut)
      : query(cut.cut(s.batch * s.heads * s.rows * s.ldw)),
        grad_out(cut.cut(s.batch * s.heads * s.rows * s.ldv)),
        key(cut.cut(s.batch * s.kv_heads * s.key_rows * s.ldw)),
        key_t(cut.cut(s.batch * s.kv_heads * s.width * s.ldk)),
        value_t(cut.cut(s.batch * s.kv_heads * s.value_width * s.ldk)),
        query_sum(cut.cut(s.batch * s.heads * s.rows * s.ldw)),
        key_sum(cut.cut(s.batch * s.kv_heads * s.key_rows * s.ldw)),
        value_sum(cut.cut(s.batch * s.kv_heads * s.key_rows * s.ldv)),
        delta(cut.cut(s.batch * s.heads * s.rows)),
        bias_ld(c.bias_keys == 1 ? kAttentionLanes : s.ldk),
        bias_sum(c.grad_bias.data ? cut.cut(c.bias_batch * c.bias_heads *
                                            round_up(c.bias_queries, kAttentionTileRows) * bias_ld)
                                  : nullptr),
        bytes(cut.used) {}
  void *query, *grad_out, *key, *key_t, *value_t, *query_sum, *key_sum, *value_sum, *delta;
  int64_t bias_ld;
  void* bias_sum;
  size_t bytes;
};

} // namespace

size_t attention_scratch(const AttentionForward& c) {
  return ForwardScratch(shape_of(c.problem), {nullptr, sum_size(c.problem.type)}).bytes;
}
size_t attention_scratch(const AttentionBackward& c) {
  // A measured piece is null like the absent ones: say that grad_bias is wanted by its view.
  return BackwardScratch(c, shape_of(c.problem), {nullptr, sum_size(c.problem.type)}).bytes;
}

void attention_forward(Stream& stream, const AttentionForward& c, void* scratch) {
  const AttentionProblem& p = c.problem;
  AttentionForwardArgs args;
  args.shape = shape_of(p);
  const AttentionShape& s = args.shape;
  const ForwardScratch part(s, {static_cast<char*>(scratch), sum_size(p.type)});
  Packing packing;
  packing.add(s.batch, {c.query, part.query, s.heads, s.queries, s.rows, s.width, s.ldw, false, p.scale});
  packing.add(s.batch, {c.key, part.key_t, s.kv_heads, s.keys, s.key_rows, s.width, s.ldk, true});
  packing.add(s.batch, {c.value, part.value, s.kv_heads, s.keys, s.key_rows, s.value_width, s.ldv, false});
  pack(stream, p, packing);
  args.query = part.query, args.key_t = part.key_t, args.value = part.value;
  args.out_sum = part.out_sum;
  args.bias = c.bias, args.out = c.out, args.logsumexp = c.logsumexp;
  const size_t n = teams(stream);
  const int64_t tasks = s.batch * s.heads * (s.rows / kAttentionTileRows);
  launch(stream, kernel("forward", p.type),
         Grid{static_cast<size_t>(divide(tasks, static_cast<int64_t>(n))), n * kAttentionLanes}, args);
}

void attention_backward(Stream& stream, const AttentionBackward& c, void* scratch) {
  const AttentionProblem& p = c.problem;
  AttentionBackwardArgs args;
  args.shape = shape_of(p);
  const AttentionShape& s = args.shape;
  const BackwardScratch part(c, s, {static_cast<char*>(scratch), sum_size(p.type)});
  const size_t n = teams(stream), group = kAttentionLanes;

  AttentionDeltaArgs delta;
  delta.grad_out = c.grad_out, delta.out = c.out, delta.delta = part.delta;
  delta.heads = s.heads, delta.queries = s.queries, delta.value_width = s.value_width;
  delta.total = s.batch * s.heads * s.queries;
  launch(stream, kernel("delta", p.type),
         Grid{static_cast<size_t>(divide(delta.total, static_cast<int64_t>(n) * 8)), n * kAttentionLanes}, delta);

  Packing packing;
  packing.add(s.batch, {c.query, part.query, s.heads, s.queries, s.rows, s.width, s.ldw, false, p.scale});
  packing.add(s.batch, {c.grad_out, part.grad_out, s.heads, s.queries, s.rows, s.value_width, s.ldv, false});
  packing.add(s.batch, {c.key, part.key, s.kv_heads, s.keys, s.key_rows, s.width, s.ldw, false});
  packing.add(s.batch, {c.key, part.key_t, s.kv_heads, s.keys, s.key_rows, s.width, s.ldk, true});
  packing.add(s.batch, {c.value, part.value_t, s.kv_heads, s.keys, s.key_rows, s.value_width, s.ldk, true});
  pack(stream, p, packing);

  args.query = part.query, args.grad_out = part.grad_out, args.key = part.key;
  args.key_t = part.key_t, args.value_t = part.value_t;
  args.logsumexp = c.logsumexp, args.delta = part.delta;
  args.query_sum = part.query_sum, args.key_sum = part.key_sum, args.value_sum = part.value_sum;
  args.bias = c.bias;
  args.grad_query = c.grad_query, args.grad_key = c.grad_key, args.grad_value = c.grad_value;
  args.scale = static_cast<float>(p.scale), args.scale64 = bits_of(p.scale);

  const std::string name = kernel("backward", p.type);
  const int64_t pairs = s.batch * s.kv_heads;
  // One group per pair forms each block of scores once, but needs enough pairs; else
  // keys and queries are separate passes over finer tasks.
  if (limits(stream.device()).is_cpu &&
      pairs >= static_cast<int64_t>(limits(stream.device()).compute_units)) {
    args.part = AttentionPart::Whole;
    launch(stream, name, Grid{static_cast<size_t>(pairs), group}, args);
  } else {
    args.part = AttentionPart::Keys;
    launch(stream, name, Grid{static_cast<size_t>(pairs * divide(s.keys, kAttentionKeys)), group}, args);
    args.part = AttentionPart::Queries;
    launch(stream, name,
           Grid{static_cast<size_t>(s.batch * s.heads * divide(s.queries, kAttentionQueries)), group}, args);
  }
  if (c.grad_bias.data == nullptr) return;
  AttentionBiasArgs bias;
  bias.backward = args;
  bias.grad_bias = c.grad_bias;
  bias.sum = part.bias_sum, bias.ld = part.bias_ld;
  bias.bias_batch = c.bias_batch, bias.bias_heads = c.bias_heads;
  bias.bias_queries = c.bias_queries, bias.bias_keys = c.bias_keys;
  const int64_t tiles = c.bias_queries == 1 ? 1 : s.rows / kAttentionTileRows;
  launch(stream, kernel("bias", p.type),
         Grid{static_cast<size_t>(c.bias_batch * c.bias_heads * tiles), size_t{kAttentionLanes}}, bias);
}

void attention_dropout_factors(Stream& stream, const AttentionProblem& p, void* factors) {
  AttentionFactorsArgs args;
  args.shape = shape_of(p);
  args.factors = factors;
  const size_t n = teams(stream);
  const int64_t rows = p.batch * p.heads * p.queries;
  launch(stream, kernel("factors", p.type == DType::F64 ? DType::F64 : DType::F32),
         Grid{static_cast<size_t>(divide(rows, static_cast<int64_t>(n))), n * kAttentionLanes}, args);
}

} // namespace xpu_lite::xpu
