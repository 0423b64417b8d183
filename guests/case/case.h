/* SPDX-License-Identifier: Apache-2.0
   Parts of the case interpreter: names, records, registers, measurement. */
#ifndef PMUSIM_GUEST_CASE_H
#define PMUSIM_GUEST_CASE_H

#include "eval.h"
#include "rt.h"

/* names.c */
extern u64 case_values[CASE_MAX_VALUES];
extern u8 case_defined[CASE_MAX_VALUES];
void case_init_builtins(void);
void case_set(u32 name, u64 value);
const struct case_header* case_header(void);
const void* case_at(u32 offset);
const char* case_string(u32 offset);
struct case_value case_eval(u32 expression);
/* Stores and records an observation. Returns 0 if the index is not usable. */
int case_store(const struct case_op* op, struct case_target target, u64 value);
/* The name has no value until it is stored again. */
void case_forget(struct case_target target);

/* record.c: everything observed is kept and printed at the end. */
void case_observe(const struct case_op* op, u32 name, u64 index, int has_index, u64 value);
/* With what the documented divergences say about it. */
void case_check(const struct case_op* op, int passed, u64 got, u32 comparison, u64 want);
void case_skip_check(const struct case_op* op);
void case_skip(const struct case_op* op, const char* reason);
void case_fault_check(const struct case_op* op, int vector); /* judges a fault expectation */
u32 case_finish(void);                                       /* prints all; the exit value */

/* registers.c */
/* 0 if this machine's vendor has no such register (why says so). */
int case_resolve(u32 reg, u64 index, u32* msr, const char** why);
int case_read_register(u32 reg, u32 msr, u64* value);
int case_write_register(u32 reg, u32 msr, u64 value);
void case_write_counter(u32 fixed, u32 index, u64 value);
void case_clear(void);

/* pmi.c */
void case_pmi_init(void);
void case_set_lvtpc(u32 nmi, u32 masked);
void case_on_pmi(u32 flags, u32 counter, u64 value);
void case_wait_pmi(const struct case_op* op, u64 count, u64 spins);

/* measure.c */
void case_measure(const struct case_op* op);

#endif
