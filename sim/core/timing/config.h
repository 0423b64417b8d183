// SPDX-License-Identifier: Apache-2.0
// What the interval timing needs to know about a core, in core cycles. Filled from a model file's "timing"
// section (models/load_timing.cpp); the defaults describe no part and serve unit tests only.
#pragma once

#include "base/types.h"

namespace pmusim::core {

struct PipelineConfig {
  u32 width = 4;         // slots: micro-ops dispatched per cycle
  u32 retire_width = 4;  // micro-ops retired per cycle
  u32 rob = 224;         // micro-ops in flight
  u32 load_queue = 72, store_queue = 56;
  // Operations begun per cycle.
  u32 load_ports = 2, store_ports = 1, alu_ports = 4, multiply_ports = 1, vector_ports = 2;
  u32 taken_branches = 1;       // per cycle
  u32 nop_fusion = 0;           // 1: a NOP and the instruction behind it are one micro-op
  u32 branch_fusion = 0;        // 1: a comparison or the like and the conditional jump behind it are
  u32 mispredict_penalty = 15;  // from the branch's execution to the first dispatch on the right path
  u32 resteer_penalty = 6;      // a taken branch found at decode
  u32 clear_penalty = 30;       // machine clear
  u32 store_forward_latency = 5;
  u32 store_forward_blocked_penalty = 12;
  // Latencies of results; a divider takes the next operation after `interval` cycles. Integer divide by
  // operand size up to 32 bits, and 64.
  u32 multiply_latency = 3;
  u32 divide_latency = 12, divide_interval = 6;
  u32 divide64_latency = 18, divide64_interval = 10;
  u32 fp_add_latency = 4, fp_multiply_latency = 4, fp_fma_latency = 4;
  u32 fp_divide_latency = 13, fp_divide_interval = 5;
  u32 fp_sqrt_latency = 19, fp_sqrt_interval = 8;
  u32 vector_latency = 1;       // integer and logical vector operations
  u32 vector_move_latency = 3;  // between vector and general registers
};

struct CacheConfig {
  u32 kilobytes = 32, ways = 8;
  u32 latency = 4;  // load to use, in all, when this level serves
};

struct TlbConfig {
  u32 entries = 64, ways = 4;  // entries divisible by ways
};

struct MemoryConfig {
  // The latency of the L1I is beyond the pipelined fetch.
  CacheConfig l1i{32, 8, 0}, l1d{32, 8, 4}, l2{1024, 8, 14}, l3{32768, 16, 50};
  u32 dram_latency = 250;      // load to use, in all
  u32 dram_line_interval = 6;  // cycles between lines at this core's full bandwidth
  u32 fill_buffers = 16;       // L1D misses outstanding
  u32 l2_buffers = 48;         // L2 misses outstanding
  // First and second level. No entries: large pages share dtlb; code shares stlb with data.
  TlbConfig itlb{64, 8}, dtlb{64, 4}, dtlb_large{32, 4}, stlb{1536, 12}, stlb_code{0, 0};
  u32 stlb_latency = 7;      // beyond an access that hits the first level
  u32 walkers = 2;           // page walks at a time
  u32 walk_overhead = 0;     // of a walk beyond its reads
  u32 walk_cache = 32;       // entries of the cache of page-directory entries
  u32 stride_lookahead = 4;  // strides that the L1D prefetcher runs ahead; 0: none
  u32 next_line_fetch = 1;   // L1I: 1 on, 0 off
  u32 stream_distance = 20;  // lines that the L2 prefetcher runs ahead of a stream; 0: none
  u32 stream_degree = 2;     // lines it asks for at a time
};

struct PredictorConfig {
  u32 btb_entries = 4096, btb_ways = 4;
  // First level of the target buffer; 0 entries: every taken branch is predicted in a cycle.
  u32 near_entries = 0, near_ways = 4;
  u32 far_bubbles = 0;   // cycles lost where the first level is wrong or does not know
  u32 call_bubbles = 0;  // of a call or return that the first level knows
  u32 run_ahead = 64;    // cycles by which prediction may be ahead of dispatch
  u32 return_stack = 16;
  u32 base_bits = 13;    // log2 of the bimodal table
  u32 tagged_bits = 10;  // log2 of each tagged table
};

struct TimingConfig {
  PipelineConfig pipeline;
  MemoryConfig memory;
  PredictorConfig predictor;
};

}  // namespace pmusim::core
