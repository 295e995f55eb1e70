// SPDX-License-Identifier: Apache-2.0
// Writes files as torch.save does: the pickle's opcodes and the archive's records are spelled out here a second time.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/checkpoint.h"

namespace shorthand::testing {

template <class T>
std::string little_endian(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

struct Member {
  std::string name, bytes;
};

// A zip archive of stored members.
inline std::string stored_zip(const std::vector<Member>& members) {
  std::string data, directory;
  for (const Member& m : members) {
    const std::string sizes = little_endian<uint32_t>(0) + little_endian(static_cast<uint32_t>(m.bytes.size())) +
                              little_endian(static_cast<uint32_t>(m.bytes.size())) +
                              little_endian(static_cast<uint16_t>(m.name.size())) + little_endian<uint16_t>(0);
    const std::string common = little_endian<uint16_t>(20) + std::string(8, '\0') + sizes;
    directory += "PK\x01\x02" + little_endian<uint16_t>(20) + common + std::string(10, '\0') +
                 little_endian(static_cast<uint32_t>(data.size())) + m.name;
    data += "PK\x03\x04" + common + m.name + m.bytes;
  }
  const auto count = little_endian(static_cast<uint16_t>(members.size()));
  return data + directory + "PK\x05\x06" + std::string(4, '\0') + count + count +
         little_endian(static_cast<uint32_t>(directory.size())) + little_endian(static_cast<uint32_t>(data.size())) +
         std::string(2, '\0');
}

// Pieces of pickles of protocol 2.
namespace pickle {
inline std::string text(std::string_view s) {
  return 'X' + little_endian(static_cast<uint32_t>(s.size())) + std::string(s);
}
inline std::string number(int32_t n) { return 'J' + little_endian(n); }
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::string& parts) { return "(" + parts + "t"; }
inline std::string call(const std::string& callee, const std::string& parts) { return callee + tuple(parts) + "R"; }
inline std::string dictionary(const std::string& items) { return "}(" + items + "u"; }
inline std::string whole(const std::string& value) { return "\x80\x02" + value + "."; }
}  // namespace pickle

// A state dict and the storages beside it, one a tensor.
struct TorchWriter {
  std::string state;
  std::vector<Member> storages;

  void add(const std::string& name, const TensorView& tensor) {
    const char* type = tensor.dtype == DType::f32   ? "FloatStorage"
                       : tensor.dtype == DType::f16 ? "HalfStorage"
                                                    : "BFloat16Storage";
    const std::string key = std::to_string(storages.size());
    std::string sizes, strides;
    size_t stride = tensor.shape.elements();
    for (size_t i = 0; i < tensor.shape.rank(); ++i) {
      sizes += pickle::number(static_cast<int32_t>(tensor.shape[i]));
      strides += pickle::number(static_cast<int32_t>(stride /= tensor.shape[i]));
    }
    const std::string storage =
        pickle::tuple(pickle::text("storage") + pickle::global("torch", type) + pickle::text(key) +
                      pickle::text("cpu") + pickle::number(static_cast<int32_t>(tensor.shape.elements()))) +
        "Q";
    const std::string hooks = pickle::global("collections", "OrderedDict") + ")R";
    state += pickle::text(name) +
             pickle::call(pickle::global("torch._utils", "_rebuild_tensor_v2"),
                          storage + pickle::number(0) + pickle::tuple(sizes) + pickle::tuple(strides) + "\x89" + hooks);
    storages.push_back({"m/data/" + key, {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()}});
  }

  // The file whose object is `value`.
  std::string file(const std::string& value) const {
    std::vector<Member> members = {{"m/data.pkl", pickle::whole(value)}, {"m/byteorder", "little"}};
    members.insert(members.end(), storages.begin(), storages.end());
    return stored_zip(members);
  }
  std::string file() const { return file(pickle::dictionary(state)); }

  // As OpenAI's, with these sizes.
  std::string openai(const Config& c) const {
    const std::pair<const char*, int> sizes[] = {{"n_mels", c.n_mels},
                                                 {"n_vocab", c.n_vocab},
                                                 {"n_audio_ctx", c.n_audio_ctx},
                                                 {"n_audio_state", c.n_audio_state},
                                                 {"n_audio_head", c.n_audio_head},
                                                 {"n_audio_layer", c.n_audio_layer},
                                                 {"n_text_ctx", c.n_text_ctx},
                                                 {"n_text_state", c.n_text_state},
                                                 {"n_text_head", c.n_text_head},
                                                 {"n_text_layer", c.n_text_layer}};
    std::string dims;
    for (const auto& [name, size] : sizes) dims += pickle::text(name) + pickle::number(size);
    return file(pickle::dictionary(pickle::text("dims") + pickle::dictionary(dims) + pickle::text("model_state_dict") +
                                   pickle::dictionary(state)));
  }
};

}  // namespace shorthand::testing
