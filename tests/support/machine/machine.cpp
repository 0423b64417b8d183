// SPDX-License-Identifier: Apache-2.0
// The tests' machine, with a device that a user could have written: neither its class nor its mapping is in
// sim/.
#include "tests/support/machine/machine.h"

#include <map>

namespace pmusim::platform::test {
namespace {

class Adder final : public Device {
 public:
  explicit Adder(sc_core::sc_module_name name) : Device(name) {}
  u64 read(u64, unsigned) override { return sum_; }
  void write(u64, u64 value, unsigned) override { sum_ += value; }
  void reset() override { sum_ = 0; }
  void archive(Archive& a) override { a(sum_); }

 private:
  u64 sum_ = 0;
};

const CpuModel& loaded(std::map<std::string, CpuModel>& models, const std::string& id, bool interval) {
  auto it = models.find(id);
  if (it == models.end()) it = models.emplace(id, pmusim::models::load_model(id, {}, interval)).first;
  return it->second;
}

}  // namespace

Machine& machine() {
  static Machine* m = [] {
    Machine* created = new Machine(kMaxCpus);
    Adder* adder = new Adder("adder");
    created->bus().map(Space::Port, kAdderPort, 4, *adder);
    return created;
  }();
  return *m;
}

const CpuModel& model(const std::string& id) {
  static std::map<std::string, CpuModel> models;
  return loaded(models, id, false);
}
const CpuModel& interval_model(const std::string& id) {
  static std::map<std::string, CpuModel> models;
  return loaded(models, id, true);
}

MachineConfig config(const std::string& model_id, unsigned cpus) {
  MachineConfig c;
  c.model = &model(model_id);
  c.cpus = cpus;
  c.memory = u64{16} << 20;
  return c;
}

}  // namespace pmusim::platform::test
