// SPDX-License-Identifier: Apache-2.0
// The expression language: what the guest's evaluator gives for emitted RPN, with and without constant
// folding.
#include "conformance/language/expression.h"

#include <doctest/doctest.h>

#include <map>

#include "guests/case/eval.h"

using namespace pmusim;
using namespace pmusim::conformance;

namespace {

const std::map<std::string, u64> kNames = {
    {"zero", 0}, {"one", 1}, {"two", 2}, {"big", 0xffff'ffff'ffff'ffff}, {"w", 48}};

// Names above have values in slots 1 and up, "gone" has none; "list" is an array with list[3] = 33.
struct World {
  World() {
    u32 slot = 1;
    for (const auto& [name, value] : kNames) {
      meanings[name] = {Meaning::Value, 0, slot};
      values[slot] = value;
      defined[slot++] = 1;
    }
    meanings["gone"] = {Meaning::Value, 0, slot++};
    meanings["list"] = {Meaning::Array, 0, slot};
    values[slot + 3] = 33;
    defined[slot + 3] = 1;
    for (const auto& [name, value] : named_constants()) meanings[name] = {Meaning::Constant, value, 0};
    scope.find = [this](const std::string& n) -> std::optional<Meaning> {
      const auto it = meanings.find(n);
      if (it == meanings.end()) return std::nullopt;
      return it->second;
    };
    scope.names = [this] {
      std::vector<std::string> out;
      for (const auto& m : meanings) out.push_back(m.first);
      return out;
    };
  }

  case_value evaluate(const std::string& text) {
    std::vector<case_rpn> pool;
    const Expression e(text, scope);
    return case_evaluate(pool.data() + 0 * e.emit(pool), 0, values, defined);
  }

  std::map<std::string, Meaning> meanings;
  u64 values[200] = {};
  u8 defined[200] = {};
  Scope scope;
};

u64 value(const std::string& text) {
  World w;
  const case_value v = w.evaluate(text);
  CAPTURE(text);
  REQUIRE(v.defined);
  return v.value;
}

std::size_t error_column(const std::string& text) {
  World w;
  try {
    Expression(text, w.scope);
  } catch (const ExpressionError& e) {
    return e.column();
  }
  return 0;
}

}  // namespace

TEST_CASE("operators bind as in C") {
  CHECK(value("2 + 3 * 4") == 14);
  CHECK(value("1 << 2 + 1") == 8);
  CHECK(value("1 | 2 ^ 3 & 1") == 3);
  CHECK(value("5 & 4 == 4") == 1);
  CHECK(value("10 - 4 - 3") == 3);
  CHECK(value("!0 + 1") == 2);
  CHECK(value("0 ? 1 : 0 ? 2 : 3") == 3);
  CHECK(value("1 < 2 == 1 && 3 >= 3 || 0") == 1);
}

TEST_CASE("arithmetic is unsigned, 64 bits wide, and wraps") {
  CHECK(value("-1") == ~u64{0});
  CHECK(value("big + two") == 1);
  CHECK(value("0xffffffffffffffff") == ~u64{0});
  CHECK(value("zero - one > one") == 1);
  CHECK(value("big / two") == ~u64{0} / 2);
  CHECK(value("~zero == big") == 1);
}

TEST_CASE("a shift by 63 moves one bit and a shift by 64 leaves nothing") {
  CHECK(value("one << 63") == u64{1} << 63);
  CHECK(value("one << 64") == 0);
  CHECK(value("big >> 63") == 1);
  CHECK(value("big >> 64") == 0);
}

TEST_CASE("sext copies the sign bit of the width upwards") {
  CHECK(value("sext(0x7fffffff, 32)") == 0x7fffffff);
  CHECK(value("sext(0x80000000, 32)") == 0xffffffff80000000);
  CHECK(value("sext(bit(w - 1), w)") == 0xffff800000000000);
  CHECK(value("sext(big, 64)") == ~u64{0});
}

TEST_CASE("mask and bit cover 0 to 64 bits") {
  CHECK(value("mask(zero)") == 0);
  CHECK(value("mask(w)") == 0xffff'ffff'ffff);
  CHECK(value("mask(64)") == ~u64{0});
  CHECK(value("bit(63)") == u64{1} << 63);
  CHECK(value("cmask(2) | umask(1)") == 0x02000100);
}

TEST_CASE("a name without a value makes the result undefined, except in the branch that is not taken") {
  World w;
  CHECK_FALSE(w.evaluate("gone + 1").defined);
  CHECK_FALSE(w.evaluate("gone || 1").defined);
  CHECK(w.evaluate("0 && gone").defined);
  CHECK(w.evaluate("one || gone").value == 1);
  CHECK(w.evaluate("one ? two : gone").value == 2);
  CHECK_FALSE(w.evaluate("zero ? two : gone").defined);
  CHECK(w.evaluate("defined(gone)").value == 0);
  CHECK(w.evaluate("defined(one)").value == 1);
  CHECK_FALSE(w.evaluate("one / zero").defined);
}

TEST_CASE("an element of a saved list is found by a constant and by a computed index") {
  World w;
  CHECK(w.evaluate("list[3]").value == 33);
  CHECK(w.evaluate("list[one + two]").value == 33);
  CHECK_FALSE(w.evaluate("list[two]").defined);
  CHECK_FALSE(w.evaluate("list[big]").defined);
}

TEST_CASE("constant expressions are folded to one item and others are not") {
  World w;
  CHECK(Expression("(1 << 4) | OS", w.scope).constant() == std::optional<u64>(0x20010));
  CHECK_FALSE(Expression("one + 1", w.scope).constant());
  std::vector<case_rpn> pool;
  Expression("3 * (4 + 5)", w.scope).emit(pool);
  CHECK(pool.size() == 2);
}

TEST_CASE("an error in an expression names its column") {
  CHECK(error_column("one + unknown") == 7);
  CHECK(error_column("one +") == 6);
  CHECK(error_column("(one") == 5);
  CHECK(error_column("one two") == 5);
  CHECK(error_column("0x1ffffffffffffffff") == 1);
  CHECK(error_column("18446744073709551616") == 1);
  CHECK(error_column("18446744073709551615") == 0);
  CHECK(error_column("mask(1, 2)") == 1);
  CHECK(error_column("list") == 5);
  CHECK(error_column("list[64]") > 0);
}

TEST_CASE("an unknown name suggests the nearest one") {
  World w;
  try {
    Expression("on + 1", w.scope);
    FAIL("no error");
  } catch (const ExpressionError& e) {
    CHECK(e.expected().find("one") != std::string::npos);
  }
}
