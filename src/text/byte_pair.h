// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding of one word by rank, where rank is the token's id.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace shorthand {

class BytePairs {
 public:
  // Pieces in the order of their ids. Of equal pieces the first is the one that encoding gives; an empty piece is never
  // given.
  explicit BytePairs(std::vector<std::string> pieces);
  BytePairs(BytePairs&&) = default;
  BytePairs& operator=(BytePairs&&) = default;

  const std::vector<std::string>& pieces() const { return pieces_; }

  // The id of a piece, or -1.
  int find(std::string_view bytes) const;

  // Appends the ids of a word. It is a piece as it stands, or begins as single bytes, of which again and again the two
  // neighbours that make the lowest id, the leftmost of equals, become one. Bytes that the vocabulary lacks are left
  // out. n bytes take O(n log n).
  void encode(std::string_view word, std::vector<int>* ids) const;

 private:
  void merge(std::string_view word, std::vector<int>* ids) const;

  std::vector<std::string> pieces_;
  std::unordered_map<std::string_view, int> ids_;  // views of pieces_
  size_t longest_ = 0;
};

}  // namespace shorthand
