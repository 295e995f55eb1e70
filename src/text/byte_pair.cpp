// SPDX-License-Identifier: Apache-2.0
#include "text/byte_pair.h"

#include <algorithm>
#include <queue>
#include <tuple>

namespace shorthand {
namespace {

// Two neighbouring parts that would make token `id`, the first from `begin` and the second to `end`.
struct Pair {
  int id;
  size_t begin, end;
  // For a heap that gives the lowest id first, and of equals the leftmost.
  friend bool operator<(const Pair& a, const Pair& b) { return std::tie(a.id, a.begin) > std::tie(b.id, b.begin); }
};

// A word cut into parts. A part is named by its first byte.
class Parts {
 public:
  explicit Parts(size_t n_bytes) : end_(n_bytes), previous_(n_bytes) {
    for (size_t i = 0; i < n_bytes; ++i) end_[i] = i + 1, previous_[i] = i == 0 ? kNone : i - 1;
  }
  static constexpr size_t kNone = SIZE_MAX;

  size_t end(size_t part) const { return end_[part]; }
  size_t previous(size_t part) const { return previous_[part]; }
  bool is_last(size_t part) const { return end_[part] == end_.size(); }

  // Whether the pair still is two neighbours: neither has been merged with another since.
  bool holds(const Pair& pair) const {
    const size_t second = end_[pair.begin];
    return second != kNone && second < end_.size() && end_[second] == pair.end;
  }
  void join(const Pair& pair) {
    const size_t second = end_[pair.begin];
    end_[pair.begin] = pair.end;
    end_[second] = kNone;
    if (pair.end < end_.size()) previous_[pair.end] = pair.begin;
  }

 private:
  std::vector<size_t> end_;       // where the next part begins; kNone for a byte inside a part
  std::vector<size_t> previous_;  // the part before
};

}  // namespace

BytePairs::BytePairs(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {
  ids_.reserve(pieces_.size());
  for (size_t i = 0; i < pieces_.size(); ++i) {
    if (!pieces_[i].empty()) ids_.emplace(pieces_[i], static_cast<int>(i));
    longest_ = std::max(longest_, pieces_[i].size());
  }
}

int BytePairs::find(std::string_view bytes) const {
  if (bytes.size() > longest_) return -1;
  const auto it = ids_.find(bytes);
  return it == ids_.end() ? -1 : it->second;
}

void BytePairs::encode(std::string_view word, std::vector<int>* ids) const {
  if (const int id = find(word); id >= 0) {
    ids->push_back(id);
  } else if (word.size() > 1) {
    merge(word, ids);
  }
}

void BytePairs::merge(std::string_view word, std::vector<int>* ids) const {
  Parts parts(word.size());
  std::priority_queue<Pair> pairs;
  const auto propose = [&](size_t part) {
    if (part == Parts::kNone || parts.is_last(part)) return;
    const size_t end = parts.end(parts.end(part));
    if (const int id = find(word.substr(part, end - part)); id >= 0) pairs.push({id, part, end});
  };
  for (size_t i = 0; i + 1 < word.size(); ++i) propose(i);
  while (!pairs.empty()) {
    const Pair pair = pairs.top();
    pairs.pop();
    if (!parts.holds(pair)) continue;
    parts.join(pair);
    propose(parts.previous(pair.begin));
    propose(pair.begin);
  }
  for (size_t part = 0; part < word.size(); part = parts.end(part)) {
    if (const int id = find(word.substr(part, parts.end(part) - part)); id >= 0) ids->push_back(id);
  }
}

}  // namespace shorthand
