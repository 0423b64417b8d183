// SPDX-License-Identifier: Apache-2.0
// Entry point of every unit-test executable. SystemC's library owns main() and calls sc_main().
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

extern "C" int sc_main(int argc, char** argv) { return doctest::Context(argc, argv).run(); }
