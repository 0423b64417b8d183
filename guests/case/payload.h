/* SPDX-License-Identifier: Apache-2.0
   Layout of a compiled case, shared by the case compiler (C++, conformance/) and the guest interpreter (C).
   The payload lies at CASE_PAYLOAD_ADDRESS; all offsets are in bytes from there. Expressions are RPN in one
   pool of items; an expression is the index of its first item, 0 means "none". Names are slots of a value
   array. */
#ifndef PMUSIM_GUEST_PAYLOAD_H
#define PMUSIM_GUEST_PAYLOAD_H

#include <stdint.h>

#include "arch/pmu_registers.h"

#define CASE_PAYLOAD_ADDRESS 0x800000u
#define CASE_MAGIC 0x3145534143554d50ull /* "PMUCASE1" */

enum {
  CASE_MAX_VALUES = 8192,
  CASE_ARRAY_SIZE = 64,        /* elements of a name saved as "name[index]" */
  CASE_MAX_SLOTS = 64,         /* values a measured program reads or writes */
  CASE_MAX_STACK = 64,         /* depth of an expression */
  CASE_BUFFER_SIZE = 65536,    /* data that measured programs work on */
  CASE_DOORBELL_PORT = 0xd0b0, /* 32-bit OUT rings with the step, 32-bit IN gives the status */
  CASE_NO_FAULT = 0x100,       /* a fault vector in records: none */
};

/* --- expressions ------------------------------------------------------------------------------------- */
enum case_rpn_op {
  RPN_END,
  RPN_CONST,
  RPN_NAME,
  RPN_ELEMENT,
  RPN_DEFINED,
  RPN_NEG,
  RPN_NOT,
  RPN_LNOT,
  RPN_ADD,
  RPN_SUB,
  RPN_MUL,
  RPN_DIV,
  RPN_MOD,
  RPN_AND,
  RPN_OR,
  RPN_XOR,
  RPN_SHL,
  RPN_SHR,
  RPN_EQ,
  RPN_NE,
  RPN_LT,
  RPN_LE,
  RPN_GT,
  RPN_GE,
  RPN_LAND,
  RPN_LOR,
  RPN_SELECT,
  RPN_MIN,
  RPN_MAX,
  RPN_BIT,
  RPN_MASK,
  RPN_SEXT,
  RPN_POPCOUNT,
};

struct case_rpn {
  uint32_t op, name; /* name: slot of NAME and DEFINED, first slot of ELEMENT */
  uint64_t value;    /* CONST */
};

/* --- names the guest resolves ------------------------------------------------------------------------ */
/* clang-format off */
#define CASE_BUILTINS(X) \
  X(version) X(vendor_intel) X(vendor_amd) X(gp_count) X(gp_width) X(fixed_count) X(fixed_width) \
  X(fixed_mask) X(gp_mask) X(fixed_bits) X(counter_mask) X(width_mask) X(fixed_width_mask) \
  X(perf_capabilities_value) X(has_pmu) X(has_global_ctrl) X(has_full_width_writes) X(has_pdcm) \
  X(has_fixed0) X(has_fixed1) X(has_fixed2) X(has_fixed3) X(has_amd_v2) X(has_perfctr_core) X(has_fep) \
  X(has_freeze) X(has_x2apic) X(has_apic) X(has_hypervisor) X(has_rtm) X(has_global_status_set) \
  X(has_lbr_format) X(has_perf_metrics) X(has_instructions) X(has_branches) X(has_cycles) \
  X(has_ref_cycles) X(event_instructions) X(event_branches) X(event_cycles) X(event_ref_cycles) \
  X(event_branch_misses) X(event_llc_references) X(event_llc_misses) X(event_loads) X(event_stores) \
  X(pmi_count) X(nmi_count) X(pmi_status) X(pmi_rip) X(pmi_cpl) X(last_fault) X(cpu_family) X(cpu_model)
/* clang-format on */

enum case_builtin {
  CASE_NAME_NONE,
#define X(name) CASE_NAME_##name,
  CASE_BUILTINS(X)
#undef X
      CASE_BUILTIN_COUNT
};

/* --- registers --------------------------------------------------------------------------------------- */
/* PMU registers by the names of their table, and others. Where both vendors have registers of one name, the
   vendor's is meant; core_, intel_ and k7_ are addresses of that kind on any CPU. */
/* clang-format off */
#define CASE_OTHER_REGISTERS(X) /* X(name, takes an index) */ \
  X(debugctl, 0) X(core_selector, 1) X(core_counter, 1) X(intel_selector, 1) X(intel_counter, 1) \
  X(misc_enable, 0) X(tsc, 0) X(lvtpc, 0) X(msr, 1)
/* clang-format on */

#define CASE_REGISTER_ID(reg, id, ...) CASE_REG_##id,
enum case_register {
  PMU_REGISTERS_OF_BOTH(CASE_REGISTER_ID) PMU_REGISTERS_OF_INTEL(CASE_REGISTER_ID)
      PMU_REGISTERS_OF_AMD(CASE_REGISTER_ID)
#define X(name, indexed) CASE_REG_##name,
          CASE_OTHER_REGISTERS(X)
#undef X
              CASE_REGISTER_COUNT
};

/* --- steps ------------------------------------------------------------------------------------------- */
enum case_op_kind {
  OP_LET,         /* target, 0: expression, 1: a loop variable (not recorded) */
  OP_WRMSR,       /* 0: register, 1: index, 2: value */
  OP_RDMSR,       /* target, 0: register, 1: index */
  OP_RDPMC,       /* target, 0: ecx, 1: cpl, 2: CR4.PCE */
  OP_CPUID,       /* target, 0: leaf, 1: subleaf, 2: register number (eax ebx ecx edx) */
  OP_CHECK,       /* 0: left, 1: right (0: left is a truth value), 2: RPN comparison */
  OP_JUMP,        /* 0: op index */
  OP_JUMP_UNLESS, /* 0: op index, 1: expression */
  OP_SKIP,        /* 0: op index to go on at: what is between is skipped, text says why */
  OP_INTERRUPTS,  /* 0: 1 on, 0 off */
  OP_PAUSE,       /* 0: count */
  OP_LVTPC,       /* 0: mode (0 fixed, 1 NMI), 1: masked */
  OP_ON_PMI,      /* 0: flags, 1: counter to re-arm (layout of GLOBAL_CTRL's bit number), 2: value */
  OP_WAIT_PMI,    /* target, 0: count, 1: spins */
  OP_MEASURE,     /* target: GLOBAL_STATUS after, 0: index of a struct case_measure */
  OP_HOST,        /* target: status, 0: host step, 1: op index to go on at where nothing answers, -: end */
  OP_CLEAR,       /* stop all counters, zero selectors, counters and status */
};

enum { FAULT_NONE = 0x100, FAULT_ANY = 0x101, FAULT_RECORD = 0x102, FAULT_IMPLICIT_NONE = 0x103 };
enum { ON_PMI_ACK = 1, ON_PMI_UNMASK = 2, ON_PMI_STOP = 4, ON_PMI_REARM = 8 };

struct case_target {
  uint32_t name;  /* CASE_NAME_NONE: not kept */
  uint32_t index; /* expression, for "name[index]" */
};

struct case_op {
  uint32_t kind, step;
  uint32_t at;    /* name of the innermost loop variable, 0: none */
  uint32_t text;  /* string: a check's title, a skip's reason */
  uint32_t fault; /* a vector or FAULT_... */
  struct case_target target;
  uint32_t arg[4];
  uint32_t alternatives, alternative_count; /* values of documented divergences, for all that check */
};

struct case_alternative {
  uint32_t divergence; /* index in the case's list */
  uint32_t value;      /* expression */
  uint32_t condition;  /* 1: the value says whether the divergence holds here, 0: what the check gives */
};

struct case_requirement {
  uint32_t condition; /* expression */
  uint32_t text;      /* string: "version >= 2" */
  uint32_t actual;    /* expression whose value is reported, 0: none */
};

/* --- measured programs --------------------------------------------------------------------------------- */
enum { SLOT_RDMSR, SLOT_WRMSR, SLOT_RDPMC, SLOT_VALUE };

struct case_slot {
  uint32_t kind, reg, index, value; /* index, value: expressions */
  struct case_target target;        /* what a read leaves in the frame */
};

struct case_program {
  uint32_t name;                /* string */
  uint32_t code, size, landing; /* offsets; landing: where #UD leaves CPL 3, 0 at CPL 0 */
  uint32_t first_slot, slot_count;
  uint32_t uses_timer;
};

enum { MEASURE_INTERRUPTS = 1, MEASURE_KEEP = 2 };

struct case_counter {
  uint32_t fixed;                 /* 0: GP */
  uint32_t index, select, preset; /* expressions */
  uint32_t add_enable;            /* set EN in the selector */
  struct case_target target;
};

struct case_measure {
  uint32_t program, flags;
  uint32_t first_counter, counter_count;
  uint32_t global; /* expression replacing the start value of GLOBAL_CTRL, 0: our counters */
  uint32_t start_reg, start_index, start_value; /* explicit start and stop; start_value 0: automatic */
  uint32_t stop_reg, stop_index, stop_value;
  uint32_t timer; /* expression: APIC timer ticks for a measured HLT */
};

/* What emitted code gets in RDI. Offsets are the compiler's, too. */
struct case_frame {
  uint64_t buffer;
  uint32_t start_msr, start_low, start_high;
  uint32_t stop_msr, stop_low, stop_high;
  uint64_t saved_rsp, user_rsp;
  struct {
    uint32_t msr, low, high, reserved;
  } slots[CASE_MAX_SLOTS];
};

struct case_table {
  uint32_t offset, count;
};

struct case_header {
  uint64_t magic;
  uint32_t size;
  uint32_t id, title; /* strings */
  uint32_t value_count;
  struct case_table ops, rpn, requirements, programs, slots, counters, measures, alternatives;
  struct case_table names; /* uint32_t string offset per value slot, 0 for elements of an array */
};

#endif
