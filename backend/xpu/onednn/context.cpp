#include "backend/xpu/onednn/context.h"

#include <mutex>
#include <unordered_map>

#include "backend/runtime/error.h"
#include "backend/xpu/device_pointer.h"
#include "backend/xpu/sycl_queue.h"

namespace xpu_lite::xpu::onednn {

dnnl::engine& engine_of(int device) {
  static auto* mutex = new std::mutex;
  static auto* engines = new std::unordered_map<int, dnnl::engine>;
  thread_local int last_device = -1;
  thread_local dnnl::engine* last = nullptr;
  if (last_device == device) return *last;
  std::lock_guard<std::mutex> lock(*mutex);
  auto found = engines->find(device);
  if (found == engines->end()) {
    found = engines
                ->emplace(device, dnnl::sycl_interop::make_engine(xpu::device(device),
                                                                  xpu::context()))
                .first;
  }
  last_device = device;
  return *(last = &found->second);
}

namespace {

// A dnnl::stream is not for two threads at once, and queued work points to it: each
// thread has its own, and hands them on when it ends.
struct SpareStreams {
  std::mutex mutex;
  std::unordered_multimap<const Stream*, dnnl::stream*> list;
};
SpareStreams& spare_streams() {
  static auto* one = new SpareStreams;
  return *one;
}

struct ThreadStreams {
  std::unordered_map<const Stream*, dnnl::stream*> list;
  const Stream* last_key = nullptr;
  dnnl::stream* last = nullptr;
  ~ThreadStreams() {
    std::lock_guard<std::mutex> lock(spare_streams().mutex);
    spare_streams().list.insert(list.begin(), list.end());
  }
};

dnnl::stream* take_or_make(Stream& stream) {
  {
    std::lock_guard<std::mutex> lock(spare_streams().mutex);
    auto spare = spare_streams().list.find(&stream);
    if (spare != spare_streams().list.end()) {
      dnnl::stream* taken = spare->second;
      spare_streams().list.erase(spare);
      return taken;
    }
  }
  return new dnnl::stream(
      dnnl::sycl_interop::make_stream(engine_of(stream.device()), queue_of(stream)));
}

} // namespace

dnnl::stream& stream_of(Stream& stream) {
  thread_local ThreadStreams mine;
  if (mine.last_key != &stream) {
    dnnl::stream*& slot = mine.list[&stream];
    if (slot == nullptr) slot = take_or_make(stream);
    mine.last_key = &stream;
    mine.last = slot;
  }
  return *mine.last;
}

dnnl::memory::data_type data_type(DType type) {
  using T = dnnl::memory::data_type;
  switch (type) {
    case DType::F32: return T::f32;
    case DType::F64: return T::f64;
    case DType::F16: return T::f16;
    case DType::BF16: return T::bf16;
    case DType::I32: return T::s32;
    case DType::I8: return T::s8;
    case DType::U8: return T::u8;
    default: throw Error(message("oneDNN has no data type ", suffix(type)));
  }
}

dnnl::memory::desc describe(const View& view) {
  dnnl_memory_desc_t desc = nullptr;
  dnnl::error::wrap_c_api(
      dnnl_memory_desc_create_with_strides(&desc, view.rank, view.size,
                                           static_cast<dnnl_data_type_t>(data_type(view.type)),
                                           view.stride),
      "cannot describe a tensor");
  return dnnl::memory::desc(desc);
}

void Arguments::add(int id, const dnnl::memory::desc& desc, void* data) {
  if (data == nullptr) return;
  if (count_ == kMost) throw Error("oneDNN: too many arguments");
  memory_[count_] = dnnl::sycl_interop::make_memory(
      desc, engine_, dnnl::sycl_interop::memory_kind::usm, device_pointer(data));
  list_[count_] = {id, memory_[count_].get()};
  ++count_;
}

void Arguments::execute(const dnnl::primitive& primitive, Stream& stream) {
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive.get(), stream_of(stream).get(), count_, list_),
      "cannot execute a primitive");
}

void rethrow(const char* op, const dnnl::error& error, const std::string& tensors) {
  const std::string text = message("[", op, "] oneDNN: ", error.what(), " for ", tensors);
  if (error.status == dnnl_out_of_memory) throw OutOfMemoryError(text);
  throw Error(text);
}

std::string to_string(const View& view) {
  std::string text = message(suffix(view.type), "[");
  for (int i = 0; i < view.rank; ++i) text += message(i == 0 ? "" : ", ", view.size[i]);
  return text + "]";
}

} // namespace xpu_lite::xpu::onednn
