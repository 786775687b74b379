#pragma once

// Lets go of Python's lock, if this thread has it, while it waits for threads that
// may need it: the last reference of a group is often dropped by Python itself.

#include <Python.h>

namespace xpu_lite::ccl {

class WithoutGil {
 public:
  WithoutGil() {
    if (Py_IsInitialized() && PyGILState_Check()) state_ = PyEval_SaveThread();
  }
  ~WithoutGil() {
    if (state_) PyEval_RestoreThread(state_);
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_ = nullptr;
};

} // namespace xpu_lite::ccl
