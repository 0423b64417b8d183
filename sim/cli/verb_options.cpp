// SPDX-License-Identifier: Apache-2.0
// Declarations handed to CLI11, and numbers that it would take too generously.
#include "cli/verb_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "base/error.h"
#include "base/wrap.h"
#include "cli/sheet.h"

namespace pmusim::cli {
namespace {

// Of "-j,--jobs" the long one, for messages.
std::string long_name(const std::string& name) {
  return name.substr(name.rfind(',') + 1);
}

u64 parse_number(const std::string& option, const std::string& text, u64 min, u64 max) {
  u64 value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || stop != end || error != std::errc() || value < min || value > max)
    throw InputError(option, "", "'" + text + "'", fmt::format("a whole number from {} to {}", min, max));
  return value;
}

// Help as wide as the terminal.
class WrappedHelp final : public CLI::Formatter {
  std::string make_option_desc(const CLI::Option* option) const override {
    const unsigned names = static_cast<unsigned>(get_column_width()), width = output_width();
    return wrapped(CLI::Formatter::make_option_desc(option), width > 2 * names ? width - names : names, 0, 0);
  }
};

}  // namespace

VerbOptions::VerbOptions(CLI::App& app, const std::string& version) : app_(&app) {
  app.set_version_flag("--version", version);
  app.require_subcommand(1);
  app.formatter(std::make_shared<WrappedHelp>());
}
void VerbOptions::group(const std::string& title) const {
  app_->option_defaults()->group(title);
}

const DeclaredOption& DeclaredOption::required() const {
  option_->required();
  return *this;
}
const DeclaredOption& DeclaredOption::shown_default(const std::string& text) const {
  option_->default_str(text);
  return *this;
}
const DeclaredOption& DeclaredOption::when_given(std::function<void()> then) const {
  option_->each([then = std::move(then)](const std::string&) { then(); });
  return *this;
}

VerbOptions VerbOptions::verb(const std::string& name, const std::string& help) const {
  return VerbOptions(*app_->add_subcommand(name, help));
}
void VerbOptions::needs_verb() const {
  app_->require_subcommand(1);
}

void VerbOptions::config(std::function<void(const std::string&)> read) const {
  app_->add_option_function<std::string>(
          "--config", std::move(read),
          "repeat the run of that config.json; options beside it win over the file")
      ->type_name("FILE");
}
DeclaredOption VerbOptions::text(const std::string& name, std::string& value, const std::string& what,
                                 const std::string& help) const {
  const auto set = [name = long_name(name), &value, what](const std::string& given) {
    if (given.empty()) throw InputError(name, "", "an empty text", what);
    value = given;
  };
  return DeclaredOption(app_->add_option_function<std::string>(name, set, help)->type_name("TEXT"));
}
DeclaredOption VerbOptions::word(const std::string& name, std::string& value, const std::string& help) const {
  return DeclaredOption(app_->add_option(name, value, help)->capture_default_str());
}
DeclaredOption VerbOptions::number(const std::string& name, u64& value, u64 min, u64 max,
                                   const std::string& help) const {
  const auto set = [name = long_name(name), &value, min, max](const std::string& given) {
    value = parse_number(name, given, min, max);
  };
  return DeclaredOption(app_->add_option_function<std::string>(name, set, help)->type_name("N"));
}
DeclaredOption VerbOptions::list(const std::string& name, std::vector<std::string>& values,
                                 const std::string& help) const {
  return DeclaredOption(app_->add_option(name, values, help)->allow_extra_args(false));
}
DeclaredOption VerbOptions::one_of_list(const std::string& name, std::vector<std::string>& values,
                                        const std::string& help) const {
  return DeclaredOption(app_->add_option(name, values, help)
                            ->expected(1)
                            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
}
DeclaredOption VerbOptions::arguments(const std::string& name, std::vector<std::string>& values,
                                      const std::string& help) const {
  return DeclaredOption(app_->add_option(name, values, help));
}
DeclaredOption VerbOptions::paths(const std::string& name, std::vector<std::string>& values,
                                  const std::string& help) const {
  return DeclaredOption(app_->add_option(name, values, help)->type_name("FILE")->allow_extra_args(false));
}
DeclaredOption VerbOptions::settings(const std::string& name, std::vector<std::string>& values,
                                     const std::string& help) const {
  const auto more = [&values](const std::vector<std::string>& given) {
    values.insert(values.end(), given.begin(), given.end());
  };
  return DeclaredOption(app_->add_option_function<std::vector<std::string>>(name, more, help)
                            ->allow_extra_args(false)
                            ->type_name("PATH=VALUE"));
}
void VerbOptions::flag(const std::string& name, bool& value, const std::string& help) const {
  app_->add_flag(name, value, help)->disable_flag_override();
}
void VerbOptions::footer(const std::string& text) const {
  app_->footer(text);
}
bool VerbOptions::given(const std::string& name) const {
  return app_->count(name) > 0;
}
void VerbOptions::parsed(std::function<void()> then) const {
  app_->callback(std::move(then));
}

}  // namespace pmusim::cli
