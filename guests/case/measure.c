/* SPDX-License-Identifier: Apache-2.0
   Runs a measured program between the WRMSR that starts and the one that stops the counters. Where there is a
   global control it is those two writes; without one a single GP counter can be bracketed exactly, by the EN
   bit of its selector. The values are loaded into registers before the start, so the boundary is the
   compiler's to count. */
#include "case.h"

static u8 buffer[CASE_BUFFER_SIZE] __attribute__((aligned(4096)));
static u8 user_stack[4096] __attribute__((aligned(16)));
static struct case_frame frame;

struct bracket {
  u32 start_msr, stop_msr;
  u64 start, stop;
};

static const struct case_counter* counter_table(const struct case_measure* m) {
  return (const struct case_counter*)case_at(case_header()->counters.offset) + m->first_counter;
}

static int evaluate(const struct case_op* op, u32 expression, u64* value) {
  const struct case_value v = case_eval(expression);
  if (!v.defined) case_skip(op, "a value depends on a step that was skipped");
  *value = v.value;
  return (int)v.defined;
}

static int write_or_fail(const struct case_op* op, u32 msr, u64 value) {
  const int vector = rt_wrmsr_safe(msr, value);
  if (vector == RT_NO_FAULT) return 1;
  case_set(CASE_NAME_last_fault, (u64)vector);
  case_check(op, 0, (u64)vector, RPN_EQ, CASE_NO_FAULT);
  return 0;
}

/* Programs the counters; fills the bracket. */
static int program_counters(const struct case_op* op, const struct case_measure* m, struct bracket* b) {
  const struct case_counter* counters = counter_table(m);
  u64 enables = 0, fixed_ctrl = 0;
  if (rt_pmu.has_global_ctrl && !write_or_fail(op, rt_global_ctrl(), 0)) return 0;
  for (u32 i = 0; i < m->counter_count; ++i) {
    const struct case_counter* c = &counters[i];
    u64 index, select, preset = 0;
    if (!evaluate(op, c->index, &index) || !evaluate(op, c->select, &select)) return 0;
    if (c->preset && !evaluate(op, c->preset, &preset)) return 0;
    const u64 exists = c->fixed ? (index < 32 ? rt_pmu.fixed_mask >> index & 1 : 0) : index < rt_pmu.gp_count;
    if (!exists) {
      case_skip(op, c->fixed ? "no such fixed counter" : "no such GP counter");
      return 0;
    }
    const u32 n = (u32)index;
    if (!c->fixed && !write_or_fail(op, rt_gp_selector(n), 0)) return 0;
    case_write_counter(c->fixed, n, preset);
    if (c->fixed) {
      fixed_ctrl |= select << 4 * n;
      enables |= 1ull << (32 + n);
    } else if (rt_pmu.has_global_ctrl) {
      if (!write_or_fail(op, rt_gp_selector(n), select | (c->add_enable ? EVTSEL_En : 0))) return 0;
      enables |= 1ull << n;
    } else {
      if (!write_or_fail(op, rt_gp_selector(n), select & ~(u64)EVTSEL_En)) return 0;
      b->start_msr = b->stop_msr = rt_gp_selector(n);
      b->start = select | (c->add_enable ? EVTSEL_En : 0);
      b->stop = select & ~(u64)EVTSEL_En;
    }
  }
  if (rt_pmu.fixed_mask && !write_or_fail(op, MSR_FixedCtrCtrl, fixed_ctrl)) return 0;
  if (rt_pmu.has_global_ctrl) {
    rt_wrmsr_safe(rt_global_status_reset(), case_values[CASE_NAME_counter_mask]);
    b->start_msr = b->stop_msr = rt_global_ctrl();
    b->start = enables;
    b->stop = 0;
  } else if (m->counter_count > 1) {
    case_skip(op, "without a global control only one counter is measured at a time");
    return 0;
  }
  return !m->global || evaluate(op, m->global, &b->start);
}

static int explicit_side(const struct case_op* op, u32 reg, u32 index_expression, u32 value_expression,
                         u32* msr, u64* value) {
  u64 index = 0;
  const char* why;
  if (index_expression && !evaluate(op, index_expression, &index)) return 0;
  if (!evaluate(op, value_expression, value)) return 0;
  if (case_resolve(reg, index, msr, &why)) return 1;
  case_skip(op, why);
  return 0;
}

static int fill_slots(const struct case_op* op, const struct case_program* p) {
  const struct case_slot* slots =
      (const struct case_slot*)case_at(case_header()->slots.offset) + p->first_slot;
  for (u32 i = 0; i < p->slot_count; ++i) {
    u64 index = 0, value = 0;
    u32 msr = 0;
    const char* why;
    if (slots[i].index && !evaluate(op, slots[i].index, &index)) return 0;
    if (slots[i].value && !evaluate(op, slots[i].value, &value)) return 0;
    if (slots[i].kind == SLOT_RDPMC) {
      msr = (u32)index;
    } else if (slots[i].kind != SLOT_VALUE && !case_resolve(slots[i].reg, index, &msr, &why)) {
      case_skip(op, why);
      return 0;
    }
    frame.slots[i].msr = msr;
    frame.slots[i].low = (u32)value;
    frame.slots[i].high = (u32)(value >> 32);
  }
  return 1;
}

/* The vector of a fault inside the program, or RT_NO_FAULT. */
static int run(const struct case_measure* m, const struct case_program* p, const struct bracket* b) {
  frame.buffer = (u64)buffer;
  frame.start_msr = b->start_msr;
  frame.start_low = (u32)b->start;
  frame.start_high = (u32)(b->start >> 32);
  frame.stop_msr = b->stop_msr;
  frame.stop_low = (u32)b->stop;
  frame.stop_high = (u32)(b->stop >> 32);
  frame.user_rsp = (u64)user_stack + sizeof user_stack;
  if (p->landing) rt_set_gate(6, (u64)case_at(p->landing), 0);
  if (p->uses_timer) {
    rt_apic_write(RT_APIC_TDCR, 0xb); /* divide by 1 */
    rt_apic_write(RT_APIC_LVTT, RT_VECTOR_TIMER);
    rt_apic_write(RT_APIC_TMICT, (u32)case_eval(m->timer).value);
  }
  rt_this_cpu()->fault_vector = RT_NO_FAULT;
  const u64 cr4 = rt_read_cr4();
  rt_write_cr4(cr4 | 0x100); /* PCE: a program at CPL 3 may use RDPMC */
  if (m->flags & MEASURE_INTERRUPTS) rt_sti();
  rt_protected_call((u64)case_at(p->code), &frame);
  rt_cli();
  rt_write_cr4(cr4);
  const int vector = rt_this_cpu()->fault_vector;
  if (vector != RT_NO_FAULT) rt_wrmsr_safe(b->stop_msr, b->stop);
  if (p->uses_timer) {
    rt_apic_write(RT_APIC_LVTT, RT_LVT_MASKED);
    rt_apic_eoi();
  }
  if (p->landing) rt_restore_gate(6);
  return vector;
}

static void collect(const struct case_op* op, const struct case_measure* m, const struct case_program* p) {
  const struct case_slot* slots =
      (const struct case_slot*)case_at(case_header()->slots.offset) + p->first_slot;
  for (u32 i = 0; i < p->slot_count; ++i) {
    case_store(op, slots[i].target, frame.slots[i].low | (u64)frame.slots[i].high << 32);
  }
  const struct case_counter* counters = counter_table(m);
  for (u32 i = 0; i < m->counter_count; ++i) {
    u64 value = 0;
    const u32 n = (u32)case_eval(counters[i].index).value;
    if (rt_rdmsr_safe(counters[i].fixed ? MSR_FixedCtr0 + n : rt_gp_counter(n), &value) == RT_NO_FAULT) {
      case_store(op, counters[i].target, value);
    }
  }
  u64 status;
  if (op->target.name && rt_pmu.has_global_ctrl &&
      rt_rdmsr_safe(rt_global_status(), &status) == RT_NO_FAULT) {
    case_store(op, op->target, status);
  }
  if (m->flags & MEASURE_KEEP) return;
  for (u32 i = 0; i < m->counter_count; ++i) {
    if (!counters[i].fixed) rt_wrmsr_safe(rt_gp_selector((u32)case_eval(counters[i].index).value), 0);
  }
  if (rt_pmu.fixed_mask && m->counter_count) rt_wrmsr_safe(MSR_FixedCtrCtrl, 0);
}

static void forget_targets(const struct case_measure* m, const struct case_program* p) {
  const struct case_slot* slots =
      (const struct case_slot*)case_at(case_header()->slots.offset) + p->first_slot;
  for (u32 i = 0; i < m->counter_count; ++i) case_forget(counter_table(m)[i].target);
  for (u32 i = 0; i < p->slot_count; ++i) case_forget(slots[i].target);
}

void case_measure(const struct case_op* op) {
  const struct case_measure* m =
      (const struct case_measure*)case_at(case_header()->measures.offset) + op->arg[0];
  const struct case_program* p =
      (const struct case_program*)case_at(case_header()->programs.offset) + m->program;
  struct bracket b = {0, 0, 0, 0};
  u64 ticks;
  forget_targets(m, p);
  if (!rt_pmu.version && !m->start_value) {
    case_skip(op, "no PMU to measure with");
    return;
  }
  if (p->uses_timer && (!rt_apic_present() || !m->timer || !evaluate(op, m->timer, &ticks))) {
    case_skip(op, "no local APIC timer");
    return;
  }
  if (m->counter_count && !program_counters(op, m, &b)) return;
  if (m->start_value) {
    if (!explicit_side(op, m->start_reg, m->start_index, m->start_value, &b.start_msr, &b.start)) return;
    if (!explicit_side(op, m->stop_reg, m->stop_index, m->stop_value, &b.stop_msr, &b.stop)) return;
  } else if (!m->counter_count) {
    if (!rt_pmu.has_global_ctrl) {
      case_skip(op, "no global control to start with");
      return;
    }
    b.start_msr = b.stop_msr = rt_global_ctrl();
    b.start = case_values[CASE_NAME_counter_mask];
    if (m->global && !evaluate(op, m->global, &b.start)) return;
  }
  if (!fill_slots(op, p)) return;
  case_fault_check(op, run(m, p, &b));
  collect(op, m, p);
}
