# Every file of backend/xpu/kernels becomes one archive of SPIR-V, kernels/NAME.xk:
# compiled in parallel, again only when it or a header that it includes changed.

add_executable(xpu_lite_build_kernels
  ${PROJECT_SOURCE_DIR}/backend/xpu/spirv/build_kernels.cpp
  ${PROJECT_SOURCE_DIR}/backend/xpu/spirv/includes.cpp
  ${PROJECT_SOURCE_DIR}/backend/xpu/spirv/module.cpp
  ${PROJECT_SOURCE_DIR}/backend/xpu/spirv/write_archive.cpp)
target_link_libraries(xpu_lite_build_kernels PRIVATE xpu_lite_sycl ${CMAKE_DL_LIBS})

if(POLICY CMP0116) # before 3.20 a depfile's absolute paths would never match
  cmake_policy(SET CMP0116 NEW)
endif()
file(GLOB XPU_LITE_KERNEL_SOURCES CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
  ${PROJECT_SOURCE_DIR}/backend/xpu/kernels/*.cpp)
set(XPU_LITE_KERNEL_DIR ${PROJECT_BINARY_DIR}/kernels)
file(MAKE_DIRECTORY ${XPU_LITE_KERNEL_DIR})
set(archives)
foreach(source IN LISTS XPU_LITE_KERNEL_SOURCES)
  get_filename_component(name ${source} NAME_WE)
  set(archive ${XPU_LITE_KERNEL_DIR}/${name}.xk)
  set(depfile)
  set(depfile_argument)
  if(POLICY CMP0116)
    set(depfile DEPFILE ${archive}.d)
    set(depfile_argument ${archive}.d)
  else() # an older cmake hands depfiles to ninja as they are, and ninja knows other paths
    file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/backend/xpu/kernels/*.h)
    set(depfile DEPENDS ${headers})
  endif()
  add_custom_command(OUTPUT ${archive}
    COMMAND xpu_lite_build_kernels ${PROJECT_SOURCE_DIR} ${source} ${archive} ${depfile_argument}
    DEPENDS xpu_lite_build_kernels ${PROJECT_SOURCE_DIR}/${source}
      ${XPU_LITE_SYCL_INCLUDE}/sycl/version.hpp
    ${depfile}
    COMMENT "SYCL kernels ${source}" VERBATIM)
  list(APPEND archives ${archive})
endforeach()
add_custom_target(xpu_lite_kernels ALL DEPENDS ${archives})

install(FILES ${archives} DESTINATION kernels COMPONENT package)
