// SPDX-License-Identifier: Apache-2.0
#include "samples.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"

namespace shorthand::bench {

double Samples::quantile(double q) const {
  std::vector<double> sorted = ms;
  std::ranges::sort(sorted);
  const double at = q * static_cast<double>(sorted.size() - 1);
  const size_t low = static_cast<size_t>(at), high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

double Samples::spread() const { return median() > 0 ? (quantile(0.75) - quantile(0.25)) / 2 / median() : 0; }

Samples measure(FunctionRef<void()> body, const Patience& patience) {
  for (int i = 0; i < patience.warm_up; ++i) body();
  const Stopwatch once;
  body();
  const double shortest_ms = patience.budget_ms / patience.at_most;
  const int repeats = std::max(1, static_cast<int>(std::ceil(shortest_ms / std::max(once.elapsed_ms(), 1e-4))));
  Samples samples;
  const Stopwatch all;
  while (static_cast<int>(samples.ms.size()) < patience.at_most &&
         (static_cast<int>(samples.ms.size()) < patience.at_least || all.elapsed_ms() < patience.budget_ms)) {
    const Stopwatch watch;
    for (int i = 0; i < repeats; ++i) body();
    samples.ms.push_back(watch.elapsed_ms() / repeats);
  }
  return samples;
}

}  // namespace shorthand::bench
