// SPDX-License-Identifier: Apache-2.0
// What the AIE toolchain makes of a design, in a folder: final.xclbin (the configuration of the array), insts.bin (the
// controller's instructions) and artefacts.txt, which says what they were made from. `shorthand npu build` writes the
// description, and the last step of its Makefile gives it its name: a folder whose build did not end has none.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "npu/design.h"
#include "npu/device.h"

namespace shorthand::npu {

struct ArtefactDescription {
  std::string design;   // "encoder"
  std::string device;   // "npu1"
  std::string shape;    // in words: "6 layers of 512, 8 heads, ..."
  std::string digest;   // of everything that the toolchain is given, hexadecimal
  std::string kernels;  // of the kernels' sources: kernel_sources_digest()
  std::vector<HostBuffer> host;
  bool operator==(const ArtefactDescription&) const = default;
};

// Of the AIE kernels' sources that this program was built beside.
std::string_view kernel_sources_digest();

// "key value" lines, and back.
std::string to_text(const ArtefactDescription& description);
Result<ArtefactDescription> parse_artefacts(std::string_view text);

struct Artefacts {
  ArtefactDescription description;
  std::filesystem::path xclbin;
  std::vector<uint32_t> instructions;
};

// Errors: a folder or one of its three files is missing, or is not what its name says.
Result<Artefacts> read_artefacts(const std::filesystem::path& folder);

// Refuses artefacts of another design, device, model size or version, saying which.
Result<void> check_artefacts(const ArtefactDescription& have, const ArtefactDescription& want,
                             const std::filesystem::path& folder);

// Where they are looked for: $SHORTHAND_NPU_DIR itself, or else the folder `name` in $XDG_DATA_HOME/shorthand/npu or
// ~/.local/share/shorthand/npu. Errors: none of the three is set.
Result<std::filesystem::path> artefacts_folder(std::string_view name);

}  // namespace shorthand::npu
