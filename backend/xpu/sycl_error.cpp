#include "backend/xpu/sycl_error.h"

#include <sycl/sycl.hpp>

#include <cstring>

#include "backend/runtime/error.h"

namespace xpu_lite::xpu {
namespace {

bool says(const char* text, std::initializer_list<const char*> words) {
  for (const char* word : words)
    if (std::strstr(text, word)) return true;
  return false;
}

} // namespace

std::exception_ptr to_error(std::exception_ptr error, const std::string& doing) {
  try {
    std::rethrow_exception(error);
  } catch (const Error&) {
    return error;
  } catch (const sycl::exception& e) {
    const char* text = e.what();
    if (e.code() == sycl::errc::memory_allocation ||
        says(text, {"OUT_OF_DEVICE_MEMORY", "OUT_OF_RESOURCES", "OUT_OF_HOST_MEMORY",
                    "MEM_OBJECT_ALLOCATION_FAILURE"}))
      return std::make_exception_ptr(
          OutOfMemoryError(message("xpu_lite out of memory in ", doing, ": ", text)));
    if (says(text, {"DEVICE_LOST", "DEVICE_NOT_AVAILABLE"}))
      return std::make_exception_ptr(Error(message(
          "the device was lost in ", doing, ": ", text,
          ". Its memory is gone and this process cannot use it again: start a new process; "
          "the system's log (dmesg) says whether the driver reset the device")));
    return std::make_exception_ptr(Error(message(doing, " failed: ", text)));
  } catch (const std::exception& e) {
    return std::make_exception_ptr(Error(message(doing, " failed: ", e.what())));
  } catch (...) {
    return std::make_exception_ptr(Error(message(doing, " failed")));
  }
}

} // namespace xpu_lite::xpu
