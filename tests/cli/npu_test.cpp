// SPDX-License-Identifier: Apache-2.0
// `shorthand npu` as scripts use it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/process.h"

namespace shorthand {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using testing::Ran;
using ::testing::StartsWith;

Ran npu(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "npu");
  return testing::run_shorthand(arguments);
}

Json simulate(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"simulate", "gemm", "--format", "json"});
  const Ran ran = npu(arguments);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  return Json::parse(ran.out, nullptr, false);
}

TEST(Npu, ListsItsDesigns) {
  EXPECT_THAT(npu({"list"}).out, HasSubstr("gemm-stock"));
  const Json list = Json::parse(npu({"list", "--format", "json"}).out, nullptr, false);
  ASSERT_TRUE(list.is_array());
  EXPECT_EQ(list[0]["name"], "gemm");
}

TEST(Npu, EveryListedDesignIsCheckedAndBuilt) {
  for (const Json& entry : Json::parse(npu({"list", "--format", "json"}).out)) {
    const std::string name = entry["name"];
    const Ran checked = npu({"check", name});
    EXPECT_EQ(checked.status, 0) << checked.err;
    EXPECT_THAT(checked.out, StartsWith(name + " fits npu1: "));
    const Ran built = npu({"build", name, "-o", "-"});
    EXPECT_EQ(built.status, 0) << built.err;
    EXPECT_THAT(built.out, StartsWith("module {\n  aie.device(npu1) @"));
  }
}

TEST(Npu, EveryLineOfASimulationSaysThatItIsOne) {
  for (const bool units : {false, true}) {
    std::vector<std::string> arguments{"simulate", "gemm", "--shape", "256x128x256"};
    if (units) arguments.push_back("--units");
    const Ran ran = npu(arguments);
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr(": of the cores' cycles working "));
    std::istringstream lines(ran.out);
    int n = 0;
    for (std::string line; std::getline(lines, line); ++n) {
      EXPECT_THAT(line, StartsWith("simulated (npu1, 1.03 GHz, DDR 27+27 GB/s, launch 108 us): "));
    }
    EXPECT_TRUE(units ? n > 16 : n < 8) << n;
  }
}

TEST(Npu, SimulatesInNumbersThatAgree) {
  const Json r = simulate({"--shape", "512x256x512", "--clock-ghz", "1.0"});
  EXPECT_EQ(r["simulated"], true);
  const double ms = r["ms"], launch_us = r["constants"]["launch_us"], cycles = r["cycles"];
  EXPECT_NEAR(ms, cycles / 1e6 + launch_us / 1e3, 1e-9);
  EXPECT_NEAR(r["gops"], 2.0 * 512 * 256 * 512 / (ms * 1e6), 1e-6);
  EXPECT_NEAR(r["percent_of_peak"], 100 * r["gops"].get<double>() / 8192, 1e-6);  // 16 cores, 256 products, 1 GHz
  EXPECT_EQ(r["bytes"]["written"], 512 * 512 * 4);
  EXPECT_GE(r["bytes"]["read"], 2 * 512 * 256);
  EXPECT_TRUE(r["stalls"].contains("input"));
}

TEST(Npu, OptionsChangeWhatTheySay) {
  const std::string shape = "1024x256x512";
  const double all = simulate({"--shape", shape})["cycles"];
  EXPECT_GT(simulate({"--shape", shape, "--columns", "1"})["cycles"], 2 * all);
  EXPECT_GT(simulate({"--shape", shape, "--buffers", "1"})["cycles"], all);
  const Json strix = simulate({"--shape", shape, "--device", "npu2"});
  EXPECT_EQ(strix["constants"]["cores"], 32);
  EXPECT_LT(strix["cycles"], all);
  EXPECT_EQ(simulate({"--shape", shape, "--clock-ghz", "1.8"})["constants"]["clock_ghz"], 1.8);
  EXPECT_THAT(simulate({"--model", "tiny"})["shape"].get<std::string>(), StartsWith("1500x384x1536 "));
}

TEST(Npu, TheLadderMeasuresEachStep) {
  const std::vector<std::string> request = {"ladder", "--model", "tiny", "--shape", "256x64x256", "--clock-ghz", "1.0"};
  const Ran text = npu(request);
  EXPECT_EQ(text.status, 0) << text.err;
  std::istringstream lines(text.out);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_THAT(line, StartsWith("simulated (npu1, 1.00 GHz, DDR 27+27 GB/s, launch 108 us): "));
  }
  std::vector<std::string> as_json = request;
  as_json.insert(as_json.end(), {"--format", "json"});
  const Json r = Json::parse(npu(as_json).out, nullptr, false);
  EXPECT_EQ(r["simulated"], true);
  std::map<std::string, double> ms;
  for (const Json& rung : r["rungs"]) {
    EXPECT_NEAR(rung["ms"], rung["array_ms"].get<double>() + rung["launch_ms"].get<double>(), 1e-9);
    ms[rung["work"].get<std::string>() + "/" + rung["group"].get<std::string>() + "/" +
       rung["step"].get<std::string>()] = rung["ms"];
  }
  EXPECT_GT(ms.at("product/tile/16"), ms.at("product/tile/64"));
  EXPECT_GT(ms.at("encoder/launches/one a tile"), ms.at("encoder/launches/one an operation"));
  EXPECT_GT(ms.at("encoder/launches/one an operation"), ms.at("encoder/launches/one a layer"));
  EXPECT_GT(ms.at("encoder/launches/one a layer"), ms.at("encoder/launches/one for the encoder"));
  // The rung is the design of the same name.
  const Json encoder =
      Json::parse(npu({"simulate", "encoder", "--model", "tiny", "--clock-ghz", "1.0", "--format", "json"}).out);
  EXPECT_NEAR(ms.at("encoder/launches/one for the encoder"), encoder["ms"], 1e-9);
}

TEST(Npu, TracesAreForAViewer) {
  const testing::TemporaryFolder folder;
  const std::string file = (folder / "t.json").string();
  EXPECT_EQ(npu({"trace", "gemm", "--shape", "256x64x256", "-o", file}).status, 0);
  const Json trace = Json::parse(testing::contents(file), nullptr, false);
  EXPECT_GT(trace["traceEvents"].size(), 50u);
  EXPECT_THAT(trace["otherData"]["what"].get<std::string>(), StartsWith("simulated"));
}

TEST(Npu, BuildWritesTheTextAndItsSteps) {
  const testing::TemporaryFolder folder;
  const Ran ran = npu({"build", "gemm", "--device", "npu2", "--columns", "2", "-o", (folder / "g").string()});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(testing::contents(folder / "g/gemm.mlir"), HasSubstr("aie.device(npu2_2col) @gemm"));
  EXPECT_THAT(testing::contents(folder / "g/Makefile"), HasSubstr("aiecc --no-xchesscc"));
  EXPECT_THAT(testing::contents(folder / "g/gemm.txt"), HasSubstr("device npu2_2col\n"));
}

TEST(Npu, InstsWritesTheControllersWords) {
  const testing::TemporaryFolder folder;
  const std::string file = (folder / "i.bin").string();
  const Ran ran = npu({"insts", "gemm", "--shape", "256x64x256", "-o", file});
  EXPECT_EQ(ran.status, 0) << ran.err;
  const std::string bytes = testing::contents(file);
  ASSERT_GT(bytes.size(), 16u);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x00\x01\x03\x06\x04\x01\x00\x00", 8));
  uint32_t size = 0;
  std::memcpy(&size, bytes.data() + 12, 4);
  EXPECT_EQ(size, bytes.size());
}

const char* const kSpeech = SHORTHAND_REPO_DIR "/tests/data/speech/short-02.flac";
// A node that opens, and the plugin whose array is the simulator.
const std::map<std::string, std::string> kDevice = {{"SHORTHAND_NPU_NODE", "/dev/null"},
                                                    {"SHORTHAND_NPU_PLUGIN", SHORTHAND_TEST_PLUGIN}};

Ran transcribe(const std::string& device, std::map<std::string, std::string> environment) {
  testing::RunOptions options;
  options.environment = std::move(environment);
  return testing::run_shorthand({"transcribe", "-q", "--stats", "-", "--device", device, kSpeech}, options);
}

// What the Makefile leaves of a design, but for the compiler's work.
void make_artefacts(const std::filesystem::path& folder, const std::string& model, const std::string& xclbin) {
  const Ran built = npu({"build", "encoder", "-m", model, "-o", folder.string()});
  ASSERT_EQ(built.status, 0) << built.err;
  ASSERT_EQ(npu({"insts", "encoder", "-m", model, "-o", (folder / "insts.bin").string()}).status, 0);
  std::ofstream(folder / "final.xclbin") << xclbin;
  std::filesystem::rename(folder / "encoder.txt", folder / "artefacts.txt");
}

TEST(DeviceNpu, SaysWhatIsMissingAndWhatToDo) {
  const testing::TemporaryFolder folder;
  make_artefacts(folder / "tiny", "tiny", "xclbin2");
  const auto with = [](const char* name, const std::string& value) {
    std::map<std::string, std::string> environment = kDevice;
    environment[name] = value;
    return environment;
  };
  struct Case {
    std::map<std::string, std::string> environment;
    std::string message;
  };
  const Case cases[] = {
      {with("SHORTHAND_NPU_NODE", "/dev/accel/accel99"),
       "shorthand: --device npu: no AMD NPU found (no /dev/accel/accel99). `shorthand devices` shows"},
      {with("SHORTHAND_NPU_PLUGIN", "/none.so"),
       "shorthand: --device npu: there is one at /dev/null, but no XRT plugin at /none.so. `shorthand devices` shows"},
      {with("SHORTHAND_NPU_PLUGIN", SHORTHAND_TEST_OLD_PLUGIN), "a plugin of version 2, this program speaks version 1"},
      {with("SHORTHAND_NPU_DIR", (folder / "none").string()),
       "shorthand: --device npu: " + (folder / "none").string() + ": no artefacts for the array are there; build them"},
      {with("XDG_DATA_HOME", folder.path().string()),
       (folder / "shorthand/npu/encoder-4x192-80").string() + ": no artefacts for the array are there"},
      {with("SHORTHAND_NPU_DIR", (folder / "tiny").string()),
       "artefacts for 4 layers of 384, 6 heads, 1500 positions, 80 mels; this model has 4 layers of 192"},
  };
  for (const Case& c : cases) {
    const Ran ran = transcribe("npu", c.environment);
    EXPECT_EQ(ran.status, 1);
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, StartsWith("shorthand: --device npu: "));
    EXPECT_THAT(ran.err, HasSubstr(c.message));
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  }
}

TEST(DeviceNpu, TranscribesWhatTheSimulatorDoes) {
  const testing::TemporaryFolder folder;
  make_artefacts(folder / "a", "builtin", "xclbin2 MLIR_AIE npu1 80 1500 192 3 4 2");
  std::map<std::string, std::string> environment = kDevice;
  environment["SHORTHAND_NPU_DIR"] = (folder / "a").string();
  const Ran device = transcribe("npu", environment), simulated = transcribe("npu-sim", {});
  EXPECT_EQ(device.status, 0) << device.err;
  EXPECT_EQ(simulated.status, 0) << simulated.err;
  EXPECT_NE(device.out, "");
  EXPECT_EQ(device.out, simulated.out);
  const Json encode = Json::parse(device.err)["stages"]["encode"];
  EXPECT_EQ(encode["device"], "npu:npu1");
  EXPECT_EQ(encode["simulated"], false);
  EXPECT_FALSE(encode.contains("array_ms"));
  environment["SHORTHAND_TEST_NPU"] = "timeout";
  const Ran hung = transcribe("npu", environment);
  EXPECT_EQ(hung.status, 1);
  EXPECT_EQ(hung.out, "");
  EXPECT_THAT(hung.err, HasSubstr("the NPU: encoder did not end within 10 s"));
}

TEST(DeviceNpu, IsListedWithItsReason) {
  const auto listed = [](const std::map<std::string, std::string>& environment) {
    testing::RunOptions options;
    options.environment = environment;
    const Ran ran = testing::run_shorthand({"devices", "--format", "json"}, options);
    return Json::parse(ran.out, nullptr, false)["npu"];
  };
  std::map<std::string, std::string> environment = kDevice;
  EXPECT_EQ(listed(environment)["usable"], true);
  environment["SHORTHAND_NPU_PLUGIN"] = "/none.so";
  EXPECT_EQ(listed(environment)["present"], true);
  EXPECT_EQ(listed(environment)["usable"], false);
  EXPECT_THAT(listed(environment)["why"].get<std::string>(), HasSubstr("no XRT plugin at /none.so"));
  environment["SHORTHAND_NPU_NODE"] = "/none";
  EXPECT_EQ(listed(environment)["present"], false);
  EXPECT_EQ(listed(environment)["why"], "no AMD NPU found (no /none)");
}

TEST(Npu, ErrorsAreOneLineWithAWayOut) {
  struct Case {
    std::vector<std::string> arguments;
    const char* message;
  };
  const Case cases[] = {
      {{"check", "gem"}, "shorthand: gem: no such design; known are gemm"},
      {{"check", "gemm", "--shape", "3x4"}, "shorthand: --shape: '3x4' is not MxKxN; for example 1500x512x2048"},
      {{"check", "gemm", "--shape", "1x2x3x"}, "is not MxKxN"},
      {{"check", "gemm", "--columns", "6"}, "shorthand: --columns: npu1 has 4 columns, not 6"},
      {{"simulate", "gemm", "--device", "npu3"}, "--device"},
      {{"simulate", "gemm", "--buffers", "3"}, "--buffers"},
      {{"simulate"}, "DESIGN"},
      {{"ladder", "--shape", "0x1x2"}, "is not MxKxN"},
  };
  for (const Case& c : cases) {
    const Ran ran = npu(c.arguments);
    EXPECT_EQ(ran.status, 2) << c.message;
    EXPECT_THAT(ran.err, HasSubstr(c.message));
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1);
    EXPECT_EQ(ran.out, "");
  }
  EXPECT_EQ(npu({"check", "gemm", "--model", "nowhere.bin"}).status, 1);
}

}  // namespace
}  // namespace shorthand
