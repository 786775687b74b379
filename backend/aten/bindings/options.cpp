// The XPU_LITE_* options, for `xpu-lite info` and for the few that Python sets.

#include <pybind11/stl.h>

#include "backend/aten/bindings/bindings.h"
#include "backend/aten/core/routes.h"
#include "backend/runtime/error.h"
#include "backend/runtime/options.h"

namespace xpu_lite::bindings {
namespace {

const char* policy_name(FallbackPolicy policy) {
  switch (policy) {
    case FallbackPolicy::Warn: return "warn";
    case FallbackPolicy::Error: return "error";
    default: return "allow";
  }
}

FallbackPolicy policy_from(const std::string& name) {
  for (auto policy :
       {FallbackPolicy::Allow, FallbackPolicy::Warn, FallbackPolicy::Error}) {
    if (name == policy_name(policy)) {
      return policy;
    }
  }
  throw ValueError(message("fallback policy '", name,
                           "' is not known; use 'allow', 'warn' or 'error'"));
}

py::list help() {
  py::list result;
  for (const OptionHelp& option : describe_options()) {
    result.append(py::make_tuple(option.name, option.allowed, option.meaning,
                                 option.value));
  }
  return result;
}

} // namespace

void bind_options(py::module_& m) {
  m.def("_describe_options", &help);
  // Parses the environment; throws ValueError for a name or value not known.
  m.def("_check_options", [] { options(); });
  m.def("_fallback_policy", [] { return policy_name(options().fallback); });
  m.def("_set_fallback_policy",
        [](const std::string& name) { options().fallback = policy_from(name); });
  m.def("_set_print_routes", [](bool on) { aten::set_print_routes(on); });
}

} // namespace xpu_lite::bindings
