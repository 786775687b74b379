// oneDNN called directly over SYCL, without torch: the reference of benchmarks/sycl.py
// for matrix products and convolutions. Reads one line per measurement and answers with
// the seconds of one call:
//
//   matmul TYPE M N K REPEATS          TYPE: f32 or bf16
//   conv TYPE N C H W OUT KERNEL STRIDE PADDING REPEATS
//
// Source and result are in torch's layout (row-major; channels last), the weights in the
// layout that oneDNN likes best, reordered once.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "oneapi/dnnl/dnnl_sycl.hpp"
#include "sycl/sycl.hpp"

using namespace dnnl;

namespace {

sycl::device pick() {
  const char* wanted = std::getenv("XPU_LITE_DEVICES");
  const bool cpu = wanted == nullptr || std::string(wanted).find(":cpu") != std::string::npos;
  return cpu ? sycl::device(sycl::cpu_selector_v) : sycl::device(sycl::gpu_selector_v);
}

struct Call {
  primitive run;
  std::unordered_map<int, memory> arguments;
};

class Bench {
 public:
  double measure(const std::string& line) {
    std::istringstream in(line);
    std::string kind, type;
    in >> kind >> type;
    std::string key = line.substr(0, line.find_last_of(' '));
    const int repeats = std::stoi(line.substr(line.find_last_of(' ')));
    if (!calls_.count(key)) {
      const auto data = type == "bf16" ? memory::data_type::bf16 : memory::data_type::f32;
      calls_.emplace(key, kind == "matmul" ? matmul_call(in, data) : conv_call(in, data));
    }
    Call& call = calls_.at(key);
    call.run.execute(stream_, call.arguments);
    stream_.wait();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) call.run.execute(stream_, call.arguments);
    stream_.wait();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    return time.count() / repeats;
  }

 private:
  // Numbers in [0, 1), as the other side has: products of zeros can run at a higher clock.
  memory filled(const memory::desc& desc) {
    memory m(desc, engine_, DNNL_MEMORY_ALLOCATE);
    std::vector<std::uint32_t> values(desc.get_size() / 4 + 1);
    const bool pairs = desc.get_data_type() == memory::data_type::bf16;
    for (std::uint32_t& v : values) {
      v = bits(random_());
      if (pairs) v = (v & 0xffff0000u) | (bits(random_()) >> 16);
    }
    queue_.memcpy(m.get_data_handle(), values.data(), desc.get_size()).wait();
    return m;
  }
  static std::uint32_t bits(std::uint32_t random) {
    const float value = static_cast<float>(random >> 8) * 0x1p-24f;
    std::uint32_t result;
    std::memcpy(&result, &value, sizeof result);
    return result;
  }
  Call matmul_call(std::istringstream& in, memory::data_type type) {
    long m, n, k;
    in >> m >> n >> k;
    using tag = memory::format_tag;
    const memory::desc a({m, k}, type, tag::ab), b({k, n}, type, tag::any), c({m, n}, type, tag::ab);
    const matmul::primitive_desc desc(engine_, a, b, c);
    return {matmul(desc), {{DNNL_ARG_SRC, filled(a)}, {DNNL_ARG_WEIGHTS, filled(desc.weights_desc())},
                           {DNNL_ARG_DST, filled(c)}}};
  }
  Call conv_call(std::istringstream& in, memory::data_type type) {
    long n, c, h, w, out, kernel, stride, padding;
    in >> n >> c >> h >> w >> out >> kernel >> stride >> padding;
    using tag = memory::format_tag;
    const long oh = (h + 2 * padding - kernel) / stride + 1, ow = (w + 2 * padding - kernel) / stride + 1;
    const memory::desc src({n, c, h, w}, type, tag::nhwc),
        weights({out, c, kernel, kernel}, type, tag::any), dst({n, out, oh, ow}, type, tag::nhwc);
    const convolution_forward::primitive_desc desc(
        engine_, prop_kind::forward_inference, algorithm::convolution_auto, src, weights, dst,
        {stride, stride}, {padding, padding}, {padding, padding});
    return {convolution_forward(desc), {{DNNL_ARG_SRC, filled(src)},
            {DNNL_ARG_WEIGHTS, filled(desc.weights_desc())}, {DNNL_ARG_DST, filled(dst)}}};
  }

  std::mt19937 random_;
  sycl::queue queue_{pick(), sycl::property::queue::in_order()};
  engine engine_ = sycl_interop::make_engine(queue_.get_device(), queue_.get_context());
  stream stream_ = sycl_interop::make_stream(engine_, queue_);
  std::map<std::string, Call> calls_;
};

} // namespace

int main() {
  try {
    Bench bench;
    for (std::string line; std::getline(std::cin, line);) {
      std::printf("%.9g\n", bench.measure(line));
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
