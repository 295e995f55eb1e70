// SPDX-License-Identifier: Apache-2.0
// Arrays for tests of numeric code: data that shows mistakes, memory that notices stray writes, and measures of error.
//
// Data is zero-mean with outliers: constant, zero or positive data hides transposed operands and lost signs. Errors are
// measured over whole arrays (relative L2, SNR) or in units of the last place, against references in double precision.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace shorthand::testing {

// A seeded source of numbers; one seed gives the same data on every machine with the same standard library.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // Uniform over lowest..highest, both included.
  int integer(int lowest, int highest) { return std::uniform_int_distribution<int>(lowest, highest)(engine_); }
  float uniform(float lowest, float highest) { return std::uniform_real_distribution<float>(lowest, highest)(engine_); }
  float normal(float sigma = 1.0f) { return std::normal_distribution<float>(0.0f, sigma)(engine_); }

  // Normal, and one in fifty ten times as large: activations of a transformer have such channels.
  std::vector<float> floats(size_t n, float sigma = 1.0f) {
    std::vector<float> v(n);
    for (float& x : v) x = normal(sigma) * (integer(0, 49) == 0 ? 10.0f : 1.0f);
    return v;
  }

  // Uniform over the values of T, or over lowest..highest.
  template <class T>
  std::vector<T> integers(size_t n, int lowest = std::numeric_limits<T>::min(),
                          int highest = std::numeric_limits<T>::max()) {
    std::vector<T> v(n);
    for (T& x : v) x = static_cast<T>(integer(lowest, highest));
    return v;
  }

 private:
  std::mt19937_64 engine_;
};

// Rows [rows, width], `stride` elements apart, in memory filled with a pattern. The pattern stands before, between and
// behind the rows; untouched() tells whether it still does. The first row starts `offset` elements past a 64-byte
// boundary, so that an offset of 1 gives the least alignment T can have.
template <class T>
class GuardedRows {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  GuardedRows(int rows, int width, size_t stride, size_t offset = 0)
      : rows_(static_cast<size_t>(rows)), width_(static_cast<size_t>(width)), stride_(stride) {
    const size_t body = (rows_ ? (rows_ - 1) * stride_ + width_ : 0) * sizeof(T);
    bytes_.resize(body + offset * sizeof(T) + 2 * kGuard + 64);
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = pattern(i);
    const size_t misfit = reinterpret_cast<uintptr_t>(bytes_.data()) % 64;
    start_ = kGuard + (64 - misfit) % 64 + offset * sizeof(T);
  }

  T* data() { return reinterpret_cast<T*>(bytes_.data() + start_); }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data() + start_); }
  T* row(int r) { return data() + static_cast<size_t>(r) * stride_; }
  const T* row(int r) const { return data() + static_cast<size_t>(r) * stride_; }
  size_t stride() const { return stride_; }

  // The rows without what lies between them.
  std::vector<T> values() const {
    std::vector<T> v(rows_ * width_);
    for (size_t r = 0; r < rows_; ++r) std::memcpy(v.data() + r * width_, data() + r * stride_, width_ * sizeof(T));
    return v;
  }

  void assign(std::span<const T> v) {
    ASSERT_EQ(v.size(), rows_ * width_);
    for (size_t r = 0; r < rows_; ++r) std::memcpy(data() + r * stride_, v.data() + r * width_, width_ * sizeof(T));
  }

  ::testing::AssertionResult untouched() const {
    for (size_t i = 0; i < bytes_.size(); ++i) {
      if (bytes_[i] != pattern(i) && !inside(i))
        return ::testing::AssertionFailure()
               << "a byte outside the rows was written, " << static_cast<long>(i) - static_cast<long>(start_)
               << " from their start (rows " << rows_ << ", width " << width_ << ", stride " << stride_ << ")";
    }
    return ::testing::AssertionSuccess();
  }

 private:
  static constexpr size_t kGuard = 256;
  static unsigned char pattern(size_t i) { return static_cast<unsigned char>(0xa5 ^ (i * 29)); }
  bool inside(size_t i) const {
    if (i < start_) return false;
    const size_t element = (i - start_) / sizeof(T);
    return element / stride_ < rows_ && element % stride_ < width_;
  }

  size_t rows_, width_, stride_, start_ = 0;
  std::vector<unsigned char> bytes_;
};

// Both arrays hold the same bits. NaNs count as equal: which one an instruction returns is not promised.
template <class T>
::testing::AssertionResult same_bits(std::span<const T> got, std::span<const T> want) {
  if (got.size() != want.size())
    return ::testing::AssertionFailure() << "sizes differ: " << got.size() << " and " << want.size();
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &want[i], sizeof(T)) == 0) continue;
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(got[i]) && std::isnan(want[i])) continue;
    }
    return ::testing::AssertionFailure() << "element " << i << " of " << got.size() << " is " << +got[i] << ", not "
                                         << +want[i];
  }
  return ::testing::AssertionSuccess();
}
template <class T>
::testing::AssertionResult same_bits(const std::vector<T>& got, const std::vector<T>& want) {
  return same_bits(std::span<const T>(got), std::span<const T>(want));
}

// |got - want| / |want| over the whole array; infinite where `want` is nothing but zeros and `got` is not.
inline double relative_l2(std::span<const float> got, std::span<const double> want) {
  double error = 0, power = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double d = static_cast<double>(got[i]) - want[i];
    error += d * d;
    power += want[i] * want[i];
  }
  return error == 0 ? 0 : std::sqrt(error / power);
}

// Signal to noise in dB; infinite where the arrays are equal.
inline double snr_db(std::span<const float> got, std::span<const double> want) {
  return -20.0 * std::log10(relative_l2(got, want));
}

// How far `got` is from `want`, in units of the last place that a float has at `want`.
inline double ulps(float got, double want) {
  int exponent = 0;
  std::frexp(want, &exponent);  // want = [0.5, 1) * 2^exponent
  const double unit = std::ldexp(1.0, std::max(exponent, -125) - 24);
  return std::fabs(static_cast<double>(got) - want) / unit;
}

inline constexpr double kUnitRoundoff = 0x1p-24;  // of a float, round to nearest

}  // namespace shorthand::testing
