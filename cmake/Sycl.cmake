# Finds the SYCL runtime that pip installed (intel-sycl-rt: headers and libsycl), in
# the environment of the Python that builds, or where XPU_LITE_SYCL_ROOT says.
#   XPU_LITE_SYCL_FOUND   whether it is there
#   xpu_lite_sycl         the target to link: headers and library, for g++
# Without it the SYCL engine is a stub that says which package is missing.

set(XPU_LITE_SYCL_ROOT "" CACHE PATH "Prefix with include/sycl/sycl.hpp and lib/libsycl.so")
if(NOT Python_EXECUTABLE)
  set(Python_FIND_VIRTUALENV FIRST)
  find_package(Python COMPONENTS Interpreter)
endif()
set(prefix)
if(Python_EXECUTABLE)
  execute_process(COMMAND ${Python_EXECUTABLE} -c "import sys; print(sys.prefix, end='')"
    OUTPUT_VARIABLE prefix)
endif()
set(roots ${XPU_LITE_SYCL_ROOT} ${prefix} $ENV{VIRTUAL_ENV})
# Looked for again at each configure: the packages may have come or gone.
unset(XPU_LITE_SYCL_INCLUDE CACHE)
unset(XPU_LITE_SYCL_LIBRARY CACHE)
find_path(XPU_LITE_SYCL_INCLUDE sycl/sycl.hpp PATHS ${roots} PATH_SUFFIXES include
  NO_DEFAULT_PATH)
find_library(XPU_LITE_SYCL_LIBRARY sycl PATHS ${roots} PATH_SUFFIXES lib NO_DEFAULT_PATH)

# Its compiler starts only where there is some device: pip's intel-opencl-rt will do.
get_filename_component(lib "${XPU_LITE_SYCL_LIBRARY}" DIRECTORY)
file(GLOB devices "${lib}/libintelocl.so" /dev/dri/renderD* /etc/OpenCL/vendors/*.icd)

set(XPU_LITE_SYCL_FOUND OFF)
if(XPU_LITE_SYCL_INCLUDE AND XPU_LITE_SYCL_LIBRARY AND devices)
  set(XPU_LITE_SYCL_FOUND ON)
  add_library(xpu_lite_sycl INTERFACE)
  target_include_directories(xpu_lite_sycl SYSTEM INTERFACE ${XPU_LITE_SYCL_INCLUDE})
  target_link_libraries(xpu_lite_sycl INTERFACE ${XPU_LITE_SYCL_LIBRARY})
  # libsycl needs libraries of its own folder (libur_loader, libumf): found at run time.
  target_link_options(xpu_lite_sycl INTERFACE -Wl,--allow-shlib-undefined)
  message(STATUS "SYCL runtime: ${XPU_LITE_SYCL_LIBRARY}")
else()
  message(STATUS "SYCL runtime, or a device for its compiler: not found; the SYCL engine is "
    "left out. To build it: pip install intel-sycl-rt intel-opencl-rt")
endif()
