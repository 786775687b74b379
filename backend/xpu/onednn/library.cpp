// What libxpu_lite_onednn.so offers: one symbol.

#include <mutex>
#include <unordered_map>

#include "backend/xpu/onednn/context.h"
#include "backend/xpu/onednn/convolution.h"
#include "backend/xpu/onednn/matmul.h"
#include "backend/xpu/onednn/primitive_cache.h"

namespace xpu_lite::xpu::onednn {

CacheCounts& cache_counts() {
  static auto* counts = new CacheCounts;
  return *counts;
}

namespace {

class Dnnl final : public Library {
 public:
  const char* version() const noexcept override {
    static const std::string text = [] {
      const dnnl_version_t* v = dnnl_version();
      return std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
             std::to_string(v->patch);
    }();
    return text.c_str();
  }
  bool matmul_supports(int device, DType type) override {
    return once(device * 2, device, type, &can_multiply);
  }
  bool convolution_supports(int device, DType type) override {
    return once(device * 2 + 1, device, type, &can_convolve);
  }
  void matmul(Stream& stream, const char* op, const Matmul& call) override {
    run_matmul(stream, op, call);
  }
  void convolution(Stream& stream, const char* op, Direction direction,
                   const Convolution& call) override {
    run_convolution(stream, op, direction, call);
  }
  void cache_statistics(int64_t& made, int64_t& found) const noexcept override {
    made = cache_counts().made.load(), found = cache_counts().found.load();
  }

 private:
  bool once(int table, int device, DType type, bool (*ask)(int, DType)) {
    const int key = table * 64 + static_cast<int>(type);
    std::lock_guard<std::mutex> lock(mutex_);
    auto it = answers_.find(key);
    if (it == answers_.end()) it = answers_.emplace(key, ask(device, type)).first;
    return it->second;
  }
  std::mutex mutex_;
  std::unordered_map<int, bool> answers_;
};

} // namespace
} // namespace xpu_lite::xpu::onednn

extern "C" __attribute__((visibility("default"))) xpu_lite::xpu::onednn::Library*
xpu_lite_onednn_library() {
  static auto* library = new xpu_lite::xpu::onednn::Dnnl; // never dies: see context.h
  return library;
}
