// SPDX-License-Identifier: Apache-2.0
// The "timing" section of a model file: tables of keys, so that what is read is seen at one glance. Cycles
// are of the core clock; what the file gives in picoseconds is converted by it, rounded to the nearest cycle.
#include "models/load_timing.h"

#include "core/timing/recency.h"

namespace pmusim::models {
namespace {

using core::CacheConfig;
using core::MemoryConfig;
using core::PipelineConfig;
using core::PredictorConfig;
using core::TlbConfig;

template <class T>
struct Field {
  const char* key;
  u32 T::*member;
};

constexpr Field<PipelineConfig> kPipeline[] = {
    {"retire_width", &PipelineConfig::retire_width},
    {"rob", &PipelineConfig::rob},
    {"load_queue", &PipelineConfig::load_queue},
    {"store_queue", &PipelineConfig::store_queue},
    {"load_ports", &PipelineConfig::load_ports},
    {"store_ports", &PipelineConfig::store_ports},
    {"alu_ports", &PipelineConfig::alu_ports},
    {"multiply_ports", &PipelineConfig::multiply_ports},
    {"vector_ports", &PipelineConfig::vector_ports},
    {"taken_branches", &PipelineConfig::taken_branches},
    {"nop_fusion", &PipelineConfig::nop_fusion},
    {"branch_fusion", &PipelineConfig::branch_fusion},
    {"mispredict_penalty", &PipelineConfig::mispredict_penalty},
    {"resteer_penalty", &PipelineConfig::resteer_penalty},
    {"clear_penalty", &PipelineConfig::clear_penalty},
};

constexpr Field<PipelineConfig> kLatencies[] = {
    {"store_forward", &PipelineConfig::store_forward_latency},
    {"store_forward_blocked", &PipelineConfig::store_forward_blocked_penalty},
    {"multiply", &PipelineConfig::multiply_latency},
    {"divide", &PipelineConfig::divide_latency},
    {"divide_interval", &PipelineConfig::divide_interval},
    {"divide64", &PipelineConfig::divide64_latency},
    {"divide64_interval", &PipelineConfig::divide64_interval},
    {"fp_add", &PipelineConfig::fp_add_latency},
    {"fp_multiply", &PipelineConfig::fp_multiply_latency},
    {"fp_fma", &PipelineConfig::fp_fma_latency},
    {"fp_divide", &PipelineConfig::fp_divide_latency},
    {"fp_divide_interval", &PipelineConfig::fp_divide_interval},
    {"fp_sqrt", &PipelineConfig::fp_sqrt_latency},
    {"fp_sqrt_interval", &PipelineConfig::fp_sqrt_interval},
    {"vector", &PipelineConfig::vector_latency},
    {"vector_move", &PipelineConfig::vector_move_latency},
};

constexpr Field<MemoryConfig> kBuffers[] = {
    {"fill_buffers", &MemoryConfig::fill_buffers},
    {"l2_buffers", &MemoryConfig::l2_buffers},
};

constexpr Field<MemoryConfig> kTlb[] = {
    {"stlb_latency", &MemoryConfig::stlb_latency},
    {"walkers", &MemoryConfig::walkers},
    {"walk_overhead", &MemoryConfig::walk_overhead},
    {"walk_cache", &MemoryConfig::walk_cache},
};

constexpr Field<MemoryConfig> kPrefetch[] = {
    {"stride_lookahead", &MemoryConfig::stride_lookahead},
    {"next_line_fetch", &MemoryConfig::next_line_fetch},
    {"stream_distance", &MemoryConfig::stream_distance},
    {"stream_degree", &MemoryConfig::stream_degree},
};

constexpr Field<PredictorConfig> kPredictor[] = {
    {"btb_entries", &PredictorConfig::btb_entries},   {"btb_ways", &PredictorConfig::btb_ways},
    {"near_entries", &PredictorConfig::near_entries}, {"near_ways", &PredictorConfig::near_ways},
    {"far_bubbles", &PredictorConfig::far_bubbles},   {"call_bubbles", &PredictorConfig::call_bubbles},
    {"run_ahead", &PredictorConfig::run_ahead},       {"return_stack", &PredictorConfig::return_stack},
    {"base_bits", &PredictorConfig::base_bits},       {"tagged_bits", &PredictorConfig::tagged_bits},
};

template <class T, std::size_t N>
void read(const JsonView& json, const Field<T> (&fields)[N], T& to) {
  for (const Field<T>& f : fields) to.*f.member = static_cast<u32>(json.at(f.key).as_u64(~u32{0}));
}

u32 cycles(const JsonView& picoseconds, u64 core_khz) {
  constexpr u64 kPerCycle = 1000000000;  // picoseconds x kHz
  const u64 product = picoseconds.as_u64(~u32{0}) * core_khz;
  return static_cast<u32>((product + kPerCycle / 2) / kPerCycle);
}

void read_cache(const JsonView& json, CacheConfig& to) {
  to.kilobytes = static_cast<u32>(json.at("kb").as_u64(~u32{0}));
  to.ways = static_cast<u32>(json.at("ways").as_u64(core::recency::kMostWays));
  to.latency = static_cast<u32>(json.get_u64("latency", 0, ~u32{0}));
  if (to.kilobytes * 1024 / 64 % to.ways)
    json.at("ways").fail(std::to_string(to.ways),
                         "a divisor of the cache's " + std::to_string(to.kilobytes * 1024 / 64) + " lines");
}

void read_tlb(const JsonView& tlbs, const char* key, TlbConfig& to) {
  to = {0, 0};
  if (!tlbs.has(key)) return;
  const JsonView json = tlbs.at(key);
  to.entries = static_cast<u32>(json.at("entries").as_u64(~u32{0}));
  to.ways = static_cast<u32>(json.at("ways").as_u64(~u32{0}));
  if (to.entries % to.ways)
    json.at("ways").fail(std::to_string(to.ways), "a divisor of " + std::to_string(to.entries));
}

}  // namespace

core::TimingConfig read_timing(const JsonView& json, unsigned width, u64 core_khz) {
  core::TimingConfig config;
  config.pipeline.width = width;
  read(json.at("pipeline"), kPipeline, config.pipeline);
  read(json.at("latencies"), kLatencies, config.pipeline);
  const JsonView caches = json.at("caches"), memory = json.at("memory"), tlbs = json.at("tlb");
  MemoryConfig& m = config.memory;
  read_cache(caches.at("l1i"), m.l1i);
  read_cache(caches.at("l1d"), m.l1d);
  read_cache(caches.at("l2"), m.l2);
  read_cache(caches.at("l3"), m.l3);
  read(memory, kBuffers, m);
  m.dram_latency = cycles(memory.at("dram_latency_ps"), core_khz);
  m.dram_line_interval = cycles(memory.at("dram_line_ps"), core_khz);
  if (m.dram_latency < m.l3.latency)
    memory.at("dram_latency_ps")
        .fail(std::to_string(m.dram_latency) + " cycles", "at least the L3's latency");
  if (!m.dram_line_interval) memory.at("dram_line_ps").fail("less than half a cycle", "a cycle or more");
  read_tlb(tlbs, "itlb", m.itlb);
  read_tlb(tlbs, "dtlb", m.dtlb);
  read_tlb(tlbs, "dtlb_large", m.dtlb_large);
  read_tlb(tlbs, "stlb", m.stlb);
  read_tlb(tlbs, "stlb_code", m.stlb_code);
  read(tlbs, kTlb, m);
  read(json.at("prefetch"), kPrefetch, m);
  const JsonView predictor = json.at("predictor");
  read(predictor, kPredictor, config.predictor);
  if (config.predictor.btb_entries % config.predictor.btb_ways)
    predictor.at("btb_ways")
        .fail(std::to_string(config.predictor.btb_ways),
              "a divisor of " + std::to_string(config.predictor.btb_entries));
  if (config.predictor.near_entries % config.predictor.near_ways)
    predictor.at("near_ways")
        .fail(std::to_string(config.predictor.near_ways),
              "a divisor of " + std::to_string(config.predictor.near_entries));
  return config;
}

}  // namespace pmusim::models
