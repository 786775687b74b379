#pragma once

// Where spans are kept while a profiler session records: one buffer per thread,
// collected when the session stops.

#include <cstdint>
#include <vector>

namespace xpu_lite::aten::profiler {

struct Record {
  const char* name;
  uint64_t start, end; // ticks of c10's approximate clock, or see device_time
  int64_t bytes;
  uint64_t correlation; // see Correlation
  int64_t stream;
  int32_t device;
  int32_t thread; // of the kernel that ran it (Linux thread id)
  char kind;      // 'k' kernel, 'c' copy, 's' set, 'r' range on the host
  bool device_time = false; // start and end are nanoseconds of the Unix clock
};

// Spans of another session than the one recording are dropped.
uint32_t begin_session();
std::vector<Record> end_session();

// Called by Kineto on the thread that runs an operator.
void push_operator(uint64_t id);
void pop_operator();
void push_annotation(uint64_t id);
void pop_annotation();

// Ranges and marks of the host, what NVTX calls ranges; they show up on the
// calling thread's row of the trace. Nothing happens unless someone records.
void range_push(const char* name);
void range_pop();
void mark(const char* name);

} // namespace xpu_lite::aten::profiler
