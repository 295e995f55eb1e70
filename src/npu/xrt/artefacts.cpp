// SPDX-License-Identifier: Apache-2.0
#include "npu/xrt/artefacts.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/file.h"

namespace shorthand::npu {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFirstLine = "shorthand-npu-artefacts 1";
constexpr std::string_view kXclbinMagic = "xclbin2";
constexpr size_t kLargestText = 1 << 16;

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

Error no_artefacts(const fs::path& folder, std::string_view what) {
  return not_found(
      fmt::format("{}: {}; build them with `shorthand npu build encoder -m MODEL -o {}` and make, or set "
                  "SHORTHAND_NPU_DIR to where they lie (docs/npu.md, On hardware)",
                  folder.string(), what, folder.string()));
}

}  // namespace

std::string_view kernel_sources_digest() { return SHORTHAND_AIE_SOURCES; }

std::string to_text(const ArtefactDescription& d) {
  std::string text = fmt::format("{}\ndesign {}\ndevice {}\nshape {}\ndigest {}\nkernels {}\n", kFirstLine, d.design,
                                 d.device, d.shape, d.digest, d.kernels);
  for (const HostBuffer& h : d.host) text += fmt::format("host {} {}\n", h.bytes, h.name);
  return text;
}

Result<ArtefactDescription> parse_artefacts(std::string_view text) {
  ArtefactDescription d;
  bool first = true;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (first) {
      if (line != kFirstLine) return bad_input("no description of artefacts that this version knows");
      first = false;
      continue;
    }
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return bad_input(fmt::format("'{}' has no value", line.substr(0, 80)));
    const std::string_view key = line.substr(0, space), value = line.substr(space + 1);
    std::string* const text_field = key == "design"    ? &d.design
                                    : key == "device"  ? &d.device
                                    : key == "shape"   ? &d.shape
                                    : key == "digest"  ? &d.digest
                                    : key == "kernels" ? &d.kernels
                                                       : nullptr;
    if (text_field) {
      *text_field = value;
    } else if (key == "host") {
      HostBuffer h;
      const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), h.bytes);
      const char* const stop = value.data() + value.size();
      if (error != std::errc{} || h.bytes < 1 || rest == stop || *rest != ' ')
        return bad_input(fmt::format("'{}' is no host buffer", line.substr(0, 80)));
      h.name.assign(rest + 1, stop);
      d.host.push_back(std::move(h));
    } else {
      return bad_input(fmt::format("'{}' is not known", line.substr(0, 80)));
    }
  }
  if (first || d.design.empty() || d.device.empty() || d.digest.empty() || d.host.empty())
    return bad_input("truncated");
  return d;
}

Result<Artefacts> read_artefacts(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return no_artefacts(folder, "no artefacts for the array are there");
  for (const char* file : {"artefacts.txt", "final.xclbin", "insts.bin"}) {
    if (!fs::exists(folder / file, ignored)) return no_artefacts(folder, fmt::format("{} is missing", file));
  }
  const auto about = [&](const char* file, const Error& error) {
    return Error{error.kind, fmt::format("{}: {}; build it again", (folder / file).string(), error.message)};
  };
  Artefacts a;
  const std::string text = SHORTHAND_TRY(read_text_file(folder / "artefacts.txt", kLargestText));
  Result<ArtefactDescription> description = parse_artefacts(text);
  if (!description) return about("artefacts.txt", description.error());
  a.description = std::move(*description);
  a.xclbin = folder / "final.xclbin";
  const MappedFile xclbin = SHORTHAND_TRY(MappedFile::open(a.xclbin));
  if (xclbin.bytes().size() < kXclbinMagic.size() ||
      std::memcmp(xclbin.bytes().data(), kXclbinMagic.data(), kXclbinMagic.size()) != 0)
    return about("final.xclbin", bad_input("not an xclbin"));
  const MappedFile insts = SHORTHAND_TRY(MappedFile::open(folder / "insts.bin"));
  if (insts.bytes().size() % 4 != 0) return about("insts.bin", bad_input("no whole number of words"));
  a.instructions.resize(insts.bytes().size() / 4);
  std::memcpy(a.instructions.data(), insts.bytes().data(), insts.bytes().size());
  return a;
}

Result<void> check_artefacts(const ArtefactDescription& have, const ArtefactDescription& want, const fs::path& folder) {
  const auto refuse = [&](const std::string& what) {
    return bad_input(
        fmt::format("{}: {}; build those of this model with `shorthand npu build encoder -m MODEL --device {} -o "
                    "DIR` and make, and set SHORTHAND_NPU_DIR=DIR",
                    folder.string(), what, want.device));
  };
  if (have.design != want.design)
    return refuse(fmt::format("artefacts of '{}', not of '{}'", have.design, want.design));
  if (have.device != want.device) return refuse(fmt::format("artefacts for {}, not for {}", have.device, want.device));
  if (have.shape != want.shape)
    return refuse(fmt::format("artefacts for {}; this model has {}", have.shape, want.shape));
  if (have.host != want.host) return refuse("artefacts whose host buffers are not this design's");
  if (have.kernels != want.kernels) return refuse("artefacts of other kernels than this version's");
  if (have.digest != want.digest) return refuse("artefacts of another version of this design");
  return {};
}

Result<fs::path> artefacts_folder(std::string_view name) {
  if (const char* set = environment("SHORTHAND_NPU_DIR")) return fs::path(set);
  if (const char* data = environment("XDG_DATA_HOME"); data && *data == '/')
    return fs::path(data) / "shorthand" / "npu" / name;
  if (const char* home = environment("HOME")) return fs::path(home) / ".local" / "share" / "shorthand" / "npu" / name;
  return not_found(
      "no directory for the array's artefacts: neither SHORTHAND_NPU_DIR nor XDG_DATA_HOME nor HOME is set");
}

}  // namespace shorthand::npu
