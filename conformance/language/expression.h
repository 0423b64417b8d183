// SPDX-License-Identifier: Apache-2.0
// Expressions of the case language: 64-bit unsigned infix arithmetic over names, parsed to a tree, bound to
// what the names mean, folded where constant, and emitted as the RPN that the guest evaluates
// (guests/case/eval.h). The language is described in docs/case-format.md. NOT supported: signed comparison
// (use sext and masks), strings.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/types.h"
#include "guests/case/payload.h"

namespace pmusim::conformance {

// What is wrong with an expression, and in which column (from 1). The caller adds file and place.
class ExpressionError : public std::runtime_error {
 public:
  ExpressionError(std::size_t column, std::string found, std::string expected);
  std::size_t column() const { return column_; }
  const std::string& found() const { return found_; }
  const std::string& expected() const { return expected_; }

 private:
  std::size_t column_;
  std::string found_, expected_;
};

// What a name stands for.
struct Meaning {
  enum Kind { Constant, Value, Array } kind = Constant;
  u64 constant = 0;
  u32 slot = 0;  // of the value, or of the array's element 0
};

// Gives the meaning of a name ("gp_count", "loop.instructions"), or nothing if there is none; `names()` are
// the valid ones, for the error message.
struct Scope {
  std::function<std::optional<Meaning>(const std::string&)> find;
  std::function<std::vector<std::string>()> names;
};

class Expression {
 public:
  // Parses and binds. Throws ExpressionError.
  Expression(const std::string& text, const Scope& scope);
  explicit Expression(u64 constant);
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  std::optional<u64> constant() const;  // its value, if it does not depend on the guest
  // The comparison at the root: its two sides and operator; nothing if the root is something else.
  struct Sides;
  std::optional<Sides> comparison() const;
  // Appends the RPN and returns the index of its first item. Constants are folded.
  u32 emit(std::vector<case_rpn>& pool) const;
  // Slots that the value depends on.
  std::vector<u32> slots() const;
  // The constants and slots of a chain of "|" (or a single one): what a selector is made of. Empty if it is
  // no chain.
  struct Term {
    bool is_slot;
    u64 value;
  };
  std::vector<Term> or_terms() const;

  struct Node;

 private:
  explicit Expression(std::shared_ptr<const Node> root);
  std::shared_ptr<const Node> root_;
};

struct Expression::Sides {
  u32 op;  // RPN_EQ ... RPN_GE
  Expression left, right;
};

// Constants that every expression knows: EN, OS, USR, INT, ...
const std::vector<std::pair<std::string, u64>>& named_constants();

}  // namespace pmusim::conformance
