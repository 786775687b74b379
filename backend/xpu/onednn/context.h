#pragma once

// What every primitive of ours needs of oneDNN: the engine of a device, the dnnl
// stream of a Stream, descriptors of our tensors, and temporary memory. All of it
// lives until the process ends: it may be used while static objects die.

#include <exception>

#include <dnnl.hpp>
#include <dnnl_sycl.hpp>

#include "backend/runtime/allocator.h"
#include "backend/runtime/stream.h"
#include "backend/xpu/ops/onednn.h"

namespace xpu_lite::xpu::onednn {

dnnl::engine& engine_of(int device);

// Note [Primitives on CPU devices]
// oneDNN's CPU engine runs a primitive as a host task of the SYCL queue. While one is
// unfinished, SYCL takes each later launch through its scheduler, which walks the
// chain of unfinished tasks recursively: a kernel behind a primitive then costs 100 us
// and more instead of 3, and thousands of primitives overflow the stack. So, on CPU
// devices, who submits to the default stream waits for the stream and runs the
// primitive itself (the host is the device: there is little to overlap with), and who
// submits to another stream waits while more than 2 * kDepth are unfinished. GPUs are
// not concerned.
struct StreamOfThread {
  static constexpr int kDepth = 16;
  dnnl::stream stream;
  enum { Unbounded, Runs, Waits, Bounded } mode = Unbounded;
  int since_mark = 0;
  sycl::event older, newer; // of the last primitive of each kDepth
};
StreamOfThread& stream_of(Stream& stream);

// Throws Error for a type oneDNN has not.
dnnl::memory::data_type data_type(DType type);
dnnl::memory::desc describe(const View& view);

// Device memory for the time that work of `stream` needs it: given back when this
// dies, which is right because what reuses it runs on the same stream, later. Null
// for zero bytes.
class Temporary {
 public:
  Temporary(Stream& stream, size_t bytes)
      : allocation_(allocate(stream.device(), bytes, stream)) {}
  ~Temporary() { release(allocation_.context); }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  void* data() const { return allocation_.data; }

 private:
  Allocation allocation_;
};

// The arguments of one execution. Memory objects are made for each call (1 us for
// three): a cached one would change its pointer under work that is still queued.
class Arguments {
 public:
  explicit Arguments(const dnnl::engine& engine) : engine_(engine) {}
  // `data` null: left out.
  void add(int id, const dnnl::memory::desc& desc, void* data);
  // Queues it on the stream, in order.
  void execute(const dnnl::primitive& primitive, Stream& stream);

 private:
  static constexpr int kMost = 12;
  const dnnl::engine& engine_;
  dnnl::memory memory_[kMost];
  dnnl_exec_arg_t list_[kMost];
  int count_ = 0;
};

// The Error for what oneDNN threw: names the operator and its tensors.
[[noreturn]] void rethrow(const char* op, const dnnl::error& error, const std::string& tensors);
std::string to_string(const View& view); // "float32[2, 3]"

} // namespace xpu_lite::xpu::onednn
