# Most of the time of a small file that includes torch or SYCL goes into their headers.
# Such a target is compiled in batches of `files` (0: in one), where XPU_LITE_UNITY is on: names in
# anonymous namespaces must then differ within the target.
function(xpu_lite_unity target files)
  if(XPU_LITE_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${files})
  endif()
endfunction()
