// SPDX-License-Identifier: Apache-2.0
// Lanes that change places.
#pragma once

#include <utility>

#include "vector.hpp"

namespace aie {

// Lane i takes lane i + n; the last n hold what they did (undefined on the machine).
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> shuffle_down(const vector<T, N>& a, unsigned n) {
  vector<T, N> v = a;
  for (unsigned i = 0; i + n < N; ++i) v.lane[i] = a.lane[i + n];
  return v;
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> shuffle_up(const vector<T, N>& a, unsigned n) {
  vector<T, N> v = a;
  for (unsigned i = n; i < N; ++i) v.lane[i] = a.lane[i - n];
  return v;
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> shuffle_down_rotate(const vector<T, N>& a, unsigned n) {
  vector<T, N> v;
  for (unsigned i = 0; i < N; ++i) v.lane[i] = a.lane[(i + n) % N];
  return v;
}

// Lanes 0, 2 step, ... (in runs of `step`), and the others.
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N / 2> filter_even(const vector<T, N>& a, unsigned step = 1) {
  vector<T, N / 2> v;
  for (unsigned i = 0; i < N / 2; ++i) v.lane[i] = a.lane[i / step * 2 * step + i % step];
  return v;
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N / 2> filter_odd(const vector<T, N>& a, unsigned step = 1) {
  vector<T, N / 2> v;
  for (unsigned i = 0; i < N / 2; ++i) v.lane[i] = a.lane[i / step * 2 * step + step + i % step];
  return v;
}

// Runs of `step` lanes of a and b in turn; the two halves of the result.
template <class T, unsigned N>
SHORTHAND_AIE_INLINE std::pair<vector<T, N>, vector<T, N>> interleave_zip(const vector<T, N>& a, const vector<T, N>& b,
                                                                          unsigned step = 1) {
  T both[2 * N];
  for (unsigned i = 0; i < N; ++i) {
    both[i / step * 2 * step + i % step] = a.lane[i];
    both[i / step * 2 * step + step + i % step] = b.lane[i];
  }
  std::pair<vector<T, N>, vector<T, N>> r;
  std::memcpy(r.first.lane, both, sizeof r.first.lane);
  std::memcpy(r.second.lane, both + N, sizeof r.second.lane);
  return r;
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE std::pair<vector<T, N>, vector<T, N>> interleave_unzip(const vector<T, N>& a,
                                                                            const vector<T, N>& b, unsigned step = 1) {
  std::pair<vector<T, N>, vector<T, N>> r;
  r.first.insert(0, filter_even(a, step)).insert(1, filter_even(b, step));
  r.second.insert(0, filter_odd(a, step)).insert(1, filter_odd(b, step));
  return r;
}

// A matrix [rows, cols] in one vector becomes [cols, rows].
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> transpose(const vector<T, N>& a, unsigned rows, unsigned cols) {
  assert(rows * cols == N);
  vector<T, N> v;
  for (unsigned r = 0; r < rows; ++r) {
    for (unsigned c = 0; c < cols; ++c) v.lane[c * rows + r] = a.lane[r * cols + c];
  }
  return v;
}
template <class T, unsigned N>
SHORTHAND_AIE_INLINE vector<T, N> reverse(const vector<T, N>& a) {
  vector<T, N> v;
  for (unsigned i = 0; i < N; ++i) v.lane[i] = a.lane[N - 1 - i];
  return v;
}

}  // namespace aie
