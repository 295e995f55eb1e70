// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "../bench/child.h"
#include "../bench/kernel_cases.h"
#include "../bench/report.h"
#include "../bench/roofs.h"
#include "../bench/samples.h"
#include "model/random.h"

namespace shorthand::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Samples, QuantilesAreNumPysDefault) {
  const Samples s{{4, 1, 3, 2, 10}};  // numpy.quantile([4, 1, 3, 2, 10], q)
  EXPECT_DOUBLE_EQ(s.median(), 3);
  EXPECT_DOUBLE_EQ(s.quantile(0.95), 8.8);
  EXPECT_DOUBLE_EQ(s.quantile(0.25), 2);
  EXPECT_DOUBLE_EQ(s.best(), 1);
  EXPECT_DOUBLE_EQ(s.spread(), (4.0 - 2.0) / 2 / 3);
}

TEST(Samples, MeasureTimesTheBody) {
  int calls = 0;
  const Samples s = measure(
      [&] {
        ++calls;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      },
      {.warm_up = 1, .at_least = 3, .budget_ms = 0});
  EXPECT_EQ(s.ms.size(), 3u);
  EXPECT_EQ(calls, 5);  // one to warm up, one to see how long it takes
  EXPECT_GE(s.best(), 2.0);
}

TEST(Shapes, LinesBecomeShapes) {
  const auto shapes =
      parse_shapes("# a comment\ngemm_i8 qkv 1500 512 256 bias gelu streamed # more\n\nsoftmax_sums v 7\n", "f");
  ASSERT_TRUE(shapes) << shapes.error().message;
  ASSERT_EQ(shapes->size(), 2u);
  EXPECT_EQ((*shapes)[0].text(), "gemm_i8 qkv 1500x512x256");
  EXPECT_TRUE((*shapes)[0].bias && (*shapes)[0].gelu && (*shapes)[0].streamed && !(*shapes)[0].residual);
  EXPECT_THAT((*shapes)[1].sizes, ElementsAre(7));
}

TEST(Shapes, WhatIsWrongIsNamedWithItsLine) {
  for (const auto& [text, message] : {std::pair{"gemm_i9 a 1 2 3", "f:1: no kernel family 'gemm_i9'"},
                                      {"\ngemm_i8 a 1 2", "f:2: gemm_i8 takes a name and 3 sizes"},
                                      {"softmax_sums a 0", "f:1: '0' is not a size"},
                                      {"softmax_sums a -4", "f:1: '-4' is not a size"},
                                      {"softmax_sums a 12x", "f:1: '12x' is not a size"},
                                      {"softmax_sums a 5 fast", "f:1: no flag 'fast'"}}) {
    const auto shapes = parse_shapes(text, "f");
    ASSERT_FALSE(shapes) << text;
    EXPECT_THAT(shapes.error().message, HasSubstr(message));
  }
}

TEST(Shapes, EveryFileOfTheProgramIsReadAndEveryCaseIsRight) {
  for (const char* name : {"tiny", "base", "small", "medium", "large-v3", "report"}) {
    const auto shapes = shapes_of(name);
    ASSERT_TRUE(shapes) << shapes.error().message;
    EXPECT_GE(shapes->size(), 8u);
  }
  const auto report = shapes_of("report");
  ASSERT_TRUE(report);
  for (const Shape& shape : *report) {
    for (const Isa isa : rungs_of(shape.family)) {
      const KernelCase kernel = make_case(shape, isa);
      EXPECT_TRUE(kernel.verify()) << shape.text() << " " << isa_name(isa);
      kernel.run();
      EXPECT_GT(kernel.macs + kernel.bytes, 0);
    }
  }
}

// The counts that the project's design gives for its models: encoder GMAC of a window without the decoder's keys and
// values, and decoder MMAC a token without the attention over what was said.
TEST(Roofs, WorkIsThatOfTheModels) {
  struct Known {
    const char* size;
    double encoder_gmac, token_mmac;
  };
  for (const Known& known : {Known{"tiny", 18.5, 28.2},
                             {"base", 43.7, 48.6},
                             {"small", 172, 138.9},
                             {"medium", 569, 405},
                             {"large-v3", 1137, 800},
                             {"large-v3-turbo", 1137, 158}}) {
    const Config c = *random_config(known.size, 50257);
    const Work work = work_of(c);
    const double d = c.n_text_state, cross_gmac = 2 * d * d * 1500 * c.n_text_layer / 1e9;
    EXPECT_NEAR(work.encoder_ops / 2e9 - cross_gmac, known.encoder_gmac, 0.01 * known.encoder_gmac) << known.size;
    EXPECT_NEAR((work.token_ops / 2 - work.cross_bytes) / 1e6, known.token_mmac, 0.01 * known.token_mmac) << known.size;
    EXPECT_NEAR(work.weight_bytes / 1e6, known.token_mmac, 0.01 * known.token_mmac) << known.size;
  }
}

TEST(Roofs, TheRoofTimeIsItsFormula) {
  const Work work{100, 10, 7, 3};
  // 4 windows in batches of 2, 5 tokens each: (4 * (100 + 50)) / (2 * 50) + 5 * (2 * 7 + 4 * 3) / 13 seconds
  EXPECT_DOUBLE_EQ(roof_ms(work, 4, 5, 2, 50, 13), 1000 * (6.0 + 10.0));
}

TEST(Roofs, NoRunIsAboveThem) {
  EXPECT_FALSE(is_above_roof(0, 10));  // no roof
  EXPECT_FALSE(is_above_roof(100, 131));
  EXPECT_FALSE(is_above_roof(100, 99));
  EXPECT_TRUE(is_above_roof(1034, 689));
}

TEST(Child, IsTimedAndHeard) {
  const auto done = run_child({"sh", "-c", "sleep 0.05; echo heard; echo complaint >&2; exit 3"});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->status, 3);
  EXPECT_EQ(done->out, "heard\n");
  EXPECT_EQ(done->err, "complaint\n");
  EXPECT_GE(done->wall_ms, 50);
}

TEST(Child, ManyLinesDoNotBlockIt) {
  const auto done = run_child({"sh", "-c", "yes | head -c 5000000; yes no | head -c 5000000 >&2"});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->status, 0);
  EXPECT_LE(done->out.size(), size_t{2} << 20);
}

TEST(Child, WhatCannotRunOrDoesNotEndIsAnError) {
  const auto missing = run_child({"/nowhere/whisper-cli"});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("/nowhere/whisper-cli: cannot be started"));
  const auto endless = run_child({"sleep", "60"}, 0.2);
  ASSERT_FALSE(endless);
  EXPECT_THAT(endless.error().message, HasSubstr("had not ended"));
}

TEST(Child, CommandLinesAreParted) {
  EXPECT_THAT(split_command("a 'b c'  \"d'e\" f'g'h ''"), ElementsAre("a", "b c", "d'e", "fgh", ""));
}

Report report_of(bool ran, std::vector<std::string> failures) {
  Report report;
  report.machine = {{"cpu", "a <machine>"}};
  report.asked = {"kernels", "pipeline"};
  PhaseReport kernels;
  kernels.name = "kernels";
  kernels.ran = true;
  kernels.tables.push_back({"T", {"a|b", "c"}, {{"x<y", "12 %"}, {"z", "6 %"}}, 1, "n"});
  report.phases.push_back(kernels);
  PhaseReport pipeline;
  pipeline.name = "pipeline";
  pipeline.ran = ran;
  pipeline.failures = std::move(failures);
  report.phases.push_back(pipeline);
  return report;
}

TEST(Reports, APhaseThatDidNotRunOrFailedIsToldAtTheTop) {
  EXPECT_TRUE(report_of(true, {}).ok());
  for (const Report& report : {report_of(false, {}), report_of(true, {"other work"})}) {
    EXPECT_FALSE(report.ok());
    const std::string markdown = as_markdown(report), page = as_html(report);
    EXPECT_TRUE(markdown.starts_with("# Shorthand benchmark: FAILED")) << markdown;
    EXPECT_LT(markdown.find("pipeline: FAILED"), markdown.find("##")) << markdown;
    EXPECT_THAT(page, HasSubstr("FAILED"));
    EXPECT_FALSE(as_json(report)["ok"].get<bool>());
  }
  Report missing = report_of(true, {});
  missing.phases.pop_back();
  EXPECT_FALSE(missing.ok());
  EXPECT_THAT(as_markdown(missing), HasSubstr("pipeline: FAILED: did not run"));
}

TEST(Reports, TextIsEscaped) {
  const Report report = report_of(true, {});
  EXPECT_THAT(as_html(report), HasSubstr("x&lt;y"));
  EXPECT_THAT(as_html(report), HasSubstr("width:50.0%"));
  EXPECT_THAT(as_markdown(report), HasSubstr("a\\|b"));
}

}  // namespace
}  // namespace shorthand::bench
