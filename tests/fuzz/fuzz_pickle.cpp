// SPDX-License-Identifier: Apache-2.0
// What torch.save writes, changed or made up: an error of one line, or tensors inside the file's bytes. The first byte
// of the input says what the others are: a pickle alone, the pickle of a good archive, an archive of any bytes, or
// changes to one that PyTorch wrote.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "model/openai.h"
#include "model/pickle.h"
#include "model/torch_file.h"
#include "support/torch.h"

using namespace shorthand;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

template <class T>
bool ok(const Result<T>& result) {
  if (!result.ok())
    require(result.error().message.starts_with("f: ") && result.error().message.find('\n') == std::string::npos);
  return result.ok();
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

void read_pickle(std::string_view text) {
  static constexpr std::string_view kAllowed[] = {"torch._utils._rebuild_tensor_v2", "torch.HalfStorage"};
  const auto pickle = Pickle::parse(bytes_of(text), kAllowed, "f");
  if (!ok(pickle)) return;
  (void)pickle->find(pickle->root(), "dims");
}

void read_file(std::string_view file) {
  const auto bytes = bytes_of(file);
  const auto torch = read_torch_file(bytes, "f");
  if (ok(torch)) {
    for (const NamedTensor& t : torch->tensors) {
      require(t.bytes.size() == stored_bytes(t.dtype, t.shape.elements()));
      require(t.bytes.data() >= bytes.data() && t.bytes.data() + t.bytes.size() <= bytes.data() + bytes.size());
    }
    if (torch->dims.empty()) return;
  }
  (void)ok(parse_openai(bytes, "f"));
}

const std::string& good_file() {
  static const std::string file = [] {
    std::ifstream in(SHORTHAND_REPO_DIR "/tests/data/torch/openai.pt", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  require(!file.empty());
  return file;
}

// Three bytes a change: two of a place, one to put there.
std::string changed(std::string_view changes) {
  std::string file = good_file();
  for (; changes.size() >= 3; changes.remove_prefix(3)) {
    const size_t at = static_cast<uint8_t>(changes[0]) | static_cast<uint8_t>(changes[1]) << 8;
    file[at % file.size()] = changes[2];
  }
  if (changes.size() == 2)
    file.resize((static_cast<uint8_t>(changes[0]) << 8 | static_cast<uint8_t>(changes[1])) % file.size());
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0: read_pickle(text); break;
    case 1:
      read_file(testing::stored_zip(
          {{"m/data.pkl", std::string(text)}, {"m/data/0", std::string(96, '\1')}, {"m/data/1", "abcd"}}));
      break;
    case 2: read_file(text); break;
    case 3: read_file(changed(text)); break;
  }
  return 0;
}
