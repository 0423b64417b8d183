// SPDX-License-Identifier: Apache-2.0
// Forms of branches: targets, and the handler for their combination.
#include "core/decode/lowering.h"

namespace pmusim::core {

void Lowering::branch(OpBranch kind, Op op, Handler h) {
  op_.branch = kind;
  mark(kOpSetsRip);
  system(op, h);
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
    return is_call ? far_branch(Op::CALL_FAR, is_mem(0) ? op::call_far_mem : op::call_far)
                   : far_branch(Op::JMP_FAR, is_mem(0) ? op::jmp_far_mem : op::jmp_far);
  }
  near_branch();
  if (is_call) implicit(0, 1);
  if (is_imm(0)) {
    relative();
    return is_call ? branch(OpBranch::DirectCall, Op::CALL, op::call)
                   : branch(OpBranch::DirectJump, Op::JMP, mode_ == 8 ? op::jmp : op::jmp_limited);
  }
  if (is_mem(0))
    memory(0, 1, 0);
  else
    op_.dst = reg(o_[0]);
  return is_call ? branch(OpBranch::IndirectCall, Op::CALL, is_mem(0) ? op::call_mem : op::call_reg)
                 : branch(OpBranch::IndirectJump, Op::JMP, is_mem(0) ? op::jmp_mem : op::jmp_reg);
}

void Lowering::far_branch(Op op, Handler h) {
  branch(OpBranch::Far, op, h);
}

}  // namespace pmusim::core
