// SPDX-License-Identifier: Apache-2.0
// The payload's bytes, and the bootable image: the runtime's ELF32 with one more segment.
#include <elf.h>

#include <cstring>
#include <stdexcept>

#include "conformance/language/compiler.h"

extern "C" const pmusim::u8 pmusim_case_runtime[];
extern "C" const pmusim::u8 pmusim_case_runtime_end[];

namespace pmusim::conformance {
namespace {

constexpr u32 align(u32 value, u32 to) {
  return (value + to - 1) / to * to;
}

template <class T>
case_table append(std::vector<u8>& out, const std::vector<T>& items) {
  out.resize(align(static_cast<u32>(out.size()), 16));
  const case_table table{static_cast<u32>(out.size()), static_cast<u32>(items.size())};
  if (!items.empty()) {
    out.resize(out.size() + items.size() * sizeof(T));
    std::memcpy(out.data() + table.offset, items.data(), items.size() * sizeof(T));
  }
  return table;
}

}  // namespace

u32 code_base() {
  return align(sizeof(case_header), 64);
}

void CaseCompiler::build_payload() {
  case_header h{};
  h.magic = CASE_MAGIC;
  h.value_count = names_.value_count();
  h.id = text(case_.id);
  h.title = text(case_.title);
  std::vector<u32> names;
  for (const std::string& n : names_.slot_names()) names.push_back(text(n));

  std::vector<u8>& out = case_.payload;
  out.assign(code_base(), 0);
  out.insert(out.end(), code_.begin(), code_.end());
  out.resize(align(static_cast<u32>(out.size()), 16));
  const u32 base = static_cast<u32>(out.size());  // of the strings
  out.insert(out.end(), strings_.begin(), strings_.end());
  for (u32& n : names) n += base;
  for (case_op& o : ops_) o.text += base;
  for (case_requirement& r : requirements_) r.text += base;
  for (case_program& p : programs_) p.name += base;
  h.id += base;
  h.title += base;
  h.ops = append(out, ops_);
  h.rpn = append(out, rpn_);
  h.requirements = append(out, requirements_);
  h.programs = append(out, programs_);
  h.slots = append(out, slots_);
  h.counters = append(out, counters_);
  h.measures = append(out, measures_);
  h.alternatives = append(out, alternatives_);
  h.names = append(out, names);
  h.size = static_cast<u32>(out.size());
  std::memcpy(out.data(), &h, sizeof h);
}

std::vector<u8> compile_case(const Case& c) {
  const u8* runtime = pmusim_case_runtime;
  const std::size_t size = static_cast<std::size_t>(pmusim_case_runtime_end - pmusim_case_runtime);
  Elf32_Ehdr header;
  std::memcpy(&header, runtime, sizeof header);
  std::vector<Elf32_Phdr> segments;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf32_Phdr p;
    std::memcpy(&p, runtime + header.e_phoff + i * sizeof p, sizeof p);
    if (p.p_type == PT_LOAD) segments.push_back(p);
  }
  if (size < sizeof header || segments.empty())
    throw std::logic_error("the embedded guest runtime is no ELF image");
  const std::size_t runtime_segments = segments.size();
  Elf32_Phdr payload{};
  payload.p_type = PT_LOAD;
  payload.p_vaddr = payload.p_paddr = CASE_PAYLOAD_ADDRESS;
  payload.p_filesz = payload.p_memsz = static_cast<u32>(c.payload.size());
  payload.p_flags = PF_R | PF_W | PF_X;
  payload.p_align = 4096;
  segments.push_back(payload);

  header.e_phoff = sizeof header;
  header.e_phnum = static_cast<u16>(segments.size());
  header.e_shoff = 0;
  header.e_shnum = header.e_shstrndx = 0;
  std::vector<u8> image(sizeof header + segments.size() * sizeof(Elf32_Phdr));
  for (std::size_t i = 0; i < segments.size(); ++i) {
    Elf32_Phdr& p = segments[i];
    image.resize(align(static_cast<u32>(image.size()), 4096));
    const u8* from = i < runtime_segments ? runtime + p.p_offset : c.payload.data();
    p.p_offset = static_cast<u32>(image.size());
    image.insert(image.end(), from, from + p.p_filesz);
  }
  std::memcpy(image.data(), &header, sizeof header);
  std::memcpy(image.data() + sizeof header, segments.data(), segments.size() * sizeof(Elf32_Phdr));
  return image;
}

}  // namespace pmusim::conformance
