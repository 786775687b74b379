// The device's part of torch.profiler: a child profiler of Kineto, which turns
// the recorded spans into activities of the trace. One row per stream under one
// process per device, linked to the operator that launched the work.

#ifndef USE_KINETO
#define USE_KINETO
#endif
// Kineto's headers format with fmt, which torch does not export.
#define FMT_HEADER_ONLY 1

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <c10/util/ApproximateClock.h>
#include <torch/csrc/profiler/standalone/privateuse1_profiler.h>

#include <libkineto.h>
#include <output_base.h>

#include "backend/aten/profiler/recorder.h"
#include "backend/aten/profiler/span.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten::profiler {
namespace {

using libkineto::ActivityType;
using libkineto::GenericTraceActivity;

// Kineto's rows are non-negative 32-bit numbers; streams with a worker of their
// own have negative ids (see Note [Stream ids]).
constexpr int32_t kFirstOwnedRow = 1 << 20;
int32_t row_of(int64_t stream) {
  return static_cast<int32_t>(stream >= 0 ? stream : kFirstOwnedRow - stream);
}

std::string row_name(int64_t stream) {
  std::string name = "stream " + std::to_string(stream);
  return stream == 0 ? name + " (default)" : name;
}

ActivityType type_of(char kind) {
  switch (kind) {
    case 'c': return ActivityType::GPU_MEMCPY;
    case 's': return ActivityType::GPU_MEMSET;
    case 'r': return ActivityType::PRIVATEUSE1_RUNTIME;
    default: return ActivityType::CONCURRENT_KERNEL;
  }
}

// A kernel that runs a whole operator is named by it; without the namespace, so
// that tables tell the operator and its kernel apart.
std::string kernel_name(const char* name) {
  constexpr std::string_view prefix = "aten::";
  const std::string_view view(name);
  return std::string(view.substr(0, prefix.size()) == prefix ? view.substr(prefix.size()) : view);
}

class Session final : public libkineto::IActivityProfilerSession {
 public:
  explicit Session(std::set<ActivityType> wanted) : wanted_(std::move(wanted)) {}
  ~Session() override {
    if (running_) {
      end_session();
    }
  }

  void start() override {
    begin_session();
    running_ = true;
    status_ = libkineto::TraceStatus::RECORDING;
  }

  void stop() override {
    records_ = end_session();
    running_ = false;
    to_unix_ = clock_.makeConverter();
    status_ = libkineto::TraceStatus::PROCESSING;
  }

  std::vector<std::string> errors() override { return {}; }

  void processTrace(libkineto::ActivityLogger& logger) override {
    processTrace(logger, [](int32_t) { return nullptr; }, 0, 0);
  }

  void processTrace(libkineto::ActivityLogger& logger,
                    libkineto::getLinkedActivityCallback linked, int64_t window_start,
                    int64_t window_end) override {
    buffer_ = std::make_unique<libkineto::CpuTraceBuffer>();
    buffer_->span = libkineto::TraceSpan(window_start, window_end, "xpu_lite");
    buffer_->gpuOpCount = static_cast<int>(records_.size());
    int32_t id = 0;
    for (const Record& record : records_) {
      if (wanted_.count(type_of(record.kind)) != 0) {
        add(record, ++id, linked);
      }
    }
    add_annotations(linked);
    for (const auto& activity : buffer_->activities) {
      logger.handleActivity(*activity);
    }
    // Kineto asks a session for one device; the others are announced here.
    for (const auto& [device, streams] : rows_) {
      if (device != rows_.begin()->first) {
        logger.handleDeviceInfo(info_of(device), window_start);
      }
    }
  }

  std::unique_ptr<libkineto::DeviceInfo> getDeviceInfo() override {
    if (rows_.empty()) {
      return nullptr;
    }
    return std::make_unique<libkineto::DeviceInfo>(info_of(rows_.begin()->first));
  }

  std::vector<libkineto::ResourceInfo> getResourceInfos() override {
    std::vector<libkineto::ResourceInfo> infos;
    for (const auto& [device, streams] : rows_) {
      for (const int64_t stream : streams) {
        infos.push_back({row_of(stream), row_of(stream), device, row_name(stream)});
      }
    }
    return infos;
  }

  std::unique_ptr<libkineto::CpuTraceBuffer> getTraceBuffer() override {
    return std::move(buffer_); // holds the activities that the logger points to
  }

  void pushCorrelationId(uint64_t id) override { push_operator(id); }
  void popCorrelationId() override { pop_operator(); }
  void pushUserCorrelationId(uint64_t id) override { push_annotation(id); }
  void popUserCorrelationId() override { pop_annotation(); }

 private:
  static libkineto::DeviceInfo info_of(int device) {
    return {device, device + libkineto::kExceedMaxPid, "xpu_lite",
            "xpu_lite " + std::to_string(device)};
  }

  int64_t unix_time(const Record& record, uint64_t time) const {
    return record.device_time ? static_cast<int64_t>(time) : to_unix_(time);
  }

  void add(const Record& record, int32_t id, const libkineto::getLinkedActivityCallback& linked) {
    buffer_->emplace_activity(buffer_->span, type_of(record.kind), kernel_name(record.name));
    GenericTraceActivity& activity = *buffer_->activities.back();
    activity.startTime = unix_time(record, record.start);
    activity.endTime = unix_time(record, record.end);
    activity.id = id;
    activity.threadId = record.thread;
    if (record.kind == 'r') {
      activity.device = libkineto::processId();
      activity.resource = record.thread;
      return;
    }
    activity.device = record.device;
    activity.resource = row_of(record.stream);
    rows_[record.device].insert(record.stream);
    const auto op = static_cast<int32_t>(record.correlation & 0xffffffffu);
    const auto user = static_cast<int32_t>(record.correlation >> 32);
    activity.linked = op != 0 ? linked(op) : user != 0 ? linked(user) : nullptr;
    activity.addMetadata("device", record.device);
    activity.addMetadata("stream", record.stream);
    activity.addMetadata("correlation", id);
    if (record.kind != 'k' || record.bytes != 0) {
      activity.addMetadata("bytes", record.bytes);
      const int64_t ns = activity.endTime - activity.startTime;
      if (ns > 0) { // bytes per nanosecond are GB per second
        activity.addMetadata("memory bandwidth (GB/s)",
                             static_cast<double>(record.bytes) / static_cast<double>(ns));
      }
    }
    if (user != 0) {
      cover(user, activity);
    }
  }

  // The time that the work of a record_function() block took on each stream.
  struct Cover {
    int64_t start, end;
  };
  void cover(int32_t user, const GenericTraceActivity& activity) {
    const auto key = std::make_tuple(user, activity.device, activity.resource);
    auto [it, added] = covers_.try_emplace(key, Cover{activity.startTime, activity.endTime});
    if (!added) {
      it->second.start = std::min(it->second.start, activity.startTime);
      it->second.end = std::max(it->second.end, activity.endTime);
    }
  }

  void add_annotations(const libkineto::getLinkedActivityCallback& linked) {
    if (wanted_.count(ActivityType::GPU_USER_ANNOTATION) == 0) {
      return;
    }
    for (const auto& [key, covered] : covers_) {
      const auto& [user, device, row] = key;
      const libkineto::ITraceActivity* on_host = linked(user);
      if (on_host == nullptr) {
        continue;
      }
      buffer_->emplace_activity(buffer_->span, ActivityType::GPU_USER_ANNOTATION,
                                on_host->name());
      GenericTraceActivity& activity = *buffer_->activities.back();
      activity.startTime = covered.start;
      activity.endTime = covered.end;
      activity.device = device;
      activity.resource = row;
      activity.id = user;
    }
  }

  std::set<ActivityType> wanted_;
  bool running_ = false;
  c10::ApproximateClockToUnixTimeConverter clock_;
  std::function<c10::time_t(c10::approx_time_t)> to_unix_;
  std::vector<Record> records_;
  std::unique_ptr<libkineto::CpuTraceBuffer> buffer_;
  std::map<int, std::set<int64_t>> rows_; // device -> streams seen
  std::map<std::tuple<int32_t, int32_t, int32_t>, Cover> covers_;
};

class Profiler final : public libkineto::IActivityProfiler {
 public:
  const std::string& name() const override { return name_; }

  const std::set<ActivityType>& availableActivities() const override { return activities_; }

  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      const std::set<ActivityType>& types, const libkineto::Config&) override {
    // PRIVATEUSE1_RUNTIME alone comes with a profile of the CPU only.
    for (const ActivityType type : {ActivityType::CONCURRENT_KERNEL, ActivityType::GPU_MEMCPY,
                                    ActivityType::GPU_MEMSET}) {
      if (types.count(type) != 0) {
        return std::make_unique<Session>(types);
      }
    }
    return nullptr;
  }

  // Kineto passes the window of an on-demand trace; it also calls start and stop
  // at its ends, so there is nothing to schedule.
  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      int64_t, int64_t, const std::set<ActivityType>& types,
      const libkineto::Config& config) override {
    return configure(types, config);
  }

 private:
  std::string name_ = "xpu_lite";
  std::set<ActivityType> activities_ = {
      ActivityType::CONCURRENT_KERNEL, ActivityType::GPU_MEMCPY, ActivityType::GPU_MEMSET,
      ActivityType::GPU_USER_ANNOTATION, ActivityType::PRIVATEUSE1_RUNTIME};
};

[[maybe_unused]] const torch::profiler::impl::RegisterPrivateUse1Profiler<Profiler> registered;

} // namespace
} // namespace xpu_lite::aten::profiler
