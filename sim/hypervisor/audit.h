// SPDX-License-Identifier: Apache-2.0
#pragma once
namespace pmusim::hv {
class VpmuAudit {};
}
