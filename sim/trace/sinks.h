// SPDX-License-Identifier: Apache-2.0
// Sinks of the event stream: text log and recording. Several sinks listen to one stream through Tee.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "base/event.h"

namespace pmusim::trace {

// Passes each event on to every sink, in the order they were added. Does not own them.
class Tee : public EventSink {
 public:
  void add(EventSink& sink) { sinks_.push_back(&sink); }
  bool empty() const { return sinks_.empty(); }
  void on_event(const Event& event) override {
    for (EventSink* sink : sinks_) sink->on_event(event);
  }

 private:
  std::vector<EventSink*> sinks_;
};

// Lines of text. groups: names of `log_groups()`; gaps are always printed.
class TextLog : public EventSink {
 public:
  TextLog(std::FILE* out, const std::vector<std::string>& groups);
  void on_event(const Event& event) override;

 private:
  std::FILE* out_;
  u64 kinds_;  // bit EventKind
};
const std::vector<std::string>& log_groups();

// JSON Lines. The first line is written at once: {"event":"meta","schema":2,...} with the given keys and
// values. Throws InputError when the file cannot be opened or written.
class Recorder : public EventSink {
 public:
  // groups: as of TextLog; empty: everything.
  Recorder(const std::string& path, const std::vector<std::pair<std::string, std::string>>& meta,
           const std::vector<std::string>& groups = {});
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  void on_event(const Event& event) override;
  void close();  // flushes; reports a full disk

 private:
  void line(const std::string& text);
  std::string path_;
  std::FILE* file_;
  u64 kinds_ = ~u64{0};
};

}  // namespace pmusim::trace
