// SPDX-License-Identifier: Apache-2.0
// From exceptions to data and back.
#include "core/execute/try_execute.h"

#include <stdexcept>
#include <utility>

namespace pmusim::core {

Outcome try_execute(Executor& x, const MicroOp& op, Handler run) noexcept {
  x.op = &op;
  try {
    run(x, op);
    return Outcome::Done;
  } catch (const Fault& fault) {
    x.kept.fault = fault;
    return Outcome::Fault;
  } catch (const ExitRequest& request) {
    x.kept.exit = request.exit;
    return Outcome::Exit;
  } catch (...) {
    x.kept.error = std::current_exception();
    return Outcome::Error;
  }
}

void raise_kept(Executor& x, Outcome outcome) {
  switch (outcome) {
    case Outcome::Fault:
      throw x.kept.fault;
    case Outcome::Exit:
      throw ExitRequest{x.kept.exit};
    case Outcome::Error:
      std::rethrow_exception(std::exchange(x.kept.error, nullptr));
    case Outcome::Done:
      break;
  }
  throw std::logic_error("nothing was thrown");
}

}  // namespace pmusim::core
