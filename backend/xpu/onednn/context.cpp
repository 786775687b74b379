#include "backend/xpu/onednn/context.h"

#include <mutex>
#include <unordered_map>
#include <utility>

#include "backend/runtime/error.h"
#include "backend/xpu/device_pointer.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/onednn/captured_task.h"
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
  std::unordered_multimap<const Stream*, StreamOfThread*> list;
};
SpareStreams& spare_streams() {
  static auto* one = new SpareStreams;
  return *one;
}

struct ThreadStreams {
  std::unordered_map<const Stream*, StreamOfThread*> list;
  const Stream* last_key = nullptr;
  StreamOfThread* last = nullptr;
  ~ThreadStreams() {
    std::lock_guard<std::mutex> lock(spare_streams().mutex);
    spare_streams().list.insert(list.begin(), list.end());
  }
};

StreamOfThread* take_or_make(Stream& stream) {
  {
    std::lock_guard<std::mutex> lock(spare_streams().mutex);
    auto spare = spare_streams().list.find(&stream);
    if (spare != spare_streams().list.end()) {
      StreamOfThread* taken = spare->second;
      spare_streams().list.erase(spare);
      return taken;
    }
  }
  auto* made = new StreamOfThread;
  const int device = stream.device();
  if (limits(device).is_cpu) {
    made->mode = stream.id() != 0 ? StreamOfThread::Bounded
                 : can_capture()  ? StreamOfThread::Runs
                                  : StreamOfThread::Waits;
  }
  // What is captured leaves an empty command group behind: in a queue of its own.
  sycl::queue queue = made->mode == StreamOfThread::Runs
                          ? sycl::queue(context(), xpu::device(device), sycl::property::queue::in_order())
                          : queue_of(stream);
  made->stream = dnnl::sycl_interop::make_stream(engine_of(device), queue);
  return made;
}

} // namespace

StreamOfThread& stream_of(Stream& stream) {
  thread_local ThreadStreams mine;
  if (mine.last_key != &stream) {
    StreamOfThread*& slot = mine.list[&stream];
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
  StreamOfThread& mine = stream_of(stream);
  if (mine.mode == StreamOfThread::Runs) {
    const std::function<void()> task = captured_task([&] {
      dnnl::error::wrap_c_api(
          dnnl_primitive_execute(primitive.get(), mine.stream.get(), count_, list_),
          "cannot execute a primitive");
    });
    stream.wait(); // what the primitive reads
    if (task) task();
    return;
  }
  sycl::event done;
  dnnl::error::wrap_c_api(
      mine.mode == StreamOfThread::Unbounded
          ? dnnl_primitive_execute(primitive.get(), mine.stream.get(), count_, list_)
          : dnnl_sycl_interop_primitive_execute(primitive.get(), mine.stream.get(), count_, list_,
                                                nullptr, &done),
      "cannot execute a primitive");
  if (mine.mode == StreamOfThread::Waits) {
    done.wait();
  } else if (mine.mode == StreamOfThread::Bounded &&
             ++mine.since_mark == StreamOfThread::kDepth) {
    mine.since_mark = 0;
    mine.older.wait();
    mine.older = std::exchange(mine.newer, std::move(done));
  }
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
