// Runtime errors as Python exceptions.

#include "backend/aten/bindings/bindings.h"
#include "backend/runtime/error.h"

namespace xpu_lite::bindings {

void bind_errors(py::module_&) {
  // Local to this module: other extensions keep their own translation.
  py::register_local_exception_translator([](std::exception_ptr pending) {
    try {
      if (pending) {
        std::rethrow_exception(pending);
      }
    } catch (const OutOfMemoryError& error) {
      // Looked up when needed: torch may still be importing when this is bound.
      py::object type = py::module_::import("torch").attr("OutOfMemoryError");
      PyErr_SetString(type.ptr(), error.what());
    } catch (const ValueError& error) {
      PyErr_SetString(PyExc_ValueError, error.what());
    } catch (const IndexError& error) {
      PyErr_SetString(PyExc_IndexError, error.what());
    } catch (const Error& error) {
      PyErr_SetString(PyExc_RuntimeError, error.what());
    }
  });
}

} // namespace xpu_lite::bindings
