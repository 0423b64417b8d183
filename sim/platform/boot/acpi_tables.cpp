// SPDX-License-Identifier: Apache-2.0
// ACPI tables after the ACPI Specification 4.0: RSDP, RSDT and XSDT, FADT revision 4 with FACS, MADT, and a
// DSDT that names one sleep state, off. No HPET, no PCI host bridge, no processors beside the MADT's.
#include "platform/apic/local_apic.h"
#include "platform/boot/boot_parts.h"
#include "platform/devices/acpi_pm.h"
#include "platform/devices/ioapic.h"
#include "platform/devices/pci_config.h"

namespace pmusim::platform {
namespace {

constexpr u16 kSciIrq = 9;
constexpr u32 kHeader = 36;

class Table {
 public:
  Table(const char* signature, u8 revision, u32 size = kHeader) : bytes(size) {
    std::memcpy(bytes.data(), signature, 4);
    bytes[8] = revision;
    std::memcpy(bytes.data() + 10, "PMUSIM", 6);
    std::memcpy(bytes.data() + 16, "PMUSIM  ", 8);
    put<u32>(24, 1);
    std::memcpy(bytes.data() + 28, "PSIM", 4);
    put<u32>(32, 1);
  }
  template <class T>
  void put(u32 offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
  }
  template <class T>
  void append(T value) {
    const u8* p = reinterpret_cast<const u8*>(&value);
    bytes.insert(bytes.end(), p, p + sizeof value);
  }
  void raw(std::initializer_list<u8> values) { bytes.insert(bytes.end(), values); }
  // Generic address structure of an I/O port.
  void port(u32 offset, u16 address, u8 bits) {
    put<u8>(offset, 1);
    put<u8>(offset + 1, bits);
    put<u8>(offset + 3, static_cast<u8>(bits == 8 ? 1 : bits == 16 ? 2 : 3));
    put<u64>(offset + 4, address);
  }
  const std::vector<u8>& sealed() {
    put<u32>(4, static_cast<u32>(bytes.size()));
    bytes[9] = 0;
    bytes[9] = checksum(bytes.data(), bytes.size());
    return bytes;
  }
  static u8 checksum(const u8* p, size_t size) {
    u8 sum = 0;
    while (size--) sum = static_cast<u8>(sum + *p++);
    return static_cast<u8>(-sum);
  }

  std::vector<u8> bytes;
};

Table dsdt() {
  Table t("DSDT", 2);
  // Name (_S5_, Package () {5, 5, 0, 0})
  t.raw({0x08, '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, kSleepTypeOff, 0x0a, kSleepTypeOff, 0, 0});
  return t;
}

Table fadt(u32 facs, u32 dsdt_address) {
  Table t("FACP", 4, 244);
  t.put<u32>(36, facs);
  t.put<u32>(40, dsdt_address);
  t.put<u8>(45, 4);  // enterprise server
  t.put<u16>(46, kSciIrq);
  t.put<u32>(56, kPm1EventPort);
  t.put<u32>(64, kPm1ControlPort);
  t.put<u32>(76, kPmTimerPort);
  t.put<u8>(88, 4);
  t.put<u8>(89, 2);
  t.put<u8>(91, 4);
  t.put<u16>(96, 0xfff);  // no C2, no C3
  t.put<u16>(98, 0xfff);
  t.put<u8>(108, 0x32);    // century register
  t.put<u16>(109, 0x5);    // legacy devices, no VGA, no 8042
  t.put<u32>(112, 0x435);  // WBINVD, C1, no fixed buttons, reset register
  t.port(116, kPciConfigPort + 1, 8);
  t.put<u8>(128, 6);  // its value
  t.put<u64>(132, facs);
  t.put<u64>(140, dsdt_address);
  t.port(148, kPm1EventPort, 32);
  t.port(172, kPm1ControlPort, 16);
  t.port(208, kPmTimerPort, 32);
  return t;
}

Table madt(unsigned cpus) {
  Table t("APIC", 3);
  t.append<u32>(static_cast<u32>(apic::kBaseDefault));
  t.append<u32>(1);  // 8259As are present too
  for (unsigned id = 0; id < cpus; ++id) {
    t.raw({0, 8, static_cast<u8>(id), static_cast<u8>(id)});
    t.append<u32>(1);
  }
  t.raw({1, 12, 0, 0});
  t.append<u32>(static_cast<u32>(kIoApicBase));
  t.append<u32>(0);
  const auto interrupt_override = [&t](u8 irq, u32 gsi, u16 flags) {
    t.raw({2, 10, 0, irq});
    t.append(gsi);
    t.append(flags);
  };
  interrupt_override(0, 2, 0);
  interrupt_override(kSciIrq, kSciIrq, 0xd);  // level, active high
  t.raw({4, 6, 0xff, 0, 0, 1});               // NMI at LINT1 of every processor
  return t;
}

}  // namespace

std::vector<u8> acpi_tables(unsigned cpus) {
  InfoBlock block(kAcpiTables);
  block.bytes.resize(36);  // RSDP
  const auto add = [&block](Table t) {
    block.bytes.resize((block.bytes.size() + 63) & ~size_t{63});
    return block.add(t.sealed().data(), t.bytes.size());
  };
  u8 facs[64] = {'F', 'A', 'C', 'S', 64};
  facs[32] = 1;  // version
  block.bytes.resize(64);
  const u32 facs_at = block.add(facs, sizeof facs), dsdt_at = add(dsdt());
  const u32 listed[] = {add(fadt(facs_at, dsdt_at)), add(madt(cpus))};
  Table rsdt("RSDT", 1), xsdt("XSDT", 1);
  for (const u32 table : listed) {
    rsdt.append<u32>(table);
    xsdt.append<u64>(table);
  }
  const u32 rsdt_at = add(rsdt), xsdt_at = add(xsdt);
  std::memcpy(block.bytes.data(), "RSD PTR ", 8);
  std::memcpy(block.bytes.data() + 9, "PMUSIM", 6);
  block.put<u8>(15, 2);  // ACPI 2.0 or later
  block.put<u32>(16, rsdt_at);
  block.put<u32>(20, 36);
  block.put<u64>(24, xsdt_at);
  block.put<u8>(8, Table::checksum(block.bytes.data(), 20));
  block.put<u8>(32, Table::checksum(block.bytes.data(), 36));
  return block.bytes;
}

}  // namespace pmusim::platform
