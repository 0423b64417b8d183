/* SPDX-License-Identifier: Apache-2.0
   Interpreter of a compiled case: tests the requirements, performs the steps in order, prints the records. */
#include "case.h"

static void check(const struct case_op* op) {
  const struct case_value left = case_eval(op->arg[0]);
  struct case_value right = {0, 1};
  if (op->arg[1]) right = case_eval(op->arg[1]);
  if (!left.defined || !right.defined) {
    case_skip_check(op);
    return;
  }
  u32 defined = 1;
  const int passed =
      op->arg[1] ? case_binary(op->arg[2], left.value, right.value, &defined) != 0 : left.value != 0;
  case_check(op, passed, left.value, op->arg[1] ? op->arg[2] : (u32)RPN_END, op->arg[1] ? right.value : 1);
}

static const char* const kUndefined = "a value depends on a step that was skipped";

static int value_of(const struct case_op* op, u32 expression, u64* value) {
  *value = 0;
  if (!expression) return 1;
  const struct case_value v = case_eval(expression);
  *value = v.value;
  if (!v.defined) case_skip(op, kUndefined);
  return (int)v.defined;
}

static void access_msr(const struct case_op* op) {
  u64 index, value;
  u32 msr;
  const char* why;
  if (!value_of(op, op->arg[1], &index)) return;
  if (op->kind == OP_WRMSR && !value_of(op, op->arg[2], &value)) return;
  if (!case_resolve(op->arg[0], index, &msr, &why)) {
    case_skip(op, why);
    return;
  }
  int vector;
  if (op->kind == OP_WRMSR) {
    vector = case_write_register(op->arg[0], msr, value);
  } else {
    vector = case_read_register(op->arg[0], msr, &value);
    if (vector == RT_NO_FAULT) case_store(op, op->target, value);
  }
  case_fault_check(op, vector);
}

static void rdpmc(const struct case_op* op) {
  u64 ecx, value = 0;
  if (!value_of(op, op->arg[0], &ecx)) return;
  const u64 cr4 = rt_read_cr4(), pce = 0x100;
  rt_write_cr4(op->arg[2] ? cr4 | pce : cr4 & ~pce);
  const int vector = op->arg[1] == 3 ? rt_rdpmc_user((u32)ecx, &value) : rt_rdpmc_safe((u32)ecx, &value);
  rt_write_cr4(cr4);
  if (vector == RT_NO_FAULT) case_store(op, op->target, value);
  case_fault_check(op, vector);
}

static void cpuid(const struct case_op* op) {
  u64 leaf, subleaf;
  if (!value_of(op, op->arg[0], &leaf) || !value_of(op, op->arg[1], &subleaf)) return;
  const struct rt_cpuid r = rt_cpuid((u32)leaf, (u32)subleaf);
  const u32 values[4] = {r.eax, r.ebx, r.ecx, r.edx};
  case_store(op, op->target, values[op->arg[2]]);
}

/* Whether the host answered. */
static int host(const struct case_op* op) {
  rt_out32(CASE_DOORBELL_PORT, op->arg[0]);
  const u32 status = rt_in32(CASE_DOORBELL_PORT);
  if (status == 0xffffffff) {
    case_skip(op, "no host answers at the doorbell");
    return 0;
  }
  case_store(op, op->target, status);
  return 1;
}

/* Performs one step; the index of the next. */
static u32 perform(const struct case_op* op, u32 next) {
  u64 a, b;
  if (op->kind != OP_LET) case_forget(op->target);
  switch (op->kind) {
    case OP_LET:
      if (!value_of(op, op->arg[0], &a)) {
        case_forget(op->target);
      } else if (op->arg[1]) {
        case_set(op->target.name, a); /* a loop variable: no observation */
      } else {
        case_store(op, op->target, a);
      }
      break;
    case OP_WRMSR:
    case OP_RDMSR:
      access_msr(op);
      break;
    case OP_RDPMC:
      rdpmc(op);
      break;
    case OP_CPUID:
      cpuid(op);
      break;
    case OP_CHECK:
      check(op);
      break;
    case OP_JUMP:
      return op->arg[0];
    case OP_JUMP_UNLESS: {
      const struct case_value v = case_eval(op->arg[1]);
      if (!v.defined) case_skip(op, kUndefined);
      return v.defined && v.value ? next : op->arg[0];
    }
    case OP_SKIP:
      case_skip(op, case_string(op->text));
      return op->arg[0];
    case OP_INTERRUPTS:
      if (op->arg[0]) {
        rt_sti();
      } else {
        rt_cli();
      }
      break;
    case OP_PAUSE:
      if (value_of(op, op->arg[0], &a)) {
        while (a--) rt_pause();
      }
      break;
    case OP_LVTPC:
      if (rt_apic_present()) {
        case_set_lvtpc(op->arg[0], op->arg[1]);
      } else {
        case_skip(op, "no local APIC");
      }
      break;
    case OP_ON_PMI:
      if (value_of(op, op->arg[1], &a) && value_of(op, op->arg[2], &b)) case_on_pmi(op->arg[0], (u32)a, b);
      break;
    case OP_WAIT_PMI:
      if (value_of(op, op->arg[0], &a) && value_of(op, op->arg[1], &b)) case_wait_pmi(op, a, b);
      break;
    case OP_MEASURE:
      case_measure(op);
      break;
    case OP_HOST:
      return host(op) ? next : op->arg[1];
    case OP_CLEAR:
      case_clear();
      break;
  }
  return next;
}

static int requirements_met(const struct case_header* h) {
  const struct case_requirement* list = case_at(h->requirements.offset);
  for (u32 i = 0; i < h->requirements.count; ++i) {
    if (case_eval(list[i].condition).value) continue;
    rt_printf("@skip case at=- needs %s", case_string(list[i].text));
    if (list[i].actual) rt_printf(", have %lu", case_eval(list[i].actual).value);
    rt_puts("\n@end skip 0 passed, 0 failed, 1 skipped\n");
    return 0;
  }
  return 1;
}

int main(void) {
  static const char* const vendors[] = {"other", "intel", "amd"};
  const struct case_header* h = case_header();
  if (h->magic != CASE_MAGIC) {
    rt_puts("@abort this image holds no case\n");
    return RT_EXIT_ABORT;
  }
  case_init_builtins();
  case_pmi_init();
  rt_printf("@case %s\n@cpu vendor=%s version=%u gp=%u/%u fixed=0x%x/%u\n", case_string(h->id),
            vendors[rt_pmu.vendor], rt_pmu.version, rt_pmu.gp_count, rt_pmu.gp_width, rt_pmu.fixed_mask,
            rt_pmu.fixed_width);
  if (!requirements_met(h)) return RT_EXIT_SKIP;
  const struct case_op* ops = case_at(h->ops.offset);
  for (u32 i = 0; i < h->ops.count;) i = perform(&ops[i], i + 1);
  rt_cli();
  if (rt_pmu.has_global_ctrl) rt_wrmsr_safe(rt_global_ctrl(), 0);
  return (int)case_finish();
}
