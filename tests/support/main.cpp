// SPDX-License-Identifier: Apache-2.0
// Entry point of every unit-test executable. SystemC's library owns main() and calls sc_main(). A filter that
// matches no test case is a failure: CMake's discovery cuts a name with a semicolon in two, and neither half
// would run anything.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

namespace {

unsigned chosen = 0;

struct CountChosen final : doctest::IReporter {
  explicit CountChosen(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override { chosen = 1; }  // a list or help was asked for
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& run) override { chosen = run.numTestCasesPassingFilters; }
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("chosen", 1, CountChosen);

}  // namespace

extern "C" int sc_main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int status = context.run();
  if (chosen || context.shouldExit()) return status;
  std::fputs("no test case matches the filters\n", stderr);
  return 1;
}
