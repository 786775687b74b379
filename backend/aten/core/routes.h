#pragma once

// XPU_LITE_VERBOSE=routes prints one line for every operator that runs: the
// route it took, its name, and "queued" where its stream's worker will run it.

#include <cstdio>

namespace xpu_lite::aten {

// The option, as a variable of its own: it is on the path of every operator.
extern bool print_routes;
void set_print_routes(bool on);

inline void note_route(int route, const char* name, bool queued = false) {
  if (__builtin_expect(print_routes, 0)) {
    std::fprintf(stderr, "xpu_lite: route %d %s%s\n", route, name, queued ? " queued" : "");
  }
}

} // namespace xpu_lite::aten
