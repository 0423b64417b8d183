// SPDX-License-Identifier: Apache-2.0
// Parser (precedence climbing, C's order), constant folding and RPN of the expression language.
#include "conformance/language/expression.h"

#include <algorithm>
#include <utility>

#include "arch/evtsel.h"
#include "base/error.h"
#include "guests/case/eval.h"

namespace pmusim::conformance {

ExpressionError::ExpressionError(std::size_t column, std::string found, std::string expected)
    : std::runtime_error("column " + std::to_string(column) + ": found " + found + ", expected " + expected),
      column_(column),
      found_(std::move(found)),
      expected_(std::move(expected)) {}

struct Expression::Node {
  u32 op = RPN_CONST;
  u64 value = 0;
  u32 slot = 0;
  std::vector<std::shared_ptr<const Node>> children;
};

namespace {

using Node = Expression::Node;
using NodePtr = std::shared_ptr<const Node>;

struct Operator {
  const char* text;
  int precedence;
  u32 op;
};

// Longer spellings first, so that "<=" is not read as "<".
constexpr Operator kOperators[] = {
    {"||", 1, RPN_LOR}, {"&&", 2, RPN_LAND}, {"==", 6, RPN_EQ},  {"!=", 6, RPN_NE}, {"<<", 8, RPN_SHL},
    {">>", 8, RPN_SHR}, {"<=", 7, RPN_LE},   {">=", 7, RPN_GE},  {"<", 7, RPN_LT},  {">", 7, RPN_GT},
    {"|", 3, RPN_OR},   {"^", 4, RPN_XOR},   {"&", 5, RPN_AND},  {"+", 9, RPN_ADD}, {"-", 9, RPN_SUB},
    {"*", 10, RPN_MUL}, {"/", 10, RPN_DIV},  {"%", 10, RPN_MOD},
};

struct Function {
  const char* name;
  u32 op;
  unsigned arguments;
};

constexpr Function kFunctions[] = {
    {"min", RPN_MIN, 2},   {"max", RPN_MAX, 2},   {"bit", RPN_BIT, 1},
    {"mask", RPN_MASK, 1}, {"sext", RPN_SEXT, 2}, {"popcount", RPN_POPCOUNT, 1},
};

NodePtr constant_node(u64 value) {
  auto n = std::make_shared<Node>();
  n->value = value;
  return n;
}

void emit_node(const Node& node, std::vector<case_rpn>& pool) {
  for (const NodePtr& child : node.children) emit_node(*child, pool);
  pool.push_back({node.op, node.slot, node.value});
}

unsigned depth(const Node& node) {
  unsigned deepest = 1, position = 0;
  for (const NodePtr& child : node.children) deepest = std::max(deepest, position++ + depth(*child));
  return deepest;
}

// A node whose children are all constant becomes a constant, by the guest's own evaluator.
NodePtr folded(u32 op, std::vector<NodePtr> children) {
  auto n = std::make_shared<Node>();
  n->op = op;
  n->children = std::move(children);
  const bool all = std::all_of(n->children.begin(), n->children.end(),
                               [](const NodePtr& c) { return c->op == RPN_CONST; });
  if (all && op != RPN_ELEMENT) {
    std::vector<case_rpn> items;
    emit_node(*n, items);
    items.push_back({RPN_END, 0, 0});
    const case_value v = case_evaluate(items.data(), 0, nullptr, nullptr);
    if (v.defined) return constant_node(v.value);
  }
  return n;
}

class Parser {
 public:
  Parser(const std::string& text, const Scope& scope) : text_(text), scope_(scope) {}

  NodePtr parse() {
    NodePtr n = ternary();
    skip_space();
    if (at_ < text_.size()) fail(rest(), "an operator or the end");
    if (depth(*n) > CASE_MAX_STACK) fail("an expression nested too deeply", "at most 64 levels");
    return n;
  }

 private:
  [[noreturn]] void fail(const std::string& found, const std::string& expected) const {
    throw ExpressionError(at_ + 1, found, expected);
  }

  std::string rest() const { return at_ < text_.size() ? "'" + text_.substr(at_, 12) + "'" : "the end"; }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }

  bool accept(const std::string& token) {
    skip_space();
    if (text_.compare(at_, token.size(), token) != 0) return false;
    at_ += token.size();
    return true;
  }

  void expect(const std::string& token) {
    if (!accept(token)) fail(rest(), "'" + token + "'");
  }

  NodePtr ternary() {
    if (++nesting_ > 200) fail("an expression nested too deeply", "at most 200 levels");
    NodePtr condition = binary(1);
    if (accept("?")) {
      NodePtr yes = ternary();
      expect(":");
      NodePtr no = ternary();
      condition = folded(RPN_SELECT, {condition, yes, no});
    }
    --nesting_;
    return condition;
  }

  const Operator* peek_operator() {
    skip_space();
    for (const Operator& o : kOperators) {
      if (text_.compare(at_, std::char_traits<char>::length(o.text), o.text) == 0) return &o;
    }
    return nullptr;
  }

  NodePtr binary(int lowest) {
    NodePtr left = unary();
    for (const Operator* o = peek_operator(); o && o->precedence >= lowest; o = peek_operator()) {
      at_ += std::char_traits<char>::length(o->text);
      skip_space();
      const std::size_t begin = at_;
      NodePtr right = binary(o->precedence + 1);
      if ((o->op == RPN_DIV || o->op == RPN_MOD) && right->op == RPN_CONST && right->value == 0) {
        at_ = begin;
        fail("a divisor that is always 0", "another");
      }
      left = folded(o->op, {left, right});
    }
    return left;
  }

  NodePtr unary() {
    if (++nesting_ > 200) fail("an expression nested too deeply", "at most 200 levels");
    skip_space();
    NodePtr n;
    if (accept("-")) {
      n = folded(RPN_NEG, {unary()});
    } else if (accept("~")) {
      n = folded(RPN_NOT, {unary()});
    } else if (accept("!")) {
      n = folded(RPN_LNOT, {unary()});
    } else {
      n = primary();
    }
    --nesting_;
    return n;
  }

  NodePtr primary() {
    skip_space();
    if (accept("(")) {
      NodePtr n = ternary();
      expect(")");
      return n;
    }
    if (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') return number();
    const std::size_t begin = at_;
    const std::string name = identifier();
    if (name.empty()) fail(rest(), "a number, a name or '('");
    skip_space();
    if (at_ < text_.size() && text_[at_] == '(') {
      ++at_;
      return call(name, begin);
    }
    return named(name, begin);
  }

  NodePtr number() {
    const std::size_t begin = at_;
    const bool hex = text_.compare(at_, 2, "0x") == 0 || text_.compare(at_, 2, "0X") == 0;
    if (hex) at_ += 2;
    u64 value = 0;
    bool any = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '_') continue;
      unsigned digit;
      if (c >= '0' && c <= '9') {
        digit = static_cast<unsigned>(c - '0');
      } else if (hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
        digit = static_cast<unsigned>((c | 0x20) - 'a' + 10);
      } else {
        break;
      }
      any = true;
      const u128 next = static_cast<u128>(value) * (hex ? 16 : 10) + digit;
      if (next >> 64) {
        at_ = begin;
        fail(rest(), "a number of at most 64 bits");
      }
      value = static_cast<u64>(next);
    }
    if (!any) fail(rest(), "hexadecimal digits");
    return constant_node(value);
  }

  std::string identifier() {
    auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    std::size_t end = at_;
    while (end < text_.size() &&
           (letter(text_[end]) ||
            (end > at_ && (text_[end] == '.' || (text_[end] >= '0' && text_[end] <= '9'))))) {
      ++end;
    }
    std::string name = text_.substr(at_, end - at_);
    at_ = end;
    return name;
  }

  Meaning lookup(const std::string& name, std::size_t begin) {
    if (const auto m = scope_.find(name)) return *m;
    at_ = begin;
    fail("unknown name '" + name + "'", expected_one_of(name, scope_.names()));
  }

  NodePtr slot_node(u32 op, u32 slot, std::vector<NodePtr> children = {}) {
    auto n = std::make_shared<Node>();
    n->op = op;
    n->slot = slot;
    n->children = std::move(children);
    return n;
  }

  NodePtr named(const std::string& name, std::size_t begin) {
    const Meaning m = lookup(name, begin);
    if (m.kind == Meaning::Constant) return constant_node(m.constant);
    if (m.kind == Meaning::Value) return slot_node(RPN_NAME, m.slot);
    if (!accept("[")) fail(rest(), "'[', because '" + name + "' was saved with an index");
    NodePtr index = ternary();
    expect("]");
    if (index->op == RPN_CONST) {
      if (index->value >= CASE_ARRAY_SIZE) fail("index " + std::to_string(index->value), "an index below 64");
      return slot_node(RPN_NAME, m.slot + static_cast<u32>(index->value));
    }
    return slot_node(RPN_ELEMENT, m.slot, {index});
  }

  NodePtr call(const std::string& name, std::size_t begin) {
    if (name == "event" || name == "defined") {
      skip_space();
      const std::size_t argument = at_;
      const std::string inner = identifier();
      if (inner.empty()) fail(rest(), "a name");
      Meaning m;
      if (name == "event") {
        if (!scope_.find("event_" + inner)) {
          at_ = argument;
          std::vector<std::string> events;
          for (const std::string& n : scope_.names()) {
            if (n.compare(0, 6, "event_") == 0) events.push_back(n.substr(6));
          }
          fail("unknown event '" + inner + "'", expected_one_of(inner, events));
        }
        m = lookup("event_" + inner, argument);
      } else {
        m = lookup(inner, argument);
      }
      expect(")");
      if (m.kind == Meaning::Constant) return constant_node(m.constant);
      return slot_node(name == "event" ? RPN_NAME : RPN_DEFINED, m.slot);
    }
    std::vector<NodePtr> arguments;
    if (!accept(")")) {
      do arguments.push_back(ternary());
      while (accept(","));
      expect(")");
    }
    if ((name == "cmask" || name == "umask") && arguments.size() == 1) {
      NodePtr low = folded(RPN_AND, {arguments[0], constant_node(0xff)});
      return folded(RPN_SHL, {low, constant_node(name == "cmask" ? 24 : 8)});
    }
    std::vector<std::string> names = {"event", "defined", "cmask", "umask"};
    for (const Function& f : kFunctions) {
      names.emplace_back(f.name);
      if (name != f.name) continue;
      if (arguments.size() == f.arguments) return folded(f.op, std::move(arguments));
      at_ = begin;
      fail(std::to_string(arguments.size()) + " arguments of " + name, std::to_string(f.arguments));
    }
    at_ = begin;
    fail("unknown function '" + name + "'", expected_one_of(name, names));
  }

  const std::string& text_;
  const Scope& scope_;
  std::size_t at_ = 0;
  unsigned nesting_ = 0;
};

void collect_slots(const Node& node, std::vector<u32>& out) {
  if (node.op == RPN_NAME || node.op == RPN_ELEMENT || node.op == RPN_DEFINED) out.push_back(node.slot);
  for (const NodePtr& child : node.children) collect_slots(*child, out);
}

bool collect_terms(const Node& node, std::vector<Expression::Term>& out) {
  if (node.op == RPN_OR)
    return collect_terms(*node.children[0], out) && collect_terms(*node.children[1], out);
  if (node.op == RPN_CONST) out.push_back({false, node.value});
  if (node.op == RPN_NAME) out.push_back({true, node.slot});
  return node.op == RPN_CONST || node.op == RPN_NAME;
}

}  // namespace

Expression::Expression(const std::string& text, const Scope& scope) : root_(Parser(text, scope).parse()) {}
Expression::Expression(u64 constant) : root_(constant_node(constant)) {}
Expression::Expression(std::shared_ptr<const Node> root) : root_(std::move(root)) {}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

std::optional<u64> Expression::constant() const {
  if (root_->op != RPN_CONST) return std::nullopt;
  return root_->value;
}

std::optional<Expression::Sides> Expression::comparison() const {
  if (root_->op < RPN_EQ || root_->op > RPN_GE) return std::nullopt;
  return Sides{root_->op, Expression(root_->children[0]), Expression(root_->children[1])};
}

u32 Expression::emit(std::vector<case_rpn>& pool) const {
  const u32 start = static_cast<u32>(pool.size());
  emit_node(*root_, pool);
  pool.push_back({RPN_END, 0, 0});
  return start;
}

std::vector<u32> Expression::slots() const {
  std::vector<u32> out;
  collect_slots(*root_, out);
  return out;
}

std::vector<Expression::Term> Expression::or_terms() const {
  std::vector<Term> out;
  if (!collect_terms(*root_, out)) out.clear();
  return out;
}

const std::vector<std::pair<std::string, u64>>& named_constants() {
  static const std::vector<std::pair<std::string, u64>> constants = {
      {"USR", evtsel::kUsr},
      {"OS", evtsel::kOs},
      {"EDGE", evtsel::kEdge},
      {"PC", evtsel::kPinControl},
      {"INT", evtsel::kInt},
      {"ANY", evtsel::kAny},
      {"EN", evtsel::kEn},
      {"INV", evtsel::kInv},
      {"FIXED_OS", 1},
      {"FIXED_USR", 2},
      {"FIXED_ANY", 4},
      {"FIXED_PMI", 8},
      {"GUEST_ONLY", evtsel::kGuestOnly},
      {"HOST_ONLY", evtsel::kHostOnly},
      {"LVT_MASKED", 0x10000},
      {"LVT_NMI", 0x400},
      {"FREEZE_ON_PMI", 1u << 12},
      {"CTR_FRZ", u64{1} << 59},
      {"LBR_FRZ", u64{1} << 58},
      {"DE", 0},
      {"UD", 6},
      {"GP", 13},
      {"PF", 14},
      {"no_fault", CASE_NO_FAULT},
  };
  return constants;
}

}  // namespace pmusim::conformance
