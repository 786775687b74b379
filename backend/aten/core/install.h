#pragma once

// Which operators the device gets. One engine kind serves a process, and each has
// kernels of its own, so that they are registered when the module is imported and
// XPU_LITE_DEVICES is known: those of the host engine from lists that static
// initialisers fill, those of the SYCL engine by loading their library.
// What both share (memory, views, copies) uses TORCH_LIBRARY_IMPL as usual.

#include <torch/library.h>

namespace xpu_lite::aten {

// Called once, by the Python module. Throws if the library of the SYCL engine's
// operators is there and does not load.
void install_operators();
// True when the operators of the SYCL engine were installed.
bool sycl_operators() noexcept;

namespace detail {
using Installer = void (*)();
bool at_host_install(Installer installer);
using LibraryBody = void (*)(torch::Library&);
bool at_host_install(const char* ns, c10::DispatchKey key, LibraryBody body, const char* file,
                     uint32_t line);
} // namespace detail

// As TORCH_LIBRARY_IMPL, for the host engine only.
#define XPU_LITE_HOST_IMPL(ns, key, m) XPU_LITE_HOST_IMPL_(ns, key, m, C10_UID)
#define XPU_LITE_HOST_IMPL_(ns, key, m, uid)                                                   \
  static void C10_CONCATENATE(xpu_lite_host_impl_##ns##_##key##_, uid)(torch::Library&);       \
  static const bool C10_CONCATENATE(xpu_lite_host_listed_##ns##_##key##_, uid) =               \
      ::xpu_lite::aten::detail::at_host_install(                                               \
          #ns, c10::DispatchKey::key, &C10_CONCATENATE(xpu_lite_host_impl_##ns##_##key##_, uid), \
          __FILE__, __LINE__);                                                                 \
  void C10_CONCATENATE(xpu_lite_host_impl_##ns##_##key##_, uid)(torch::Library & m)

} // namespace xpu_lite::aten
