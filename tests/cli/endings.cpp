// SPDX-License-Identifier: Apache-2.0
// How a run ends that cannot go on: the message says why, with registers and the last branches, on bare metal
// and in a VM; the exit status is 1. A worker that is killed costs its one case an error.
#include <doctest/doctest.h>

#include <fstream>

#include "base/json.h"
#include "base/types.h"
#include "tests/cli/small_image.h"
#include "tests/support/program.h"

using namespace pmusim;
using namespace pmusim::test;

namespace {

// A case that runs a loop; of stores, which no closed form advances at once.
void long_case(const std::string& folder, const std::string& id, const std::string& loops) {
  std::ofstream(folder + "/" + id + ".json")
      << R"({"id": ")" << id << R"(", "title": "A case of a test", "area": "version and CPUID",
    "sources": ["none"], "requires": {"pmu": "any"},
    "programs": {"work": [{"loop": )"
      << loops << R"(, "body": [{"store": 1}]}]},
    "steps": [{"measure": "work", "counters": []}, {"check": "version >= 0", "title": "the check"}]})";
}

unsigned count(const std::string& text, const std::string& part) {
  unsigned n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a run that cannot go on says why, with registers and last branches, and ends with status 1") {
  const std::string folder = fresh_folder("endings");
  // All begin with mov ebx, 12345678h; jmp over a byte.
  const struct {
    const char* name;
    std::vector<u8> code;
    const char *bare, *vm, *rip;
  } ends[] = {
      {"triple",
       {0x0f, 0x01, 0x1d, 0, 5, 0, 0, 0xcc},
       "triple fault",
       "triple fault",
       "rip=000000000010000f"},
      {"halt",
       {0xfa, 0xf4},
       "halted with interrupts disabled",
       "halted with interrupts disabled",
       "rip=000000000010000a"},
      {"endless",
       {0xeb, 0xfe},
       "cycle limit: cycle 200000 reached without an exit",
       "cycle limit: cycle 200000 reached without an exit",
       "rip=0000000000100008"},
      {"unimplemented",
       {0xd9, 0xfe},
       "unimplemented instruction",
       "unimplemented instruction",
       "rip=0000000000100008"},
      {"outside",  // jumps to where there is no memory
       {0xb8, 0, 0, 0, 0x90, 0xff, 0xe0},
       "guest error: CPU 0: execution outside RAM at 0x90000000",
       "guest error: execution outside RAM at 0x90000000",
       "rip=0000000090000000"},
      {"data",  // runs into bytes that are no instruction
       {0xff, 0xff, 0xff, 0xff},
       "triple fault",
       "triple fault",
       "rip=0000000000100008"},
  };
  for (const auto& end : ends) {
    std::vector<u8> code{0xbb, 0x78, 0x56, 0x34, 0x12, 0xeb, 1, 0};
    code.insert(code.end(), end.code.begin(), end.code.end());
    const std::string file = small_image(folder, end.name, code);
    for (const char* policy : {"bare-metal", "emulated", "mediated", "dedicated"}) {
      CAPTURE(end.name);
      CAPTURE(policy);
      const Output o = pmusim_command("run " + file + " --max-cycles 200000 --model spr --policy " + policy);
      CAPTURE(o.err);
      CHECK(o.status == 1);
      CHECK(has(o.err, policy[0] == 'b' ? end.bare : end.vm));
      CHECK(has(o.err, "rbx=0000000012345678"));
      CHECK(has(o.err, end.rip));
      CHECK_FALSE((policy[0] == 'b' && has(o.err, "world=")));
      CHECK(count(o.err, "rax=") == 1);
      CHECK(count(o.err, "last branches, newest last:") == 1);
      CHECK(has(o.err, "\nguest instructions "));
      CHECK((has(o.err, "0x100005 -> 0x100008") || std::string(end.name) == "endless"));
    }
  }
  // What the processor itself says must agree with it.
  const std::string bare = " --model spr --policy bare-metal";
  CHECK(has(pmusim_command("run " + folder + "/triple.elf" + bare).err, ": shut down by a triple fault\n"));
  for (const char* name : {"unimplemented", "outside"})
    CHECK(has(pmusim_command("run " + folder + "/" + name + ".elf" + bare).err,
              ": stopped at what it cannot execute\n"));
  // The bytes and the instruction, where it is not implemented.
  const Output o = pmusim_command("run " + folder + "/unimplemented.elf --model zen4 --policy emulated");
  CHECK(has(o.err, "bytes d9 fe"));
  CHECK(has(o.err, "fsin"));
}

TEST_CASE("an image whose entry no segment holds is refused, with what was found and what was expected") {
  const std::string file = small_image(fresh_folder("entry"), "entry", {0xf4});
  std::fstream f(file, std::ios::binary | std::ios::in | std::ios::out);
  f.seekp(24).write("\0\0\0\x90", 4);
  f.close();
  for (const char* policy : {"bare-metal", "emulated"}) {
    const Output o = pmusim_command("run " + file + " --model spr --policy " + policy);
    CHECK(o.status == 2);
    CHECK(has(o.err, "entry.elf: ELF entry: found 0x90000000, expected an address inside a PT_LOAD segment"));
  }
}

TEST_CASE("a stall says what every processor waits for") {
  const std::string file = small_image(fresh_folder("stall"), "halt", {0xfa, 0xf4});
  const Output bare = pmusim_command("run " + file + " --cpus 3 --model zen4 --policy bare-metal");
  CHECK(bare.status == 1);
  CHECK(has(bare.err, "stall: every CPU waits"));
  CHECK(has(bare.err, "CPU 2 at cycle 0: waits for a start-up IPI"));
  const Output vm = pmusim_command("run " + file + " --cpus 3 --model zen4 --policy mediated");
  CHECK(vm.status == 1);
  CHECK(has(vm.err, "vCPU 0 on CPU 0 at cycle "));
  CHECK(has(vm.err, ": halted with interrupts disabled\n"));
  CHECK(has(vm.err, ": waits for a start-up IPI\n"));
  CHECK(count(vm.err, "rax=") == 3);  // each once
}

// For a shell: waits until process P and its children have computed for a second, or P has ended. On a busy
// machine a second of wall time may pass before they have begun.
static const std::string kUntilAtWork =
    "for i in $(seq 3000); do for C in $P $(cat /proc/$P/task/$P/children); do cat /proc/$C/stat; done "
    "2>/dev/null | awk '{ ticks += $14 + $15 } END { exit ticks < 100 }' && break; "
    "grep -q ') Z' /proc/$P/stat && break; sleep 0.1; done; ";

// Starts the command, sends the signal once it is at work, and waits for it.
static Output interrupted(const std::string& arguments, const char* signal) {
  return shell("exec 3>&1; (" + program() + " " + arguments + " >&3 & P=$!; " + kUntilAtWork + "kill -" +
               signal + " $P; wait $P)");
}

TEST_CASE(
    "a signal ends a run with its registers and totals, a recording that is whole, and status 128 + signal") {
  const std::string folder = fresh_folder("interrupted");
  const std::string file = small_image(folder, "endless", {0xeb, 0xfe});
  for (const char* policy : {"bare-metal", "mediated"}) {
    for (const auto& [signal, status] : {std::pair<const char*, int>{"INT", 130}, {"TERM", 143}}) {
      CAPTURE(policy);
      CAPTURE(signal);
      const std::string record = folder + "/" + policy + signal + ".jsonl";
      const Output o = interrupted("run " + file + " --model spr --policy " + policy + " --record " + record +
                                       " --out " + folder + "/" + policy,
                                   signal);
      CAPTURE(o.err);
      CHECK(o.status == status);
      CHECK(has(o.err, "interrupted"));
      CHECK(has(o.err, "rip=0000000000100000"));
      CHECK(has(o.err, "\nguest instructions "));
      CHECK(has(o.err, ", cycles "));
      CHECK(has(o.err, "VM-exits") == (policy[0] == 'm'));
      CHECK(pmusim_command("trace validate " + record).status == 0);
      CHECK(load_json(folder + "/" + policy + "/stats.json").root().has("policies"));
    }
  }
}

// Writes "a" and a newline to the serial port, and never ends.
TEST_CASE("a line that the guest writes comes through a pipe at once") {
  const std::string folder = fresh_folder("streams"), pipe = folder + "/pipe";
  const std::string file =
      small_image(folder, "line", {0x66, 0xba, 0xf8, 0x03, 0xb0, 'a', 0xee, 0xb0, '\n', 0xee, 0xeb, 0xfe});
  for (const char* policy : {"bare-metal", "emulated"}) {
    CAPTURE(policy);
    const Output o = shell(
        "rm -f " + pipe + "; mkfifo " + pipe + "; " + program() + " run " + file +
        " --model spr --max-seconds 60 --policy " + policy + " > " + pipe + " 2>/dev/null & P=$!; exec 3< " +
        pipe + "; read LINE <&3; kill -0 $P && echo \"$LINE, and it runs\"; kill $P; wait $P; true");
    CHECK(o.out == "a, and it runs\n");
  }
}

TEST_CASE("a signal ends a comparison of policies with the table of what there is, and whole recordings") {
  const std::string folder = fresh_folder("interrupted_all");
  const std::string file = small_image(folder, "endless", {0xeb, 0xfe});
  const Output o = interrupted(
      "run " + file + " --model spr --policy bare-metal,emulated --record " + folder + "/r.jsonl", "TERM");
  CAPTURE(o.err);
  CHECK(o.status == 143);
  CHECK(has(o.out, "guest instructions"));
  CHECK(pmusim_command("trace validate " + folder + "/r.bare-metal.jsonl").status == 0);
}

TEST_CASE("a signal ends the suite with the matrix of the runs that were finished, and says how many") {
  const std::string folder = fresh_folder("interrupted_suite");
  long_case(folder, "z-long", "2000000000");
  long_case(folder, "a-short", "10");
  const Output o = interrupted(
      "conform " + folder + " --model spr --policy bare-metal --jobs 1 --max-cycles 999999999999", "INT");
  CAPTURE(o.out);
  CHECK(o.status == 130);
  CHECK(has(o.out, "interrupted: 1 of 2 case runs were finished\n"));
  CHECK(o.last_line() == "1 passed, 0 failed, 0 skipped");
}

// The first case runs for minutes; its worker is killed from outside as a crash would.
TEST_CASE("a worker of the suite that dies costs its one case an error, and the suite completes") {
  const std::string folder = fresh_folder("killed");
  long_case(folder, "a-long", "2000000000");
  long_case(folder, "b-short", "10");
  const Output o = shell(program() + " conform " + folder +
                         " --model spr --policy bare-metal --jobs 1 --format json & P=$!; " + kUntilAtWork +
                         "kill -SEGV $(cat /proc/$P/task/$P/children); wait $P");
  CAPTURE(o.err);
  CHECK(o.status == 1);
  const JsonDocument report = o.json();
  CHECK(report.root().at("passed").as_u64() == 1);
  CHECK(report.root().at("failed").as_u64() == 1);
  CHECK(has(o.out, "\"error\""));
  CHECK(has(o.out, "the worker "));
  CHECK(o.status != 3);
}

TEST_CASE("output that cannot be written is an error of every verb, by the name of standard output") {
  const std::string hello = build("guests/hello.elf"), file = fresh_folder("full") + "/r.jsonl";
  const std::string run = "run " + hello + " --model spr --policy ";
  REQUIRE(pmusim_command(run + "emulated --record " + file).status == 0);
  for (const std::string& arguments :
       {run + "bare-metal", run + "emulated", run + "bare-metal,emulated",
        std::string("conform 'absent*' --model spr --policy bare-metal"), std::string("list events"),
        std::string("list models"), std::string("--help"), "trace view " + file}) {
    CAPTURE(arguments);
    const Output o = pmusim_command(arguments + " > /dev/full");
    CAPTURE(o.err);
    CHECK(o.status == 2);
    CHECK(has(o.err,
              "pmusim: standard output: found No space left on device, expected a file that can be "
              "written\n"));
    CHECK_FALSE(has(o.err, "internal error"));
  }
}
