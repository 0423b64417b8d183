/* SPDX-License-Identifier: Apache-2.0
   Records of what a case has seen, kept in memory while it runs (printing would disturb counters) and printed
   at the end as the line protocol of docs/case-format.md. When the buffer is full the rest is counted as lost
   and the case fails. */
#include "case.h"

enum { kMaxRecords = 8192 };
enum kind { OBSERVE, CHECK, CHECK_SKIPPED, ALTERNATIVE, CONDITION, SKIP };

struct record {
  u32 kind, step;
  u32 at_name, name, text;
  u16 passed, comparison;
  u64 at, a, b;
  const char* reason;
};

static struct record records[kMaxRecords];
static u32 count, lost, passed_checks, failed_checks, skips;

static struct record* add(const struct case_op* op, enum kind kind) {
  static struct record overflow;
  struct record* r = &overflow;
  if (count < kMaxRecords) {
    r = &records[count++];
  } else {
    ++lost;
  }
  r->kind = kind;
  r->step = op->step;
  r->text = op->text;
  r->at_name = op->at;
  r->at = op->at ? case_values[op->at] : 0;
  return r;
}

void case_observe(const struct case_op* op, u32 name, u64 index, int has_index, u64 value) {
  struct record* r = add(op, OBSERVE);
  r->name = name;
  r->passed = (u16)has_index;
  r->b = index;
  r->a = value;
}

static void alternatives(const struct case_op* op) {
  const struct case_alternative* list = case_at(case_header()->alternatives.offset);
  for (u32 i = 0; i < op->alternative_count; ++i) {
    const struct case_alternative* a = &list[op->alternatives + i];
    const struct case_value v = case_eval(a->value);
    if (!v.defined) continue;
    struct record* r = add(op, a->condition ? CONDITION : ALTERNATIVE);
    r->name = a->divergence;
    r->a = v.value;
  }
}

void case_check(const struct case_op* op, int passed, u64 got, u32 comparison, u64 want) {
  struct record* r = add(op, CHECK);
  r->passed = (u16)passed;
  r->comparison = (u16)comparison;
  r->a = got;
  r->b = want;
  if (passed) {
    ++passed_checks;
  } else {
    ++failed_checks;
  }
  alternatives(op);
}

void case_skip_check(const struct case_op* op) {
  add(op, CHECK_SKIPPED);
  ++skips;
}

void case_skip(const struct case_op* op, const char* reason) {
  add(op, SKIP)->reason = reason;
  ++skips;
}

void case_fault_check(const struct case_op* op, int vector) {
  const u64 got = vector == RT_NO_FAULT ? CASE_NO_FAULT : (u64)vector;
  case_set(CASE_NAME_last_fault, got);
  switch (op->fault) {
    case FAULT_RECORD:
      break;
    case FAULT_ANY:
      case_check(op, got != CASE_NO_FAULT, got, RPN_NE, CASE_NO_FAULT);
      break;
    case FAULT_IMPLICIT_NONE:
      if (got != CASE_NO_FAULT) case_check(op, 0, got, RPN_EQ, CASE_NO_FAULT);
      break;
    default:
      case_check(op, got == op->fault, got, RPN_EQ, op->fault);
  }
}

static const char* comparison_name(u32 op) {
  switch (op) {
    case RPN_EQ:
      return "eq";
    case RPN_NE:
      return "ne";
    case RPN_LT:
      return "lt";
    case RPN_LE:
      return "le";
    case RPN_GT:
      return "gt";
    case RPN_GE:
      return "ge";
    default:
      return "true";
  }
}

static const char* name_text(u32 name) {
  const u32* names = case_at(case_header()->names.offset);
  return case_string(names[name]);
}

static void print_at(const struct record* r) {
  if (r->at_name) {
    rt_printf(" at=%s:%lu", name_text(r->at_name), r->at);
  } else {
    rt_puts(" at=-");
  }
}

static void print(const struct record* r) {
  switch (r->kind) {
    case OBSERVE:
      rt_printf("@obs %u %s", r->step, name_text(r->name));
      if (r->passed) rt_printf("[%lu]", r->b);
      rt_printf(" 0x%lx\n", r->a);
      break;
    case CHECK:
      rt_printf("@check %u %s got=0x%lx op=%s want=0x%lx", r->step, r->passed ? "pass" : "fail", r->a,
                comparison_name(r->comparison), r->b);
      print_at(r);
      rt_printf(" %s\n", case_string(r->text));
      break;
    case CHECK_SKIPPED:
      rt_printf("@check %u skip got=- op=- want=-", r->step);
      print_at(r);
      rt_printf(" %s\n", case_string(r->text));
      break;
    case ALTERNATIVE:
    case CONDITION:
      rt_printf("@%s %u %u 0x%lx", r->kind == CONDITION ? "when" : "alt", r->step, r->name, r->a);
      print_at(r);
      rt_putc('\n');
      break;
    case SKIP:
      rt_printf("@skip %u", r->step);
      print_at(r);
      rt_printf(" %s\n", r->reason);
      break;
  }
}

u32 case_finish(void) {
  for (u32 i = 0; i < count; ++i) print(&records[i]);
  if (lost) rt_printf("@lost %u\n", lost);
  if (failed_checks || lost) {
    rt_printf("@end fail %u passed, %u failed, %u skipped\n", passed_checks, failed_checks, skips);
    return RT_EXIT_FAIL;
  }
  rt_printf("@end %s %u passed, %u failed, %u skipped\n", passed_checks ? "pass" : "skip", passed_checks,
            failed_checks, skips);
  return passed_checks ? RT_EXIT_PASS : RT_EXIT_SKIP;
}
