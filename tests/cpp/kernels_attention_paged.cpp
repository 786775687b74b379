// Decoding from the pages of a cache, against the formula on gathered keys in double.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "backend/cpu/attention/attention.h"
#include "backend/cpu/kernels/scalar_types.h"

namespace cpu = xpu_lite::cpu;
namespace attention = xpu_lite::cpu::attention;
using cpu::AttentionType;

namespace {

struct Case {
  int64_t heads, kv_heads, page_rows, width, value_width;
  std::vector<int64_t> lengths;
};
const Case kPagedCases[] = {
    {4, 4, 16, 64, 64, {1, 15, 16, 17, 129}},
    {8, 2, 32, 128, 64, {500, 3}},
    {2, 1, 48, 32, 96, {1000}},
    {3, 3, 16, 64, 64, {0, 40}},
    {4, 2, 7, 40, 24, {30, 6}}, // what only the gathered way takes
};

template <class T>
struct PagedProblem {
  explicit PagedProblem(const Case& c) : c(c), sequences(static_cast<int64_t>(c.lengths.size())) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<T>& v, int64_t n) {
      v.resize(static_cast<size_t>(n));
      for (T& x : v) x = T(normal(random));
    };
    const int64_t longest = *std::max_element(c.lengths.begin(), c.lengths.end());
    per_sequence = (longest + c.page_rows - 1) / c.page_rows;
    const int64_t pages = sequences * per_sequence + 2;
    std::vector<int64_t> order(static_cast<size_t>(pages));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    // What no sequence owns is never to be looked at.
    table.assign(static_cast<size_t>(sequences * per_sequence), int64_t{1} << 40);
    size_t next = 0;
    for (int64_t b = 0; b < sequences; ++b) {
      for (int64_t i = 0; i * c.page_rows < c.lengths[b]; ++i) {
        table[b * per_sequence + i] = order[next++];
      }
    }
    fill(q, sequences * c.heads * c.width);
    fill(k, pages * c.kv_heads * c.page_rows * c.width);
    fill(v, pages * c.kv_heads * c.page_rows * c.value_width);
    out.resize(static_cast<size_t>(sequences * c.heads * c.value_width));
    lse.resize(static_cast<size_t>(sequences * c.heads));
  }

  cpu::AttentionForward forward() {
    cpu::AttentionForward p;
    p.shape.batch = sequences, p.shape.heads = c.heads, p.shape.kv_heads = c.kv_heads;
    p.shape.queries = 1, p.shape.width = c.width, p.shape.value_width = c.value_width;
    p.shape.scale = 0.2;
    p.query = {q.data(), c.heads * c.width, c.width, c.width, 1};
    p.key = {k.data(), c.kv_heads * c.page_rows * c.width, c.page_rows * c.width, c.width, 1};
    p.value = {v.data(), c.kv_heads * c.page_rows * c.value_width, c.page_rows * c.value_width,
               c.value_width, 1};
    p.out = {out.data(), c.heads * c.value_width, c.value_width, c.value_width, 1};
    p.logsumexp = lse.data();
    return p;
  }
  attention::AttentionPages pages() const {
    return {table.data(), per_sequence, c.page_rows, c.lengths.data()};
  }
  int64_t row_of(int64_t b, int64_t head, int64_t j) const {
    const int64_t page = table[b * per_sequence + j / c.page_rows];
    return (page * c.kv_heads + head) * c.page_rows + j % c.page_rows;
  }

  // The formula, of one sequence and head: value_width numbers, then the logarithm.
  std::vector<double> exact(int64_t b, int64_t h) const {
    const int64_t head = h / (c.heads / c.kv_heads), keys = c.lengths[b];
    std::vector<double> scores(static_cast<size_t>(keys)), result(c.value_width + 1, 0.0);
    double most = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t j = 0; j < keys; ++j) {
      for (int64_t d = 0; d < c.width; ++d) {
        scores[j] += 0.2 * static_cast<float>(q[(b * c.heads + h) * c.width + d]) *
            static_cast<float>(k[row_of(b, head, j) * c.width + d]);
      }
      most = std::max(most, scores[j]);
    }
    for (double& s : scores) sum += s = std::exp(s - most);
    for (int64_t j = 0; j < keys; ++j) {
      for (int64_t d = 0; d < c.value_width; ++d) {
        result[d] += scores[j] / sum * static_cast<float>(v[row_of(b, head, j) * c.value_width + d]);
      }
    }
    result.back() = keys ? most + std::log(sum) : std::numeric_limits<double>::infinity();
    return result;
  }

  Case c;
  int64_t sequences, per_sequence;
  std::vector<int64_t> table;
  std::vector<T> q, k, v, out;
  std::vector<float> lse;
};

template <class T>
void check_paged(const std::string& name, const Case& c, AttentionType type, double tolerance) {
  SCOPED_TRACE(name + ", pages of " + std::to_string(c.page_rows));
  PagedProblem<T> problem(c);
  ASSERT_TRUE(attention::forward_paged_with(name, problem.forward(), problem.pages(), type));
  for (int64_t b = 0; b < problem.sequences; ++b) {
    for (int64_t h = 0; h < c.heads; ++h) {
      const std::vector<double> want = problem.exact(b, h);
      for (int64_t d = 0; d < c.value_width; ++d) {
        const double got = static_cast<float>(problem.out[(b * c.heads + h) * c.value_width + d]);
        ASSERT_TRUE(std::abs(got - want[d]) <= tolerance * (1 + std::abs(want[d])))
            << "sequence " << b << ", head " << h << ": " << got << ", expected " << want[d];
      }
      const double lse = problem.lse[b * c.heads + h];
      if (c.lengths[b]) EXPECT_NEAR(lse, want.back(), 1e-4);
      else EXPECT_EQ(lse, want.back());
    }
  }
}

TEST(AttentionPaged, EqualsTheFormula) {
  for (const Case& c : kPagedCases) {
    for (const char* name : {"decode_paged", "gathered"}) {
      if (c.page_rows % 16 != 0 && name[0] == 'd') continue;
      check_paged<float>(name, c, AttentionType::Float, 1e-5);
      check_paged<cpu::half>(name, c, AttentionType::Half, 2e-3);
      check_paged<cpu::bfloat16>(name, c, AttentionType::BFloat16, 1.6e-2);
    }
  }
}

TEST(AttentionPaged, RefusesWhatItDoesNotTake) {
  PagedProblem<float> problem(kPagedCases[4]);
  EXPECT_ANY_THROW(attention::forward_paged_with("decode_paged", problem.forward(),
                                                 problem.pages(), AttentionType::Float));
  EXPECT_ANY_THROW(attention::forward_paged_with("nonsense", problem.forward(), problem.pages(),
                                                 AttentionType::Float));
  EXPECT_TRUE(attention::forward_paged(problem.forward(), problem.pages(), AttentionType::Float));
}

} // namespace
