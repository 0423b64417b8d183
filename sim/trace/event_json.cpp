// SPDX-License-Identifier: Apache-2.0
// The fields of each kind of event are one table; writing, reading and printing all follow it.
#include "trace/event_json.h"

#include <fmt/format.h>

#include "base/enum_table.h"
#include "base/json.h"

namespace pmusim::trace {
namespace {

struct Shape {
  EventKind kind;
  const char* name;
  const char* a;  // name of field a in the file, nullptr if the kind has none
  const char* b;
  const char* text;
  bool write;
  bool fault;
  bool hex = true;  // a as "0x...", otherwise a decimal number
};

constexpr Shape kShapes[] = {
    {EventKind::Meta, "meta", nullptr, nullptr, "text", false, false},
    {EventKind::Entry, "entry", "rip", nullptr, nullptr, false, false},
    {EventKind::Exit, "exit", "reason", "qualification", "name", false, false},
    {EventKind::Msr, "msr", "index", "value", nullptr, true, true},
    {EventKind::Rdpmc, "rdpmc", "ecx", "value", nullptr, false, true},
    {EventKind::Cpuid, "cpuid", "leaf", "subleaf", nullptr, false, false},
    {EventKind::Pmi, "pmi", "vector", nullptr, "phase", false, false},
    {EventKind::Lvt, "lvt", "value", nullptr, nullptr, false, false},
    {EventKind::Sched, "sched", "pcpu", nullptr, "phase", false, false, false},
    {EventKind::Halt, "halt", nullptr, nullptr, "phase", false, false},
    {EventKind::HostMsr, "hostmsr", "index", "value", "access", true, false},
    {EventKind::HostStep, "hoststep", "step", nullptr, "text", false, false, false},
    {EventKind::Overflow, "overflow", "counter", nullptr, nullptr, false, false, false},
    {EventKind::Gap, "gap", nullptr, nullptr, "reason", false, false},
};

static_assert(is_enum_table(kShapes, &Shape::kind));

const Shape& shape_of(EventKind kind) {
  return kShapes[static_cast<unsigned>(kind)];
}

const Shape& shape_named(const JsonView& name) {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) names.push_back(shape.name);
  const std::string wanted = name.one_of(names);
  for (const Shape& shape : kShapes)
    if (wanted == shape.name) return shape;
  throw std::logic_error("event kind " + wanted);
}

std::string quoted(const std::string& text) {
  return json_string(text, true);
}

}  // namespace

const char* kind_name(EventKind kind) {
  return shape_of(kind).name;
}

std::string to_json_line(const Event& event) {
  const Shape& shape = shape_of(event.kind);
  std::string line = fmt::format(R"({{"event":"{}","cycle":{},"tsc":{},"cpu":{})", shape.name, event.cycle,
                                 event.tsc, event.cpu);
  if (event.vcpu >= 0) line += fmt::format(R"(,"vcpu":{})", event.vcpu);
  if (shape.write) line += event.write ? R"(,"write":true)" : R"(,"write":false)";
  if (shape.a) line += fmt::format(shape.hex ? R"(,"{}":"0x{:x}")" : R"(,"{}":{})", shape.a, event.a);
  if (shape.b) line += fmt::format(R"(,"{}":"0x{:x}")", shape.b, event.b);
  if (shape.fault && event.fault) line += R"(,"fault":true)";
  if (shape.text) line += fmt::format(R"(,"{}":{})", shape.text, quoted(event.text));
  return line + "}";
}

Event from_json(const JsonView& line) {
  const Shape& shape = shape_named(line.at("event"));
  std::vector<std::string> fields = {"event", "cycle", "tsc", "cpu", "vcpu"};
  for (const char* field : {shape.a, shape.b, shape.text})
    if (field) fields.push_back(field);
  if (shape.write) fields.push_back("write");
  if (shape.fault) fields.push_back("fault");
  line.only_keys(fields);

  Event event{};
  event.kind = shape.kind;
  event.cycle = line.at("cycle").as_u64();
  event.tsc = line.at("tsc").as_u64();
  event.cpu = static_cast<u8>(line.at("cpu").as_u64(255));
  event.vcpu = line.has("vcpu") ? static_cast<s8>(line.at("vcpu").as_u64(127)) : s8{-1};
  if (shape.write) event.write = line.at("write").as_bool();
  if (shape.fault) event.fault = line.get_bool("fault", false);
  if (shape.a) event.a = line.at(shape.a).as_u64();
  if (shape.b) event.b = line.at(shape.b).as_u64();
  if (shape.text) event.text = line.at(shape.text).as_string();
  return event;
}

std::string to_text(const Event& event) {
  const Shape& shape = shape_of(event.kind);
  std::string line = fmt::format("{:>12}  cpu{} ", event.cycle, event.cpu);
  line += event.vcpu >= 0 ? fmt::format("vcpu{:<3}", event.vcpu) : std::string("host   ");
  line += fmt::format(" {:<8}", shape.name);
  if (shape.write) line += event.write ? " write" : " read";
  if (shape.text && !event.text.empty()) line += " " + event.text;
  if (shape.a) line += fmt::format(shape.hex ? " {} 0x{:x}" : " {} {}", shape.a, event.a);
  if (shape.b) line += fmt::format(" {} 0x{:x}", shape.b, event.b);
  if (event.fault) line += " #GP";
  return line;
}

}  // namespace pmusim::trace
