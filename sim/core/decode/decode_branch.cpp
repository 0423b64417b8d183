// SPDX-License-Identifier: Apache-2.0
// Forms of branches: targets, and the handler for their combination.
#include "core/decode/lowering.h"

namespace pmusim::core {

void Lowering::branch(OpBranch kind, Handler h) {
  op_.branch = kind;
  mark(kOpSetsRip);
  system(h);
}

// In 64-bit code, an operand-size prefix changes near branches on AMD alone.
void Lowering::near_branch() {
  const bool narrow = i_.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE && !i_.raw.rex.W;
  if (mode_ == 8) op_.size = amd_ && narrow ? 2 : 8;
}

void Lowering::relative() {
  near_branch();
  op_.imm = low_bytes(op_.next_rip + o_[0].imm.value.u, op_.size);
}

void Lowering::jump_or_call(bool is_call) {
  if (i_.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
    if (is_mem(0)) {
      memory(0, 2, 0);
    } else {
      op_.disp = o_[0].ptr.segment;
      op_.imm = o_[0].ptr.offset;
    }
    if (is_call) implicit(0, 2);
    return far_branch(is_call ? (is_mem(0) ? op::call_far_mem : op::call_far)
                              : (is_mem(0) ? op::jmp_far_mem : op::jmp_far));
  }
  near_branch();
  if (is_call) implicit(0, 1);
  if (is_imm(0)) {
    relative();
    return branch(is_call ? OpBranch::DirectCall : OpBranch::DirectJump, is_call      ? op::call
                                                                         : mode_ == 8 ? op::jmp
                                                                                      : op::jmp_limited);
  }
  const OpBranch kind = is_call ? OpBranch::IndirectCall : OpBranch::IndirectJump;
  if (is_mem(0)) {
    memory(0, 1, 0);
    return branch(kind, is_call ? op::call_mem : op::jmp_mem);
  }
  op_.dst = reg(o_[0]);
  branch(kind, is_call ? op::call_reg : op::jmp_reg);
}

void Lowering::far_branch(Handler h) {
  branch(OpBranch::Far, h);
}

}  // namespace pmusim::core
