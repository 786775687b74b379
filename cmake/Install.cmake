# What the wheel carries, all under torch_xpu_lite/ in site-packages:
#   _C.*.so            the extension module
#   lib/*.so           the runtime with the engines, and the ATen layer
#   _build_info.py     what the libraries were built with; read before they load
# `component package` is the only one that pyproject.toml installs.

# Libraries find each other and torch by place, not by name: nothing outside the
# environment can come between them. With ENVIRONMENT, also the libraries that pip
# puts into the environment's lib folder (SYCL, oneDNN).
function(xpu_lite_install_library target)
  set(path "$ORIGIN;$ORIGIN/../../torch/lib")
  if("ENVIRONMENT" IN_LIST ARGN)
    list(APPEND path "$ORIGIN/../../../..")
  endif()
  set_target_properties(${target} PROPERTIES
    INSTALL_RPATH "${path}"
    INSTALL_RPATH_USE_LINK_PATH OFF)
  install(TARGETS ${target} LIBRARY DESTINATION lib COMPONENT package)
endfunction()

function(xpu_lite_install_module target)
  set_target_properties(${target} PROPERTIES
    INSTALL_RPATH "$ORIGIN/lib;$ORIGIN/../torch/lib"
    INSTALL_RPATH_USE_LINK_PATH OFF)
  install(TARGETS ${target} LIBRARY DESTINATION . COMPONENT package)
endfunction()

# `python` is the interpreter whose torch the libraries are linked against.
function(xpu_lite_install_build_info python)
  execute_process(
    COMMAND ${python} -c "import importlib.metadata as m; print(m.version('torch'), end='')"
    OUTPUT_VARIABLE XPU_LITE_TORCH_VERSION
    RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "torch is not installed for ${python}: pip install 'torch==2.13.*' first")
  endif()
  string(TIMESTAMP XPU_LITE_BUILD_DATE "%Y-%m-%d" UTC)
  set(XPU_LITE_VERSION "${SKBUILD_PROJECT_VERSION}")
  if(NOT XPU_LITE_VERSION)
    set(XPU_LITE_VERSION "0.0.0")
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/build_info.py.in
    ${PROJECT_BINARY_DIR}/_build_info.py @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/_build_info.py DESTINATION . COMPONENT package)
endfunction()
