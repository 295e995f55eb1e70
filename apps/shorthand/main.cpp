// SPDX-License-Identifier: Apache-2.0
// The program: one file a subcommand.
#include <fmt/format.h>

#include <csignal>

#include "base/cpu.h"
#include "cli.h"
#include "version.h"

namespace {

using namespace shorthand;

std::string version_text() {
  std::string rungs;
  for (Isa isa : kAllIsas) rungs += fmt::format("{}{}", rungs.empty() ? "" : " ", isa_name(isa));
  return fmt::format(
      "shorthand {} ({})\ncompiler: {}\ninstruction sets built in: {}\nbuilt-in model: English digits, numbers, dates, "
      "commands, "
      "coffee orders; compute types int8, float32",
      SHORTHAND_VERSION, SHORTHAND_COMMIT, SHORTHAND_COMPILER, rungs);
}

// --help shows what is needed daily; --help-all the rest too.
class ShortHelp : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    mode_ = mode;
    return Formatter::make_help(app, std::move(name), mode);
  }
  std::string make_group(std::string group, bool positional, std::vector<const CLI::Option*> options) const override {
    if (group == cli::kRareOptions && mode_ == CLI::AppFormatMode::Normal) return "\nMore options: --help-all\n";
    return Formatter::make_group(std::move(group), positional, std::move(options));
  }

 private:
  mutable CLI::AppFormatMode mode_ = CLI::AppFormatMode::Normal;
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that leaves is an error of writing, told as one
  CLI::App app{
      "Speech to text with Whisper models, in INT8 on this machine's CPU.\n\n"
      "Examples:\n"
      "  shorthand transcribe talk.mp3                    text on standard output\n"
      "  shorthand transcribe -f srt,json -o out *.mp4    subtitles and JSON for many files\n"
      "  shorthand models pull base                       get a general model, which then runs by itself\n"
      "  shorthand models list                            what is here, and which of them runs\n"
      "  shorthand transcribe -m small.en talk.mp3        another one, by name\n",
      "shorthand"};
  app.set_version_flag("--version", version_text());
  app.set_help_all_flag("--help-all", "Help with every option of every command");
  app.set_config("--config", "", "Read options from a TOML file");
  app.require_subcommand(1);
  app.formatter(std::make_shared<ShortHelp>());
  app.failure_message([](const CLI::App* a, const CLI::Error& e) {
    // A word that is no command is why none was found.
    const std::vector<std::string> left = a->remaining(true);
    const bool unknown = e.get_name() == "RequiredError" && !left.empty();
    return fmt::format("shorthand: {}; see `shorthand --help`\n",
                       unknown ? fmt::format("no command or option '{}'", left.front()) : e.what());
  });

  int status = cli::kDone;
  cli::add_transcribe(app, status);
  cli::add_models(app, status);
  cli::add_devices(app, status);
  cli::add_npu(app, status);
  cli::add_bench(app, status);
  cli::add_dump(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? cli::kDone : cli::kWrongCommand;
  } catch (const std::bad_alloc&) {
    cli::complain("out of memory; a smaller model or batch needs less");
    return cli::kFailed;
  }
  return status;
}
