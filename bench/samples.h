// SPDX-License-Identifier: Apache-2.0
// Times of one piece of work, measured again and again.
#pragma once

#include <vector>

#include "base/thread_pool.h"

namespace shorthand::bench {

struct Samples {
  std::vector<double> ms;  // in the order in which they were taken

  double median() const { return quantile(0.5); }
  double p95() const { return quantile(0.95); }
  double best() const { return quantile(0); }
  // Half the distance between the quartiles over the median: the noise that a difference has to exceed.
  double spread() const;
  // Linear between neighbours, as NumPy's default. Precondition: ms is not empty.
  double quantile(double q) const;
};

struct Patience {
  int warm_up = 2;         // runs that do not count
  int at_least = 5;        // runs that do
  double budget_ms = 300;  // more of them until so much time is spent
  int at_most = 200;
};

// Calls body() as `patience` says. Work that would give more samples than `at_most` within the budget
// is repeated within a sample, and the sample is the mean.
Samples measure(FunctionRef<void()> body, const Patience& patience = {});

}  // namespace shorthand::bench
