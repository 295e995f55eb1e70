// SPDX-License-Identifier: Apache-2.0
// What the subcommands share: how they are added, how they speak, how they end.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace shorthand::cli {

// Exit statuses, a contract with scripts.
inline constexpr int kDone = 0;          // everything asked for was done
inline constexpr int kFailed = 1;        // an input, a model or a phase failed; the others were done
inline constexpr int kWrongCommand = 2;  // the command line is wrong

// The group of options that --help leaves to --help-all.
inline constexpr const char* kRareOptions = "More options";

// Each adds its subcommand to `app`; when it is chosen, its exit status goes to `status`.
void add_transcribe(CLI::App& app, int& status);
void add_dump(CLI::App& app, int& status);
void add_models(CLI::App& app, int& status);
void add_devices(CLI::App& app, int& status);
void add_npu(CLI::App& app, int& status);
void add_bench(CLI::App& app, int& status);

// One line on standard error: "shorthand: MESSAGE".
void complain(std::string_view message);
inline void complain(const Error& error) { complain(error.message); }

// The exit status that an error at start asks for: a wrong command line, or a failure.
int status_of(const Error& error);

// Seconds from "12.5", "1:30" or "1:02:03.250".
Result<double> parse_time(std::string_view text);

// A threshold: a number, or "none" to switch it off.
Result<std::optional<double>> parse_threshold(std::string_view text);

// "a,b,c" to its parts, spaces around them cut; no parts of an empty text.
std::vector<std::string> split_commas(std::string_view text);

// A number that is all of the text.
Result<double> parse_number(std::string_view text);

}  // namespace shorthand::cli
