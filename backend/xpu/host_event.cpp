#include "backend/xpu/host_event.h"

#include <dlfcn.h>

#include <CL/cl.h>
#include <sycl/ext/oneapi/backend/level_zero.hpp>

#include "backend/runtime/error.h"

// Level Zero's headers are in no pip package: the few declarations needed.
extern "C" {
typedef struct _ze_event_pool_handle_t* ze_event_pool_handle_t;
}

namespace xpu_lite::xpu {
namespace {

template <class Function>
bool find(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

class OpenClEvent final : public HostEvent {
 public:
  explicit OpenClEvent(const sycl::context& context) {
    cl_int failed = CL_SUCCESS;
    native_ = functions().create(sycl::get_native<sycl::backend::opencl>(context), &failed);
    if (failed != CL_SUCCESS)
      throw Error(message("OpenCL could not make a user event (error ", failed, ")"));
    event_ = sycl::make_event<sycl::backend::opencl>({native_}, context); // owns it
  }
  sycl::event event() const override { return event_; }
  void signal() noexcept override { functions().set(native_, CL_COMPLETE); }

 private:
  struct Functions {
    cl_event (*create)(cl_context, cl_int*) = nullptr;
    cl_int (*set)(cl_event, cl_int) = nullptr;
  };
  static const Functions& functions() {
    static const Functions found = [] {
      Functions f;
      void* library = dlopen("libOpenCL.so.1", RTLD_LAZY | RTLD_NOLOAD);
      if (!library || !find(library, f.create, "clCreateUserEvent") ||
          !find(library, f.set, "clSetUserEventStatus"))
        throw Error("the OpenCL library (libOpenCL.so.1) has no user events");
      return f;
    }();
    return found;
  }
  cl_event native_ = nullptr;
  sycl::event event_;
};

struct EventPoolDescription { // ze_event_pool_desc_t
  int type = 0x10;
  const void* next = nullptr;
  uint32_t flags = 1; // visible to the host
  uint32_t count = 1;
};
struct EventDescription { // ze_event_desc_t
  int type = 0x11;
  const void* next = nullptr;
  uint32_t index = 0;
  uint32_t signal = 4; // to the host's scope
  uint32_t wait = 4;
};

class LevelZeroEvent final : public HostEvent {
 public:
  explicit LevelZeroEvent(const sycl::context& context) {
    constexpr auto backend = sycl::backend::ext_oneapi_level_zero;
    const EventPoolDescription pool;
    const EventDescription description;
    const Functions& ze = functions();
    if (ze.pool_create(sycl::get_native<backend>(context), &pool, 0, nullptr, &pool_) != 0)
      throw Error("Level Zero could not make an event pool");
    if (ze.event_create(pool_, &description, &native_) != 0) {
      ze.pool_destroy(pool_);
      throw Error("Level Zero could not make an event");
    }
    event_.emplace(sycl::make_event<backend>(
        {native_, sycl::ext::oneapi::level_zero::ownership::keep}, context));
  }
  ~LevelZeroEvent() override {
    event_.reset();
    functions().event_destroy(native_);
    functions().pool_destroy(pool_);
  }
  sycl::event event() const override { return *event_; }
  void signal() noexcept override { functions().signal(native_); }

 private:
  struct Functions {
    int (*pool_create)(ze_context_handle_t, const EventPoolDescription*, uint32_t,
                       ze_device_handle_t*, ze_event_pool_handle_t*) = nullptr;
    int (*pool_destroy)(ze_event_pool_handle_t) = nullptr;
    int (*event_create)(ze_event_pool_handle_t, const EventDescription*,
                        ze_event_handle_t*) = nullptr;
    int (*event_destroy)(ze_event_handle_t) = nullptr;
    int (*signal)(ze_event_handle_t) = nullptr;
  };
  static const Functions& functions() {
    static const Functions found = [] {
      Functions f;
      void* library = dlopen("libze_loader.so.1", RTLD_LAZY | RTLD_NOLOAD);
      if (!library || !find(library, f.pool_create, "zeEventPoolCreate") ||
          !find(library, f.pool_destroy, "zeEventPoolDestroy") ||
          !find(library, f.event_create, "zeEventCreate") ||
          !find(library, f.event_destroy, "zeEventDestroy") ||
          !find(library, f.signal, "zeEventHostSignal"))
        throw Error("the Level Zero loader (libze_loader.so.1) has no events");
      return f;
    }();
    return found;
  }
  ze_event_pool_handle_t pool_ = nullptr;
  ze_event_handle_t native_ = nullptr;
  std::optional<sycl::event> event_;
};

} // namespace

std::unique_ptr<HostEvent> make_host_event(const sycl::context& context) {
  if (context.get_backend() == sycl::backend::opencl)
    return std::make_unique<OpenClEvent>(context);
  if (context.get_backend() == sycl::backend::ext_oneapi_level_zero)
    return std::make_unique<LevelZeroEvent>(context);
  throw Error("host tasks need an OpenCL or a Level Zero device");
}

} // namespace xpu_lite::xpu
