// SPDX-License-Identifier: Apache-2.0
// Wrong model files are refused at the place that is wrong.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "models/models.h"

using namespace pmusim;
using nlohmann::json;

namespace {

// The error of a shipped model after a change, or "".
template <class Change>
std::string error_after(const char* id, Change change) {
  json value = models::model_document(id).value();
  change(value);
  try {
    models::load_model_json(parse_json(value.dump(1), "test.json"));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

json entry(const char* name, const char* code, const char* umask, json counts) {
  return {{"name", name},      {"event", code},    {"umask", umask},
          {"counters", "0x1"}, {"counts", counts}, {"source", "test"}};
}

}  // namespace

TEST_CASE("an unchanged model is accepted after a round trip") {
  CHECK(error_after("spr", [](json&) {}).empty());
  CHECK(error_after("zen4", [](json&) {}).empty());
}

TEST_CASE("an unknown id is refused with the nearest one") {
  CHECK_THROWS_WITH_AS(models::load_model("sprr"), doctest::Contains("spr"), InputError);
  CHECK_THROWS_AS(models::load_model("./no-such-file.json"), InputError);
}

TEST_CASE("one encoding with two meanings is refused, with one meaning accepted") {
  contains(error_after("spr", [](json& m) { m["events"].push_back(entry("X", "0xc0", "0x0", {"loads"})); }),
           "INST_RETIRED.ANY_P");
  CHECK(error_after("spr", [](json& m) {
          json alias = entry("X", "0xc0", "0x0", {"instructions"});
          alias["per_cycle"] = true;
          m["events"].push_back(alias);
        }).empty());
}

TEST_CASE("a name that occurs twice is refused") {
  contains(error_after("zen4", [](json& m) { m["events"].push_back(m["events"][0]); }), "each name once");
}

TEST_CASE("counts and widths that CPUID does not report are refused") {
  contains(error_after("spr", [](json& m) { m["pmu"]["gp"]["count"] = 4; }),
           "/pmu/gp/count: found 4, expected 8");
  contains(error_after("spr", [](json& m) { m["pmu"]["gp"]["width"] = 40; }), "/pmu/gp/width");
  contains(error_after("spr", [](json& m) { m["pmu"]["version"] = 2; }), "/pmu/version");
  contains(error_after("spr", [](json& m) { m["pmu"]["fixed"]["mask"] = "0x7"; }), "/pmu/fixed/mask");
  contains(error_after("zen4", [](json& m) { m["pmu"]["gp"]["count"] = 4; }), "/pmu/gp/count");
  contains(error_after("spr", [](json& m) { m["pmu"].erase("perf_capabilities"); }), "PDCM");
}

TEST_CASE("an event on a counter that does not exist is refused") {
  contains(error_after("skx", [](json& m) { m["events"][1]["counters"] = "0x1f"; }), "/events/1/counters");
  contains(error_after("skx",
                       [](json& m) {
                         json e = entry("X", "0x0", "0x4", {"slots"});
                         e.erase("counters");
                         e["fixed"] = 3;
                         m["events"].push_back(e);
                       }),
           "/fixed");
}

TEST_CASE("an architectural event that CPUID reports and nothing counts is refused") {
  contains(error_after("spr",
                       [](json& m) {
                         for (json& e : m["events"])
                           if (e.value("arch_bit", -1) == 4) e.erase("counts");
                       }),
           "/arch_bit");
}

TEST_CASE("a timing value of no source must be listed as assumed, one that does not divide is refused") {
  contains(error_after("spr", [](json& m) { m["timing"]["pipeline"]["source"] = "none: see assumed"; }),
           "/timing/pipeline");
  contains(error_after("spr", [](json& m) { m["timing"]["caches"]["l1d"]["ways"] = 5; }),
           "/timing/caches/l1d");
  contains(error_after("spr", [](json& m) { m["timing"]["tlb"]["dtlb"]["ways"] = 7; }), "/timing/tlb/dtlb");
  contains(error_after("spr", [](json& m) { m["timing"]["memory"]["dram_latency_ps"] = 1000; }),
           "/timing/memory/dram_latency_ps");
  contains(error_after("spr", [](json& m) { m["timing"]["tlb"].erase("stlb"); }), "stlb");
  contains(error_after("spr", [](json& m) { m["timing"]["prefetch"]["next_line_fetch"] = 2; }),
           "/timing/prefetch/next_line_fetch");
}

TEST_CASE("overrides without effect are refused: facts that nothing reads, timing of functional timing") {
  CHECK_THROWS_WITH_AS(models::load_model("spr", {"not_simulated.base_mhz=1"}),
                       doctest::Contains("not_simulated.base_mhz"), InputError);
  CHECK_THROWS_WITH_AS(models::load_model("spr", {"timing.pipeline.rob=100"}),
                       doctest::Contains("interval timing"), InputError);
  CHECK(models::load_model("spr", {"timing.pipeline.rob=100"}, true).timing.pipeline.rob == 100);
}

TEST_CASE("an unknown count, an unknown key and a missing key are refused") {
  contains(error_after("spr", [](json& m) { m["events"][1]["counts"] = {"instruction"}; }),
           "/events/1/counts/0");
  contains(error_after("spr", [](json& m) { m["widht"] = 4; }), "widht");
  contains(error_after("spr", [](json& m) { m["costs"].erase("rdpmc"); }), "rdpmc");
}

TEST_CASE("limits hold at and beyond their ends") {
  CHECK(error_after("spr", [](json& m) { m["width"] = 16; }).empty());
  contains(error_after("spr", [](json& m) { m["width"] = 17; }), "/width");
  contains(error_after("spr", [](json& m) { m["width"] = 0; }), "/width");
  contains(error_after("spr", [](json& m) { m["clocks"]["core_khz"] = 0; }), "/clocks/core_khz");
}

TEST_CASE("an assumed value must exist, and an assumed cost must be listed") {
  contains(error_after("spr",
                       [](json& m) {
                         m["assumed"].push_back({{"path", "/costs/nothing"}, {"rule", "x"}});
                       }),
           "/costs/nothing");
  contains(error_after("spr", [](json& m) { m["costs"]["vmread"]["mark"] = "assumed"; }), "/costs/vmread");
}

TEST_CASE("a leaf that occurs twice is refused") {
  contains(error_after("spr", [](json& m) { m["cpuid"]["leaves"].push_back(m["cpuid"]["leaves"][0]); }),
           "each leaf and subleaf once");
}

TEST_CASE("overrides change a model and are checked like the file") {
  CHECK(models::load_model("spr", {"width=4", "pmi.skid_cycles=0"}).width == 4);
  CHECK_THROWS_WITH_AS(models::load_model("spr", {"width=99"}), doctest::Contains("--set model.width"),
                       InputError);
}
