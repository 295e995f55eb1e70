// SPDX-License-Identifier: Apache-2.0
// `shorthand bench` as a script uses it: the report, and that a failure cannot hide. No time is judged here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/shared_data.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Ran;
using ::testing::StartsWith;
using testing::TemporaryFolder;

class BenchTest : public ::testing::Test {
 protected:
  Ran run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"bench", "-o", (folder_ / "out").string()});
    return testing::run_shorthand(arguments, {});
  }
  std::string page(const char* name) { return testing::contents(folder_ / "out" / name); }

  TemporaryFolder folder_;
};

TEST_F(BenchTest, AFailingPeerFailsItsPhaseAndTheRun) {
  const Ran ran = run({"--quick", "--phase", "comparison", "--model", "micro", "--peer", "sleepy=true {audio}",
                       "--peer", "broken=ls /no/such/file/{threads}", "-t", "2"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, StartsWith("# Shorthand benchmark: FAILED\n"));
  EXPECT_THAT(ran.out, AllOf(HasSubstr("FAILED, comparison: broken: ended with"), HasSubstr("| sleepy |")));
  EXPECT_EQ(page("LATEST.md"), ran.out);
  EXPECT_THAT(page("LATEST.html"), HasSubstr("FAILED: see below"));
  const Json report = Json::parse(page("LATEST.json"), nullptr, false);
  ASSERT_FALSE(report.is_discarded());
  EXPECT_EQ(report["ok"], false);
  EXPECT_EQ(report["phases"]["comparison"]["ok"], false);
  EXPECT_EQ(report["machine"]["threads"], 2);
}

TEST_F(BenchTest, AMissingDataFolderFailsTheAccuracyPhase) {
  const Ran ran = run({"--quick", "--phase", "accuracy", "--data", (folder_ / "nothing").string()});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("accuracy: FAILED"));
}

TEST_F(BenchTest, TheAccuracyPhaseHoldsItsBounds) {
  const Ran ran = run({"--quick", "--phase", "accuracy"});
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, StartsWith("# Shorthand benchmark: ok\n"));
  EXPECT_THAT(ran.out, HasSubstr("Token agreement"));
}

TEST_F(BenchTest, ACommandLineThatIsWrongIsRefusedBeforeAnythingRuns) {
  Ran ran = run({"--phase", "kernles"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("'kernles' is none of kernels, pipeline, accuracy, comparison, report"));
  ran = run({"--peer", "nonsense"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("NAME=COMMAND"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(BenchTest, AnUnknownModelSizeIsAFailure) {
  const Ran ran = run({"--quick", "--phase", "pipeline", "--model", "enormous"});
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.out + ran.err, HasSubstr("enormous"));
}

}  // namespace
}  // namespace shorthand
