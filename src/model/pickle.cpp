// SPDX-License-Identifier: Apache-2.0
#include "model/pickle.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/byte_reader.h"
#include "base/phrase.h"

namespace shorthand {
namespace {

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr int kLeastProtocol = 2, kMostProtocol = 5;
constexpr size_t kMaxName = 256;

enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kNone = 'N',
  kTrue = 0x88,
  kFalse = 0x89,
  kInt = 'J',
  kInt1 = 'K',
  kInt2 = 'M',
  kLong1 = 0x8a,
  kFloat = 'G',
  kText = 'X',
  kShortText = 0x8c,
  kLongText = 0x8d,
  kEmptyTuple = ')',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kTuple = 't',
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kBuild = 'b',
  kPersistent = 'Q',
  kPut = 'q',
  kLongPut = 'r',
  kMemoize = 0x94,
  kGet = 'h',
  kLongGet = 'j',
  kProtocol = 0x80,
  kFrame = 0x95,
};

}  // namespace

// The stack machine that a pickle is a program for.
class PickleMachine {
  using Ref = Pickle::Ref;
  using Kind = Pickle::Kind;
  using Value = Pickle::Value;

 public:
  PickleMachine(std::span<const std::byte> bytes, std::span<const std::string_view> allowed, std::string_view file)
      : reader_(bytes), allowed_(allowed), file_(file) {}

  Result<Pickle> run() {
    if (reader_.read<uint8_t>() != kProtocol) return damaged();
    const int protocol = reader_.read<uint8_t>();
    if (protocol < kLeastProtocol || protocol > kMostProtocol)
      return unsupported(fmt::format("{}: its pickle has protocol {}; this engine reads {} to {}", file_, protocol,
                                     kLeastProtocol, kMostProtocol));
    while (true) {
      const size_t at = reader_.position();
      const auto opcode = reader_.read<uint8_t>();
      if (reader_.failed()) return bad_input(fmt::format("{}: its pickle is cut off; download it again", file_));
      if (opcode == kStop) break;
      SHORTHAND_TRY(step(opcode, at));
      if (reader_.failed()) return bad_input(fmt::format("{}: its pickle is cut off; download it again", file_));
      if (pickle_.values_.size() > kMaxPickleValues)
        return unsupported(fmt::format("{}: its pickle makes more than {} values; a checkpoint has far fewer", file_,
                                       grouped(kMaxPickleValues)));
    }
    if (stack_.size() != 1 || !marks_.empty()) return damaged();
    pickle_.root_ = stack_.back();
    return std::move(pickle_);
  }

 private:
  Error damaged() const {
    return bad_input(fmt::format("{}: its pickle is damaged (byte {})", file_, grouped(reader_.position())));
  }

  Result<void> step(uint8_t opcode, size_t at) {
    switch (opcode) {
      case kNone: return push({});
      case kTrue: return push({Kind::boolean, 1, {}, {}});
      case kFalse: return push({Kind::boolean, 0, {}, {}});
      case kInt: return push_integer(reader_.read<int32_t>());
      case kInt1: return push_integer(reader_.read<uint8_t>());
      case kInt2: return push_integer(reader_.read<uint16_t>());
      case kLong1: return push_long();
      case kFloat: return reader_.take(8), push({Kind::real, 0, {}, {}});
      case kText: return push_text(reader_.read<uint32_t>());
      case kShortText: return push_text(reader_.read<uint8_t>());
      case kLongText: return push_text(reader_.read<uint64_t>());
      case kMark: return marks_.push_back(stack_.size()), Result<void>();
      case kEmptyTuple:
      case kEmptyList: return push({Kind::sequence, 0, {}, {}});
      case kTuple1: return gather(1);
      case kTuple2: return gather(2);
      case kTuple3: return gather(3);
      case kTuple: return gather(SHORTHAND_TRY(since_mark()));
      case kAppend: return add(1, Kind::sequence);
      case kAppends: return add(SHORTHAND_TRY(since_mark()), Kind::sequence);
      case kEmptyDict: return push({Kind::dictionary, 0, {}, {}});
      case kSetItem: return add(2, Kind::dictionary);
      case kSetItems: return add(SHORTHAND_TRY(since_mark()), Kind::dictionary);
      case kGlobal: return global_by_line();
      case kStackGlobal: return global_by_stack();
      case kReduce: return reduce();
      case kBuild: return build();
      case kPersistent: return persistent();
      case kPut: return memoize(reader_.read<uint8_t>());
      case kLongPut: return memoize(reader_.read<uint32_t>());
      case kMemoize: return memoize(memo_.size());
      case kGet: return recall(reader_.read<uint8_t>());
      case kLongGet: return recall(reader_.read<uint32_t>());
      case kFrame: return reader_.take(8), Result<void>();
    }
    return unsupported(fmt::format(
        "{}: its pickle has the opcode 0x{:02x} at byte {}, which a dictionary of tensors has no need of; this engine "
        "runs nothing that a file brings along",
        file_, opcode, grouped(at)));
  }

  Result<void> push(Value value) {
    stack_.push_back(static_cast<Ref>(pickle_.values_.size()));
    pickle_.values_.push_back(std::move(value));
    return {};
  }
  Result<void> push_integer(int64_t value) { return push({Kind::integer, value, {}, {}}); }
  Result<void> push_text(uint64_t length) { return push({Kind::text, 0, reader_.take_text(length), {}}); }

  // Little-endian, in two's complement, of so many bytes.
  Result<void> push_long() {
    const size_t length = reader_.read<uint8_t>();
    if (length > sizeof(int64_t)) return damaged();
    uint64_t value = 0;
    for (size_t i = 0; i < length; ++i) value |= uint64_t{reader_.read<uint8_t>()} << 8 * i;
    if (length > 0 && length < 8 && value >> (8 * length - 1) & 1) value |= ~uint64_t{0} << 8 * length;
    return push_integer(static_cast<int64_t>(value));
  }

  // Values that an operation may take: those above the last mark.
  size_t at_hand() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

  Result<size_t> since_mark() {
    if (marks_.empty()) return damaged();
    const size_t count = at_hand();
    marks_.pop_back();
    return count;
  }

  std::vector<Ref> pop(size_t count) {
    std::vector<Ref> refs(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return refs;
  }

  Value& top() { return pickle_.values_[stack_.back()]; }

  Result<void> gather(size_t count) {
    if (at_hand() < count) return damaged();
    return push({Kind::sequence, 0, {}, pop(count)});
  }

  Result<void> add(size_t count, Kind to) {
    if (at_hand() < count + 1 || (to == Kind::dictionary && count % 2 != 0)) return damaged();
    const std::vector<Ref> refs = pop(count);
    if (top().kind != to) return damaged();
    top().items.insert(top().items.end(), refs.begin(), refs.end());
    return {};
  }

  Result<void> global(std::string_view module, std::string_view name) {
    const std::string whole = fmt::format("{}.{}", module, name);
    if (whole == kOrderedDict) return push({Kind::global, 0, kOrderedDict, {}});
    const auto found = std::find(allowed_.begin(), allowed_.end(), whole);
    if (found == allowed_.end())
      return unsupported(fmt::format(
          "{}: its pickle asks for {}, which is none of what a dictionary of float tensors needs; this engine runs "
          "nothing that a file brings along",
          file_, printable(whole, 100)));
    return push({Kind::global, 0, *found, {}});
  }

  std::string_view line() {
    std::string_view rest = ByteReader(reader_).take_text(std::min(reader_.remaining(), kMaxName + 1));
    const size_t end = rest.find('\n');
    return reader_.take_text(end == std::string_view::npos ? reader_.remaining() + 1 : end + 1).substr(0, end);
  }
  Result<void> global_by_line() {
    const std::string_view module = line(), name = line();
    return reader_.failed() ? Result<void>(damaged()) : global(module, name);
  }
  Result<void> global_by_stack() {
    if (at_hand() < 2) return damaged();
    const auto refs = pop(2);
    const Value &module = pickle_[refs[0]], &name = pickle_[refs[1]];
    if (module.kind != Kind::text || name.kind != Kind::text) return damaged();
    return global(module.text.substr(0, kMaxName), name.text.substr(0, kMaxName));
  }

  Result<void> reduce() {
    if (at_hand() < 2) return damaged();
    const auto refs = pop(2);
    const Value &callee = pickle_[refs[0]], &arguments = pickle_[refs[1]];
    if (callee.kind != Kind::global || arguments.kind != Kind::sequence) return damaged();
    if (callee.text != kOrderedDict) return push({Kind::call, 0, callee.text, {refs[1]}});
    if (!arguments.items.empty()) return damaged();
    return push({Kind::dictionary, 0, {}, {}});
  }

  // Attributes of an OrderedDict: the versions of a model's modules, of which nothing depends here.
  Result<void> build() {
    if (at_hand() < 2) return damaged();
    const auto state = pop(1);
    return top().kind == Kind::dictionary && pickle_[state[0]].kind == Kind::dictionary ? Result<void>() : damaged();
  }

  Result<void> persistent() {
    if (at_hand() < 1) return damaged();
    const Ref id = pop(1)[0];
    return pickle_[id].kind == Kind::sequence ? push({Kind::persistent, 0, {}, {id}}) : damaged();
  }

  Result<void> memoize(size_t place) {
    if (at_hand() < 1 || place > kMaxPickleValues) return damaged();
    if (place >= memo_.size()) memo_.resize(place + 1, kNothing);
    memo_[place] = stack_.back();
    return {};
  }
  Result<void> recall(size_t place) {
    if (place >= memo_.size() || memo_[place] == kNothing) return damaged();
    stack_.push_back(memo_[place]);
    return {};
  }

  static constexpr Ref kNothing = UINT32_MAX;

  ByteReader reader_;
  std::span<const std::string_view> allowed_;
  std::string_view file_;
  Pickle pickle_;
  std::vector<Ref> stack_, memo_;
  std::vector<size_t> marks_;  // heights of the stack
};

Result<Pickle> Pickle::parse(std::span<const std::byte> bytes, std::span<const std::string_view> allowed,
                             std::string_view file) {
  if (bytes.size() > kMaxPickleBytes)
    return unsupported(fmt::format("{}: its pickle has {} bytes; a checkpoint's has {} at the most", file,
                                   grouped(bytes.size()), grouped(kMaxPickleBytes)));
  return PickleMachine(bytes, allowed, file).run();
}

const Pickle::Value* Pickle::find(const Value& dictionary, std::string_view key) const {
  if (dictionary.kind != Kind::dictionary) return nullptr;
  for (size_t i = dictionary.items.size(); i >= 2; i -= 2) {
    const Value& k = values_[dictionary.items[i - 2]];
    if (k.kind == Kind::text && k.text == key) return &values_[dictionary.items[i - 1]];
  }
  return nullptr;
}

}  // namespace shorthand
