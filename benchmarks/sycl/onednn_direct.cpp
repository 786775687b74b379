// oneDNN called with nothing in between: what sycl_onednn.py compares xpu-lite's matrix
// products and convolutions with. It compiles this with g++ and calls it by ctypes.

#include <algorithm>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>
#include <dnnl_sycl.hpp>
#include <sycl/sycl.hpp>

namespace {

using dnnl::memory;
using tag = memory::format_tag;

struct Setup {
  sycl::device device{sycl::cpu_selector_v};
  sycl::context context{device};
  sycl::queue queue{context, device, sycl::property::queue::in_order()};
  dnnl::engine engine = dnnl::sycl_interop::make_engine(device, context);
  dnnl::stream stream = dnnl::sycl_interop::make_stream(engine, queue);
};
Setup& setup() {
  static auto* one = new Setup;
  return *one;
}

struct Call {
  std::vector<std::pair<dnnl::primitive, std::unordered_map<int, memory>>> steps;
};

memory make(const memory::desc& desc) {
  Setup& s = setup();
  const size_t bytes = std::max<size_t>(desc.get_size(), 64);
  void* data = sycl::malloc_device(bytes, s.queue);
  s.queue.memset(data, 0, bytes).wait();
  return memory(desc, s.engine, data);
}

memory::data_type type_of(int type) {
  return type == 0 ? memory::data_type::f32 : memory::data_type::bf16;
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

} // namespace

extern "C" {

// [m, k] times a weight [n, k] (transposed in place) or [k, n], plus a bias.
Call* direct_matmul(int64_t m, int64_t n, int64_t k, int type, int transposed, int bias) {
  const auto t = type_of(type);
  const memory::desc a({m, k}, t, tag::ab), b({k, n}, t, transposed ? tag::ba : tag::ab),
      out({m, n}, t, tag::ab), one({1, n}, t, tag::ab);
  Setup& s = setup();
  const auto made =
      bias ? dnnl::matmul::primitive_desc(s.engine, a, b, one, out, attributes())
           : dnnl::matmul::primitive_desc(s.engine, a, b, out, attributes());
  auto* call = new Call;
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, make(a)},
                                            {DNNL_ARG_WEIGHTS, make(b)},
                                            {DNNL_ARG_DST, make(out)},
                                            {DNNL_ARG_SCRATCHPAD, make(made.scratchpad_desc())}};
  if (bias) arguments.emplace(DNNL_ARG_BIAS, make(one));
  call->steps.emplace_back(dnnl::matmul(made), std::move(arguments));
  return call;
}

// Channels last, square; weights start as PyTorch has them (reordered in each call,
// as any caller whose weights may change must).
Call* direct_convolution(int64_t batch, int64_t in, int64_t size, int64_t out, int64_t kernel,
                         int64_t stride, int64_t padding, int type) {
  const auto t = type_of(type);
  const int64_t result = (size + 2 * padding - kernel) / stride + 1;
  const memory::desc src({batch, in, size, size}, t, tag::nhwc),
      plain({out, in, kernel, kernel}, t, tag::ohwi), any({out, in, kernel, kernel}, t, tag::any),
      dst({batch, out, result, result}, t, tag::nhwc);
  Setup& s = setup();
  const dnnl::convolution_forward::primitive_desc made(
      s.engine, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, src, any,
      dst, {stride, stride}, {padding, padding}, {padding, padding}, attributes());
  auto* call = new Call;
  memory weight = make(plain);
  if (made.weights_desc() != plain) {
    const memory packed = make(made.weights_desc());
    call->steps.emplace_back(dnnl::reorder(weight, packed),
                             std::unordered_map<int, memory>{{DNNL_ARG_FROM, weight},
                                                             {DNNL_ARG_TO, packed}});
    weight = packed;
  }
  call->steps.emplace_back(
      dnnl::convolution_forward(made),
      std::unordered_map<int, memory>{{DNNL_ARG_SRC, make(src)},
                                      {DNNL_ARG_WEIGHTS, weight},
                                      {DNNL_ARG_DST, make(dst)},
                                      {DNNL_ARG_SCRATCHPAD, make(made.scratchpad_desc())}});
  return call;
}

void direct_run(Call* call) {
  for (auto& [primitive, arguments] : call->steps) {
    primitive.execute(setup().stream, arguments);
  }
}

void direct_wait() { setup().queue.wait(); }

} // extern "C"
