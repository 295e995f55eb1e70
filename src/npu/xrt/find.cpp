// SPDX-License-Identifier: Apache-2.0
// Whether an array can be used here: the driver's node, and the plugin that speaks to XRT.
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/file.h"
#include "npu/xrt/executor.h"

namespace shorthand::npu {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNodes = "/dev/accel";
constexpr const char* kPluginFile = "shorthand-xrt.so";

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

// Other makers' accelerators have nodes of the same kind.
bool is_xdna(const std::string& node) {
  std::error_code error;
  const fs::path driver = fs::read_symlink(fs::path("/sys/class/accel") / node / "device" / "driver", error);
  return !error && driver.filename() == "amdxdna";
}

Result<fs::path> openable(const fs::path& node) {
  const int fd = ::open(node.c_str(), O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    ::close(fd);
    return node;
  }
  const int why = errno;
  if (why == ENOENT) return not_found(fmt::format("no AMD NPU found (no {})", node.string()));
  return io_error(fmt::format("{} cannot be opened: {}{}", node.string(), system_message(why),
                              why == EACCES ? "; be a member of the group 'render'" : ""));
}

}  // namespace

Result<fs::path> find_npu_node() {
  if (const char* set = environment("SHORTHAND_NPU_NODE")) return openable(set);
  bool others = false;
  for (int i = 0; i < 64; ++i) {
    const std::string name = fmt::format("accel{}", i);
    std::error_code ignored;
    if (!fs::exists(fs::path(kNodes) / name, ignored)) continue;
    if (is_xdna(name)) return openable(fs::path(kNodes) / name);
    others = true;
  }
  return not_found(others ? fmt::format("no AMD NPU found (no node in {} is the amdxdna driver's)", kNodes)
                          : fmt::format("no AMD NPU found (no {}/accel0)", kNodes));
}

Result<std::shared_ptr<const Plugin>> Plugin::find() {
  if (const char* set = environment("SHORTHAND_NPU_PLUGIN")) return load(set);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  const fs::path beside = program / kPluginFile, library = program.parent_path() / "lib" / "shorthand" / kPluginFile;
  for (const fs::path& path : {beside, library}) {
    if (fs::exists(path, error)) return load(path);
  }
  return not_found(fmt::format("no XRT plugin ({}): this build has none; build where XRT 2.18 or newer is installed",
                               beside.string()));
}

Result<std::shared_ptr<const Plugin>> Plugin::load(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return not_found(fmt::format("no XRT plugin at {}", path.string()));
  // Never unloaded: XRT has threads and objects of its own that live until the program ends.
  void* const handle = dlopen(fs::absolute(path).c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* why = dlerror();
    return unsupported(fmt::format("the XRT plugin does not load: {}; is XRT's lib directory in LD_LIBRARY_PATH?",
                                   why ? why : path.c_str()));
  }
  std::shared_ptr<Plugin> plugin(new Plugin(path, handle));
  using Entry = const PluginTable* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(handle, kPluginEntry));
  if (entry == nullptr) return bad_input(fmt::format("{}: no plugin of this program; build it again", path.string()));
  plugin->table_ = entry();
  if (plugin->table_ == nullptr || plugin->table_->abi != kPluginAbi) {
    return unsupported(fmt::format("{}: a plugin of version {}, this program speaks version {}; build both together",
                                   path.string(), plugin->table_ ? plugin->table_->abi : 0, kPluginAbi));
  }
  return std::shared_ptr<const Plugin>(std::move(plugin));
}

Plugin::~Plugin() { dlclose(handle_); }

}  // namespace shorthand::npu
