// Reductions of buffers against scalar references: all types and kinds, odd sizes,
// unaligned pointers, an output that is one of the inputs.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "backend/ccl/kernels/reduce.h"

using namespace xpu_lite::ccl;

namespace {

using Bytes = std::vector<unsigned char>;

constexpr DataType kTypes[] = {
    DataType::Bool, DataType::UInt8, DataType::Int8, DataType::UInt16, DataType::Int16,
    DataType::UInt32, DataType::Int32, DataType::UInt64, DataType::Int64, DataType::Float16,
    DataType::BFloat16, DataType::Float32, DataType::Float64, DataType::ComplexHalf,
    DataType::ComplexFloat, DataType::ComplexDouble, DataType::Float8_e4m3fn,
    DataType::Float8_e5m2, DataType::Float8_e4m3fnuz, DataType::Float8_e5m2fnuz,
    DataType::Float8_e8m0fnu};
constexpr ReduceKind kKinds[] = {
    ReduceKind::Sum, ReduceKind::Avg, ReduceKind::Product, ReduceKind::Min, ReduceKind::Max,
    ReduceKind::BitAnd, ReduceKind::BitOr, ReduceKind::BitXor, ReduceKind::PreMulSum};

// A small floating-point format as its value table says; encoding looks for the
// nearest value, the even code where two are equally near.
struct Format {
  int bits, mantissa, bias;
  bool infinity, unsigned_zero; // unsigned_zero: the code of -0 is the NaN

  double decode(uint32_t code) const {
    const uint32_t sign_bit = 1u << (bits - 1);
    if (unsigned_zero && code == sign_bit) return NAN;
    const uint32_t magnitude = code & (sign_bit - 1);
    const int exponent = static_cast<int>(magnitude >> mantissa);
    const int last = (1 << (bits - 1 - mantissa)) - 1;
    const double fraction = magnitude & ((1u << mantissa) - 1);
    const double scale = std::ldexp(1.0, -mantissa);
    double value = exponent == 0 ? std::ldexp(fraction * scale, 1 - bias)
                                 : std::ldexp(1 + fraction * scale, exponent - bias);
    if (infinity && exponent == last) value = fraction == 0 ? INFINITY : NAN;
    if (!infinity && !unsigned_zero && magnitude == sign_bit - 1) value = NAN;
    return code & sign_bit ? -value : value;
  }
  // The code of NaN is returned as `bits` says; callers compare NaN as NaN.
  uint32_t encode(double x) const {
    const uint32_t sign_bit = 1u << (bits - 1);
    const uint32_t nan = unsigned_zero ? sign_bit : sign_bit - 1;
    if (std::isnan(x)) return nan;
    const double magnitude = std::fabs(x);
    const uint32_t sign = std::signbit(x) ? sign_bit : 0;
    uint32_t largest = sign_bit - 1 - (infinity ? 1u << mantissa : 0u);
    while (!std::isfinite(decode(largest))) --largest;
    // What rounds past the largest value: half a last digit above it.
    const double step = decode(largest) - decode(largest - 1);
    const double limit = decode(largest) + step / 2;
    const bool odd = largest & 1;
    if (magnitude > limit || (magnitude == limit && odd))
      return infinity ? sign | (((1u << (bits - 1 - mantissa)) - 1) << mantissa) : nan;
    uint32_t low = 0, high = largest; // by bisection
    while (low < high) {
      const uint32_t middle = (low + high + 1) / 2;
      if (decode(middle) <= magnitude) low = middle; else high = middle - 1;
    }
    if (low < largest) {
      const double down = magnitude - decode(low), up = decode(low + 1) - magnitude;
      if (up < down || (up == down && (low & 1))) ++low;
    }
    return unsigned_zero && low == 0 ? 0 : sign | low;
  }
};

const Format* format_of(DataType type) {
  static const Format half{16, 10, 15, true, false}, brain{16, 7, 127, true, false},
      e4m3fn{8, 3, 7, false, false}, e5m2{8, 2, 15, true, false},
      e4m3fnuz{8, 3, 8, false, true}, e5m2fnuz{8, 2, 16, false, true};
  switch (type) {
    case DataType::Float16: case DataType::ComplexHalf: return &half;
    case DataType::BFloat16: return &brain;
    case DataType::Float8_e4m3fn: return &e4m3fn;
    case DataType::Float8_e5m2: return &e5m2;
    case DataType::Float8_e4m3fnuz: return &e4m3fnuz;
    case DataType::Float8_e5m2fnuz: return &e5m2fnuz;
    default: return nullptr;
  }
}

bool is_complex(DataType type) {
  return type == DataType::ComplexHalf || type == DataType::ComplexFloat ||
      type == DataType::ComplexDouble;
}

template <class T>
T get(const unsigned char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}
template <class T>
void put(unsigned char* p, T value) { std::memcpy(p, &value, sizeof(T)); }

// T: what the sums are kept in.
template <class T>
T apply(const Reduction& r, T acc, T x) {
  switch (r.kind) {
    case ReduceKind::Product: return acc * x;
    case ReduceKind::Min: return std::isnan(acc) ? acc : (std::isnan(x) || x < acc ? x : acc);
    case ReduceKind::Max: return std::isnan(acc) ? acc : (std::isnan(x) || x > acc ? x : acc);
    default: return acc + x;
  }
}

// One real number out of n, calculated in T.
template <class T>
T reduce_real(const std::vector<T>& values, const Reduction& r, int ranks) {
  std::vector<T> x = values;
  if (r.kind == ReduceKind::PreMulSum)
    for (T& v : x) v *= static_cast<T>(r.factor);
  T acc = x[0];
  for (size_t i = 1; i < x.size(); ++i) acc = apply(r, acc, x[i]);
  return r.kind == ReduceKind::Avg ? acc / static_cast<T>(ranks) : acc;
}

template <class T>
T reduce_integer(const std::vector<T>& x, const Reduction& r, int ranks) {
  using U = std::make_unsigned_t<T>;
  const auto scaled = [&](T v) {
    if (r.kind != ReduceKind::PreMulSum) return v;
    if (r.factor == std::floor(r.factor))
      return static_cast<T>(1ull * static_cast<U>(v) * static_cast<unsigned>(r.factor));
    return static_cast<T>(static_cast<double>(v) * r.factor);
  };
  T acc = scaled(x[0]);
  for (size_t i = 1; i < x.size(); ++i) {
    const T v = scaled(x[i]);
    switch (r.kind) {
      case ReduceKind::Product: acc = static_cast<T>(static_cast<U>(1ull * static_cast<U>(acc) * static_cast<U>(v))); break;
      case ReduceKind::Min: acc = std::min(acc, v); break;
      case ReduceKind::Max: acc = std::max(acc, v); break;
      case ReduceKind::BitAnd: acc = static_cast<T>(acc & v); break;
      case ReduceKind::BitOr: acc = static_cast<T>(acc | v); break;
      case ReduceKind::BitXor: acc = static_cast<T>(acc ^ v); break;
      default: acc = static_cast<T>(static_cast<U>(static_cast<U>(acc) + static_cast<U>(v)));
    }
  }
  return r.kind == ReduceKind::Avg ? static_cast<T>(acc / static_cast<T>(ranks)) : acc;
}

using Inputs = std::vector<const unsigned char*>; // one element of each rank

template <class T>
void integer_element(const Inputs& in, unsigned char* out, const Reduction& r, int ranks) {
  std::vector<T> x;
  for (auto p : in) x.push_back(get<T>(p));
  put(out, reduce_integer(x, r, ranks));
}

template <class T>
void real_element(const Inputs& in, unsigned char* out, const Reduction& r, int ranks) {
  std::vector<T> x;
  for (auto p : in) x.push_back(get<T>(p));
  put(out, reduce_real(x, r, ranks));
}

template <class T>
void multiply_element(const Inputs& in, unsigned char* out) {
  T re = get<T>(in[0]), im = get<T>(in[0] + sizeof(T));
  for (size_t i = 1; i < in.size(); ++i) {
    const T re2 = get<T>(in[i]), im2 = get<T>(in[i] + sizeof(T));
    const T next = re * re2 - im * im2;
    im = re * im2 + im * re2;
    re = next;
  }
  put(out, re);
  put(out + sizeof(T), im);
}

void format_element(const Format& f, const Inputs& in, unsigned char* out, const Reduction& r,
                    int ranks) {
  std::vector<float> x;
  for (auto p : in)
    x.push_back(static_cast<float>(f.decode(f.bits == 8 ? *p : get<uint16_t>(p))));
  const uint32_t code = f.encode(reduce_real(x, r, ranks));
  if (f.bits == 8) *out = static_cast<unsigned char>(code);
  else put(out, static_cast<uint16_t>(code));
}

void power_element(const Inputs& in, unsigned char* out, const Reduction& r, int ranks) {
  std::vector<float> x;
  for (auto p : in) x.push_back(*p == 255 ? NAN : std::ldexp(1.0f, *p - 127));
  const float value = std::fabs(reduce_real(x, r, ranks));
  if (!std::isfinite(value)) { *out = 255; return; }
  // The nearest power of two, the larger of two; nothing lies below 2^-127.
  int code = 0;
  while (code < 255 && 1.5 * std::ldexp(1.0, code - 127) <= value) ++code;
  // At 2^-127 itself half way stays below.
  if (code == 1 && value == 1.5f * std::ldexp(1.0f, -127)) code = 1;
  *out = static_cast<unsigned char>(code);
}

void half_multiply_element(const Inputs& in, unsigned char* out) {
  const Format& f = *format_of(DataType::Float16);
  std::vector<std::vector<unsigned char>> wide(in.size(), std::vector<unsigned char>(8));
  Inputs pointers;
  for (size_t i = 0; i < in.size(); ++i) {
    put(wide[i].data(), static_cast<float>(f.decode(get<uint16_t>(in[i]))));
    put(wide[i].data() + 4, static_cast<float>(f.decode(get<uint16_t>(in[i] + 2))));
    pointers.push_back(wide[i].data());
  }
  unsigned char result[8];
  multiply_element<float>(pointers, result);
  put(out, static_cast<uint16_t>(f.encode(get<float>(result))));
  put(out + 2, static_cast<uint16_t>(f.encode(get<float>(result + 4))));
}

void bool_element(const Inputs& in, unsigned char* out, const Reduction& r) {
  bool acc = *in[0];
  for (size_t i = 1; i < in.size(); ++i) {
    const bool v = *in[i];
    if (r.kind == ReduceKind::Sum || r.kind == ReduceKind::Max || r.kind == ReduceKind::BitOr)
      acc = acc || v;
    else if (r.kind == ReduceKind::BitXor) acc = acc != v;
    else acc = acc && v;
  }
  *out = acc;
}

void element(DataType type, const Inputs& in, unsigned char* out, const Reduction& r, int ranks) {
  if (is_complex(type) && r.kind == ReduceKind::Product) {
    if (type == DataType::ComplexHalf) return half_multiply_element(in, out);
    if (type == DataType::ComplexFloat) return multiply_element<float>(in, out);
    return multiply_element<double>(in, out);
  }
  if (is_complex(type)) {
    const DataType part = type == DataType::ComplexHalf ? DataType::Float16
        : type == DataType::ComplexFloat ? DataType::Float32 : DataType::Float64;
    Inputs second = in;
    for (auto& p : second) p += size_of(part);
    element(part, in, out, r, ranks);
    return element(part, second, out + size_of(part), r, ranks);
  }
  if (const Format* f = format_of(type)) return format_element(*f, in, out, r, ranks);
  switch (type) {
    case DataType::Bool: return bool_element(in, out, r);
    case DataType::UInt8: return integer_element<uint8_t>(in, out, r, ranks);
    case DataType::Int8: return integer_element<int8_t>(in, out, r, ranks);
    case DataType::UInt16: return integer_element<uint16_t>(in, out, r, ranks);
    case DataType::Int16: return integer_element<int16_t>(in, out, r, ranks);
    case DataType::UInt32: return integer_element<uint32_t>(in, out, r, ranks);
    case DataType::Int32: return integer_element<int32_t>(in, out, r, ranks);
    case DataType::UInt64: return integer_element<uint64_t>(in, out, r, ranks);
    case DataType::Int64: return integer_element<int64_t>(in, out, r, ranks);
    case DataType::Float32: return real_element<float>(in, out, r, ranks);
    case DataType::Float64: return real_element<double>(in, out, r, ranks);
    default: return power_element(in, out, r, ranks);
  }
}

// Whether two elements are the same, where any NaN is as good as another.
bool same(DataType type, const unsigned char* a, const unsigned char* b) {
  if (std::memcmp(a, b, size_of(type)) == 0) return true;
  if (is_complex(type)) {
    const DataType part = type == DataType::ComplexHalf ? DataType::Float16
        : type == DataType::ComplexFloat ? DataType::Float32 : DataType::Float64;
    return same(part, a, b) && same(part, a + size_of(part), b + size_of(part));
  }
  if (const Format* f = format_of(type)) {
    const bool small = f->bits == 8;
    return std::isnan(f->decode(small ? *a : get<uint16_t>(a))) &&
        std::isnan(f->decode(small ? *b : get<uint16_t>(b)));
  }
  if (type == DataType::Float32) return std::isnan(get<float>(a)) && std::isnan(get<float>(b));
  if (type == DataType::Float64) return std::isnan(get<double>(a)) && std::isnan(get<double>(b));
  return false;
}

// Random bits are too often huge in the wide floating-point types.
void fill(DataType type, unsigned char* p, size_t count, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  const size_t parts = is_complex(type) ? 2 * count : count;
  for (size_t i = 0; i < parts; ++i) {
    const bool wild = random() % 16 == 0;
    switch (type) {
      case DataType::Float32: case DataType::ComplexFloat:
        put(p + 4 * i, wild ? get<float>(reinterpret_cast<unsigned char*>(Bytes(4, random() & 255).data())) : static_cast<float>(normal(random)));
        break;
      case DataType::Float64: case DataType::ComplexDouble:
        put(p + 8 * i, wild ? std::numeric_limits<double>::quiet_NaN() : normal(random));
        break;
      case DataType::Float16: case DataType::ComplexHalf:
        put(p + 2 * i, wild ? static_cast<uint16_t>(random()) : static_cast<uint16_t>(format_of(DataType::Float16)->encode(normal(random))));
        break;
      case DataType::BFloat16:
        put(p + 2 * i, wild ? static_cast<uint16_t>(random()) : static_cast<uint16_t>(format_of(DataType::BFloat16)->encode(normal(random))));
        break;
      default:
        for (size_t b = 0; b < size_of(type); ++b)
          p[size_of(type) * i + b] = static_cast<unsigned char>(random());
        if (type == DataType::Bool && !wild) p[i] &= 1;
    }
  }
}

std::string call_text(DataType type, const Reduction& r, int n, size_t count) {
  return std::string(name_of(type)) + " " + name_of(r.kind) + " of " + std::to_string(n) + " x " +
      std::to_string(count);
}

// `alias`: which input is the output as well; -1 is none.
void check(DataType type, const Reduction& r, int n, size_t count, size_t skew, int alias,
           int ranks, std::mt19937_64& random) {
  const size_t size = size_of(type);
  std::vector<Bytes> buffers(n + 1, Bytes(count * size + 2 * skew + 1, 0x5a));
  for (int i = 0; i < n; ++i) fill(type, buffers[i].data() + skew, count, random);
  const std::vector<Bytes> before = buffers;
  std::vector<const void*> ins;
  for (int i = 0; i < n; ++i) ins.push_back(buffers[i].data() + skew);
  Bytes& target = buffers[alias < 0 ? n : alias];
  reduce_buffers(target.data() + skew, ins.data(), n, count, type, r, ranks);
  for (size_t i = 0; i < count; ++i) {
    Inputs x;
    for (int k = 0; k < n; ++k) x.push_back(before[k].data() + skew + i * size);
    unsigned char expected[16];
    element(type, x, expected, r, ranks);
    const unsigned char* got = target.data() + skew + i * size;
    if (same(type, got, expected)) continue;
    std::string bytes;
    for (const unsigned char* p : {static_cast<const unsigned char*>(expected), got}) {
      for (size_t b = 0; b < size; ++b) bytes += std::to_string(p[b]) + " ";
      bytes += "| ";
    }
    for (auto p : x) {
      for (size_t b = 0; b < size; ++b) bytes += std::to_string(p[b]) + " ";
      bytes += "; ";
    }
    FAIL() << call_text(type, r, n, count) << ", element " << i
           << ": expected | got | inputs (bytes): " << bytes;
  }
  for (size_t i = 0; i < skew; ++i)
    ASSERT_EQ(target[i], 0x5a) << call_text(type, r, n, count) << ": wrote before the output";
  for (size_t i = skew + count * size; i < target.size(); ++i)
    ASSERT_EQ(target[i], 0x5a) << call_text(type, r, n, count) << ": wrote past the output";
  for (int k = 0; k < n; ++k) {
    if (k == alias) continue;
    ASSERT_EQ(buffers[k], before[k]) << "an input changed";
  }
}

bool has_meaning(DataType type, const Reduction& r) {
  try {
    check_reduction(type, r);
    return true;
  } catch (const xpu_lite::ValueError&) {
    return false;
  }
}

TEST(CclReduce, every_type_and_kind_matches_the_scalar_reference) {
  std::mt19937_64 random(7);
  int pairs = 0;
  for (DataType type : kTypes) {
    for (ReduceKind kind : kKinds) {
      const Reduction r{kind, 3.0};
      if (!has_meaning(type, r)) continue;
      ++pairs;
      for (int n : {1, 2, 3, 4, 7})
        for (size_t count : {0, 1, 31, 64, 129, 517})
          check(type, r, n, count, random() % 7, static_cast<int>(random() % (n + 1)) - 1, n,
                random);
      if (HasFatalFailure()) return;
    }
  }
  // bool 7, integers 8 x 9, reals 2 + 2 + 5 types x 6, complex 3 x 4.
  EXPECT_EQ(pairs, 7 + 72 + 54 + 12);
}

TEST(CclReduce, average_divides_by_the_ranks_and_not_by_the_inputs) {
  std::mt19937_64 random(8);
  for (DataType type : kTypes)
    for (int ranks : {1, 2, 3, 8, 100})
      if (has_meaning(type, {ReduceKind::Avg}) && !(ranks == 100 && size_of(type) == 1))
        check(type, {ReduceKind::Avg}, 2, 133, 1, -1, ranks, random);
}

TEST(CclReduce, many_inputs) {
  std::mt19937_64 random(9);
  for (DataType type : {DataType::Int32, DataType::Int64, DataType::BFloat16, DataType::Float32})
    for (ReduceKind kind : {ReduceKind::Sum, ReduceKind::Avg, ReduceKind::Max})
      check(type, {kind}, 150, 300, 3, 149, 150, random);
}

TEST(CclReduce, a_factor_that_is_no_integer) {
  std::mt19937_64 random(10);
  for (DataType type : {DataType::Int64, DataType::Float32, DataType::Float16, DataType::Float64})
    check(type, {ReduceKind::PreMulSum, 0.375}, 3, 77, 0, 0, 3, random);
  const int32_t a[] = {7, -7}, b[] = {1, -1};
  const void* ins[] = {a, b};
  int32_t out[2];
  reduce_buffers(out, ins, 2, 2, DataType::Int32, {ReduceKind::PreMulSum, 0.5}, 2);
  EXPECT_EQ(out[0], 3); // 3.5 and 0.5 are cut one by one
  EXPECT_EQ(out[1], -3);
}

TEST(CclReduce, nan_wins_min_and_max) {
  const float nan = NAN;
  const float a[] = {nan, 1, 2}, b[] = {1, nan, 3};
  const void* ins[] = {a, b};
  for (ReduceKind kind : {ReduceKind::Min, ReduceKind::Max}) {
    float out[3];
    reduce_buffers(out, ins, 2, 3, DataType::Float32, {kind}, 2);
    EXPECT_TRUE(std::isnan(out[0]));
    EXPECT_TRUE(std::isnan(out[1]));
    EXPECT_EQ(out[2], kind == ReduceKind::Min ? 2 : 3);
  }
}

TEST(CclReduce, bfloat16_is_rounded_once) {
  // 1 + 2^-8 + 2^-8 is 1 + 2^-7 in float, and 1 if rounded after each addition.
  const uint16_t one[] = {0x3f80}, tiny[] = {0x3b80};
  const void* ins[] = {one, tiny, tiny};
  uint16_t out[1];
  reduce_buffers(out, ins, 3, 1, DataType::BFloat16, {}, 3);
  EXPECT_EQ(out[0], 0x3f81);
}

TEST(CclReduce, pairs_without_a_meaning_are_refused_by_name) {
  for (const auto& [type, kind] : {std::pair{DataType::ComplexFloat, ReduceKind::Min},
                                   {DataType::Float32, ReduceKind::BitXor},
                                   {DataType::Bool, ReduceKind::Avg},
                                   {DataType::Bool, ReduceKind::PreMulSum},
                                   {DataType::Opaque, ReduceKind::Sum}}) {
    try {
      check_reduction(type, {kind});
      FAIL() << name_of(type) << " " << name_of(kind);
    } catch (const xpu_lite::ValueError& error) {
      EXPECT_NE(std::string(error.what()).find(name_of(type)), std::string::npos);
      EXPECT_NE(std::string(error.what()).find(name_of(kind)), std::string::npos);
    }
  }
}

TEST(CclReduce, copies_of_any_size_and_alignment) {
  std::mt19937_64 random(11);
  for (size_t bytes : {0, 1, 63, 64, 255, 257, 1000, 4096, 100003}) {
    for (size_t skew : {0, 1, 63}) {
      Bytes from(bytes + skew), cached(bytes + skew + 1, 1), streamed(bytes + skew + 1, 1);
      for (auto& b : from) b = static_cast<unsigned char>(random());
      copy_cached(cached.data() + skew, from.data(), bytes);
      copy_streaming(streamed.data() + skew, from.data() + skew, bytes);
      EXPECT_TRUE(std::equal(from.begin(), from.begin() + bytes, cached.begin() + skew));
      EXPECT_TRUE(std::equal(from.begin() + skew, from.end(), streamed.begin() + skew));
      EXPECT_EQ(cached.back(), 1);
      EXPECT_EQ(streamed.back(), 1);
    }
  }
}

} // namespace
