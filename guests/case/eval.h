/* SPDX-License-Identifier: Apache-2.0
   The evaluator of compiled expressions, one implementation for the guest and for the compiler's constant
   folding and tests. Arithmetic is on unsigned 64-bit numbers and wraps; a shift by 64 or more gives 0; a
   division by 0 and a name without a value make the result undefined, except in the branch of ?:, && or ||
   not taken. */
#ifndef PMUSIM_GUEST_EVAL_H
#define PMUSIM_GUEST_EVAL_H

#include "payload.h"

struct case_value {
  uint64_t value;
  uint32_t defined;
};

static inline uint64_t case_binary(uint32_t op, uint64_t a, uint64_t b, uint32_t* defined) {
  switch (op) {
    case RPN_ADD:
      return a + b;
    case RPN_SUB:
      return a - b;
    case RPN_MUL:
      return a * b;
    case RPN_DIV:
      if (!b) *defined = 0;
      return b ? a / b : 0;
    case RPN_MOD:
      if (!b) *defined = 0;
      return b ? a % b : 0;
    case RPN_AND:
      return a & b;
    case RPN_OR:
      return a | b;
    case RPN_XOR:
      return a ^ b;
    case RPN_SHL:
      return b < 64 ? a << b : 0;
    case RPN_SHR:
      return b < 64 ? a >> b : 0;
    case RPN_EQ:
      return a == b;
    case RPN_NE:
      return a != b;
    case RPN_LT:
      return a < b;
    case RPN_LE:
      return a <= b;
    case RPN_GT:
      return a > b;
    case RPN_GE:
      return a >= b;
    case RPN_MIN:
      return a < b ? a : b;
    case RPN_MAX:
      return a > b ? a : b;
    case RPN_SEXT: {
      uint64_t sign, low;
      if (b == 0 || b >= 64) return b ? a : 0;
      sign = (uint64_t)1 << (b - 1);
      low = a & ((sign << 1) - 1);
      return (low ^ sign) - sign;
    }
    default:
      *defined = 0;
      return 0;
  }
}

static inline struct case_value case_logical(uint32_t op, struct case_value a, struct case_value b) {
  const uint64_t decides = op == RPN_LOR; /* a value of the left side that decides alone */
  struct case_value r;
  if (a.defined && (a.value != 0) == decides) {
    r.value = decides;
    r.defined = 1;
  } else {
    r.value = b.value != 0;
    r.defined = a.defined && b.defined;
  }
  return r;
}

static inline uint64_t case_popcount(uint64_t a) {
  uint64_t n = 0;
  for (; a; a &= a - 1) ++n;
  return n;
}

static inline struct case_value case_evaluate(const struct case_rpn* rpn, uint32_t start,
                                              const uint64_t* values, const uint8_t* defined) {
  struct case_value stack[CASE_MAX_STACK];
  uint32_t top = 0;
  for (const struct case_rpn* item = rpn + start;; ++item) {
    struct case_value* s = stack + top; /* s[-1] is the top operand */
    switch (item->op) {
      case RPN_END:
        return stack[0];
      case RPN_CONST:
        s->value = item->value;
        s->defined = 1;
        ++top;
        break;
      case RPN_NAME:
        s->value = values[item->name];
        s->defined = defined[item->name];
        ++top;
        break;
      case RPN_DEFINED:
        s->value = defined[item->name];
        s->defined = 1;
        ++top;
        break;
      case RPN_ELEMENT:
        if (s[-1].defined && s[-1].value < CASE_ARRAY_SIZE) {
          const uint32_t slot = item->name + (uint32_t)s[-1].value;
          s[-1].value = values[slot];
          s[-1].defined = defined[slot];
        } else {
          s[-1].defined = 0;
        }
        break;
      case RPN_NEG:
        s[-1].value = 0 - s[-1].value;
        break;
      case RPN_NOT:
        s[-1].value = ~s[-1].value;
        break;
      case RPN_LNOT:
        s[-1].value = !s[-1].value;
        break;
      case RPN_BIT:
        s[-1].value = s[-1].value < 64 ? (uint64_t)1 << s[-1].value : 0;
        break;
      case RPN_MASK:
        s[-1].value = s[-1].value < 64 ? ((uint64_t)1 << s[-1].value) - 1 : ~(uint64_t)0;
        break;
      case RPN_POPCOUNT:
        s[-1].value = case_popcount(s[-1].value);
        break;
      case RPN_LAND:
      case RPN_LOR:
        s[-2] = case_logical(item->op, s[-2], s[-1]);
        --top;
        break;
      case RPN_SELECT: {
        const struct case_value chosen = s[-3].value ? s[-2] : s[-1];
        const uint32_t condition_defined = s[-3].defined;
        s[-3] = chosen;
        if (!condition_defined) s[-3].defined = 0;
        top -= 2;
        break;
      }
      default:
        s[-2].defined = s[-2].defined && s[-1].defined;
        s[-2].value = case_binary(item->op, s[-2].value, s[-1].value, &s[-2].defined);
        --top;
    }
  }
}

#endif
