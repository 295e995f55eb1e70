// SPDX-License-Identifier: Apache-2.0
// model.bin of CTranslate2 taken apart and put together again, byte for byte: the layout is spelled out here a second
// time. Only for files that are known to be good.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shorthand::testing {

struct CTranslate2Parts {
  struct Variable {
    std::string name;
    std::vector<uint32_t> shape;
    uint8_t type = 0;
    std::string data;
  };

  uint32_t version = 6, revision = 3;
  std::string spec = "WhisperSpec";
  std::vector<Variable> variables;
  std::vector<std::pair<std::string, std::string>> aliases;

  Variable& at(std::string_view name) {
    for (Variable& v : variables) {
      if (v.name == name) return v;
    }
    return variables.emplace_back(Variable{std::string(name), {}, 0, {}});
  }
  void erase(std::string_view name) {
    std::erase_if(variables, [&](const Variable& v) { return v.name == name; });
    std::erase_if(aliases, [&](const auto& a) { return a.first == name; });
  }

  // The file; `boundaries` gets the offset at which every field ends.
  std::string file(std::vector<size_t>* boundaries = nullptr) const {
    std::string out;
    const auto raw = [&](std::string_view bytes) {
      out += bytes;
      if (boundaries) boundaries->push_back(out.size());
    };
    const auto number = [&](auto value) { raw({reinterpret_cast<const char*>(&value), sizeof value}); };
    const auto string = [&](const std::string& text) {
      number(static_cast<uint16_t>(text.size() + 1));
      raw(std::string_view(text.c_str(), text.size() + 1));
    };
    number(version), string(spec), number(revision), number(static_cast<uint32_t>(variables.size()));
    for (const Variable& v : variables) {
      string(v.name);
      number(static_cast<uint8_t>(v.shape.size()));
      for (const uint32_t size : v.shape) number(size);
      number(v.type), number(static_cast<uint32_t>(v.data.size()));
      raw(v.data);
    }
    number(static_cast<uint32_t>(aliases.size()));
    for (const auto& [alias, target] : aliases) string(alias), string(target);
    return out;
  }

  static CTranslate2Parts of(std::string_view bytes) {
    CTranslate2Parts p;
    const auto take = [&](size_t n) {
      const std::string_view field = bytes.substr(0, n);
      bytes.remove_prefix(n);
      return field;
    };
    const auto number = [&]<class T>(T value) {
      std::memcpy(&value, take(sizeof value).data(), sizeof value);
      return value;
    };
    const auto string = [&] {
      const std::string_view text = take(number(uint16_t{}));
      return std::string(text.substr(0, text.size() - 1));
    };
    p.version = number(uint32_t{}), p.spec = string(), p.revision = number(uint32_t{});
    for (uint32_t n = number(uint32_t{}); n > 0; --n) {
      Variable& v = p.variables.emplace_back();
      v.name = string();
      v.shape.resize(number(uint8_t{}));
      for (uint32_t& size : v.shape) size = number(uint32_t{});
      v.type = number(uint8_t{});
      v.data = take(number(uint32_t{}));
    }
    for (uint32_t n = number(uint32_t{}); n > 0; --n) {
      std::string alias = string();
      p.aliases.emplace_back(std::move(alias), string());
    }
    return p;
  }
};

}  // namespace shorthand::testing
