#pragma once

// The choice among the implementations of one product, for products with one table for each
// instruction set: the first of an ordered list that this processor may run, the one that
// XPU_LITE_GEMM names, or the reference, which is no table.

#include <cstdlib>
#include <string>
#include <vector>

#include "backend/runtime/cpu_features.h"
#include "backend/runtime/error.h"

namespace xpu_lite::cpu::gemm {

// Table has `name` and `needs`.
template <class Table>
class ImplementationList {
 public:
  // `product` is what an error calls it.
  ImplementationList(const char* product, std::initializer_list<const Table*> best_first)
      : product_(product), tables_(best_first) {}

  const Table* find(const std::string& name) const {
    for (const Table* t : tables_) {
      if (name == t->name) return t;
    }
    return nullptr;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const Table* t : tables_) all.push_back(t->name);
    all.push_back(kReference);
    return all;
  }

  bool serves(const std::string& name) const {
    const Table* t = find(name);
    return name == kReference || (t && isa() >= t->needs);
  }

  // Null: the reference.
  const Table* chosen() const {
    const char* asked = std::getenv("XPU_LITE_GEMM");
    if (asked && serves(asked)) return find(asked);
    for (const Table* t : tables_) {
      if (isa() >= t->needs) return t;
    }
    return nullptr;
  }

  // The table of a name, null for the reference; throws ValueError where it cannot be run.
  const Table* named(const std::string& name) const {
    if (serves(name)) return find(name);
    std::string known;
    for (const std::string& each : names()) known += (known.empty() ? "" : ", ") + each;
    throw ValueError(message(product_, " '", name,
                             "' is unknown or not for this processor; there are: ", known));
  }

  static constexpr const char* kReference = "reference";

 private:
  const char* product_;
  std::vector<const Table*> tables_;
};

} // namespace xpu_lite::cpu::gemm
