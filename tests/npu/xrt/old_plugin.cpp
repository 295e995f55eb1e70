// SPDX-License-Identifier: Apache-2.0
// A plugin of another version than the program's: nothing of it but its first word may be read.
#include "npu/xrt/plugin.h"

namespace shorthand::npu {

extern "C" const PluginTable* shorthand_npu_plugin() {
  static constexpr uint32_t kAbi[1] = {kPluginAbi + 1};
  return reinterpret_cast<const PluginTable*>(kAbi);
}

}  // namespace shorthand::npu
