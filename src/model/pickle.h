// SPDX-License-Identifier: Apache-2.0
// Python's pickles, as data: numbers, text, lists and dictionaries, and the names of what Python would call. Nothing is
// ever called: what a pickle asks for must be on the reader's list, and becomes a value that says so. The opcodes are
// those of dictionaries of tensors at the protocols 2 to 5; any other is refused. Source: CPython's pickletools.
//
// Values refer to each other by index, and a pickle may let them form a ring: whoever reads them goes to the depth that
// he expects, never to the end.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shorthand {

// Far above what a model needs: a large one's pickle has 400 KB and 20,000 values.
inline constexpr size_t kMaxPickleBytes = 16 << 20;
inline constexpr size_t kMaxPickleValues = 1 << 19;

class Pickle {
 public:
  using Ref = uint32_t;
  enum class Kind : uint8_t {
    none,
    boolean,     // integer
    integer,     // integer
    real,        // its value is not kept
    text,        // text
    sequence,    // a tuple or a list: items
    dictionary,  // items: key, value, key, value, ... in the order they were set, keys perhaps twice
    global,      // text: "module.name", one of those allowed
    call,        // text: the global that would have been called; items: one, the sequence of its arguments
    persistent,  // items: one, the sequence that is its persistent id
  };
  struct Value {
    Kind kind = Kind::none;
    int64_t integer = 0;
    std::string_view text;  // in the pickle's bytes, or of the list of what is allowed
    std::vector<Ref> items;
  };

  // `allowed` are the globals it may name, as "module.name", besides collections.OrderedDict, which makes a dictionary.
  // The bytes and the list must outlive the result. Errors name `file`.
  static Result<Pickle> parse(std::span<const std::byte> bytes, std::span<const std::string_view> allowed,
                              std::string_view file);

  const Value& root() const { return values_[root_]; }
  const Value& operator[](Ref ref) const { return values_[ref]; }

  // The value that a dictionary has for a key; none where it has none or is no dictionary.
  const Value* find(const Value& dictionary, std::string_view key) const;

 private:
  friend class PickleMachine;
  std::vector<Value> values_;
  Ref root_ = 0;
};

}  // namespace shorthand
