// SPDX-License-Identifier: Apache-2.0
// Which variant a cap leads to, in every family.
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "support/variant_names.h"

namespace shorthand {
namespace {

// Every family has a rung's variant, or inherits that of the rung below.
struct Rung {
  Isa isa;
  Isa gemm_i8, others;
};
constexpr Rung kRungs[] = {{Isa::scalar, Isa::scalar, Isa::scalar},
                           {Isa::avx2, Isa::avx2, Isa::avx2},
                           {Isa::avxvnni, Isa::avxvnni, Isa::avx2},
                           {Isa::avx512vnni, Isa::avx512vnni, Isa::avx512vnni},
                           {Isa::amx, Isa::amx, Isa::avx512vnni}};

void PrintTo(const Rung& r, std::ostream* os) { *os << isa_name(r.isa); }

class ChooseTest : public ::testing::TestWithParam<Rung> {};

TEST_P(ChooseTest, TheForcedInstructionSetIsTheOneChosen) {
  SHORTHAND_NEEDS_ISA(GetParam().isa);
  const Kernels k = choose_kernels(GetParam().isa);
  EXPECT_EQ(k.isa, GetParam().isa);
  EXPECT_EQ(k.gemm_i8->isa, GetParam().gemm_i8);
  EXPECT_EQ(k.gemm_f32->isa, GetParam().others);
  EXPECT_EQ(k.attention->isa, GetParam().others);
  EXPECT_EQ(k.rowwise->isa, GetParam().others);
}
INSTANTIATE_TEST_SUITE_P(Caps, ChooseTest, ::testing::ValuesIn(kRungs), testing::variant_name());

// A cap above what the machine has leads to the highest rung that it can run, never to one that it cannot.
TEST(ChooseTest, NeverPassesTheMachine) {
  for (Isa cap : kAllIsas) {
    const Kernels k = choose_kernels(cap);
    for (Isa isa : {k.isa, k.gemm_i8->isa, k.gemm_f32->isa, k.attention->isa, k.rowwise->isa}) {
      EXPECT_TRUE(isa_supported(isa)) << isa_name(isa);
      EXPECT_LE(isa, cap);
    }
  }
  EXPECT_EQ(choose_kernels(Isa::amx).isa, best_isa());
}

template <class Variants>
void expect_a_ladder(const Variants& variants) {
  EXPECT_EQ(variants.front().isa, Isa::scalar);
  EXPECT_TRUE(std::is_sorted(variants.begin(), variants.end(), [](auto& a, auto& b) { return a.isa < b.isa; }));
  std::set<Isa> isas;
  for (const auto& v : variants) isas.insert(v.isa);
  EXPECT_EQ(isas.size(), variants.size());
}

// The chooser takes the last variant that fits, so the tables must ascend; and two rungs that shared a function would
// compare it with itself.
TEST(VariantsTest, AscendFromScalarWithAFunctionOfTheirOwn) {
  expect_a_ladder(gemm_i8::variants());
  expect_a_ladder(gemm_f32::variants());
  expect_a_ladder(attention::variants());
  expect_a_ladder(rowwise::variants());
  std::set<gemm_i8::TileFn> i8;
  for (const auto& v : gemm_i8::variants()) i8.insert(v.tile);
  EXPECT_EQ(i8.size(), gemm_i8::variants().size());
  std::set<gemm_f32::TileFn> f32;
  for (const auto& v : gemm_f32::variants()) f32.insert(v.tile);
  EXPECT_EQ(f32.size(), gemm_f32::variants().size());
  std::set<attention::WeighInt8Fn> weigh;
  for (const auto& v : attention::variants()) weigh.insert(v.weigh_int8);
  EXPECT_EQ(weigh.size(), attention::variants().size());
  std::set<rowwise::QuantiseFn> quantise;
  for (const auto& v : rowwise::variants()) quantise.insert(v.quantise);
  EXPECT_EQ(quantise.size(), rowwise::variants().size());
  std::set<rowwise::MixFn> mix;
  for (const auto& v : rowwise::variants()) mix.insert(v.mix);
  EXPECT_EQ(mix.size(), rowwise::variants().size());
}

}  // namespace
}  // namespace shorthand
