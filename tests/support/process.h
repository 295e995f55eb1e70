// SPDX-License-Identifier: Apache-2.0
// Runs a program as a person would and keeps what it said.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace shorthand::testing {

// A folder of its own, gone at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "shorthand-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Ran {
  int status = 0;  // exit status, or -signal
  std::string out, err;
};

struct RunOptions {
  std::filesystem::path stdin_file = "/dev/null";
  std::filesystem::path stdout_file = {};               // empty: kept in Ran::out
  std::filesystem::path folder = {};                    // to run in
  std::map<std::string, std::string> environment = {};  // added to this process's
};

inline Ran run_program(const std::vector<std::string>& arguments, const RunOptions& options = {}) {
  const TemporaryFolder folder;
  const std::filesystem::path out = options.stdout_file.empty() ? folder / "out" : options.stdout_file,
                              err = folder / "err";
  const pid_t child = fork();
  if (child == 0) {
    const int in_fd = open(options.stdin_file.c_str(), O_RDONLY);
    const int out_fd = open(out.c_str(), O_WRONLY | O_CREAT, 0666),
              err_fd = open(err.c_str(), O_WRONLY | O_CREAT, 0666);
    dup2(in_fd, 0), dup2(out_fd, 1), dup2(err_fd, 2);
    if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(126);
    // Options may come from the environment, and models from folders that it names; a test sets its own.
    for (const char* name : {"SHORTHAND_MODEL", "SHORTHAND_ISA", "SHORTHAND_THREADS", "SHORTHAND_NPU_DIR",
                             "SHORTHAND_NPU_NODE", "SHORTHAND_NPU_PLUGIN", "HF_ENDPOINT", "HF_TOKEN"})
      unsetenv(name);
    setenv("SHORTHAND_MODELS_DIR", (folder / "no-models").c_str(), 1);
    setenv("HF_HUB_CACHE", (folder / "no-cache").c_str(), 1);
    for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> argv;
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Ran ran;
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  if (options.stdout_file.empty()) ran.out = contents(out);
  ran.err = contents(err);
  return ran;
}

// The program under test.
inline Ran run_shorthand(std::vector<std::string> arguments, const RunOptions& options = {}) {
  arguments.insert(arguments.begin(), SHORTHAND_BINARY);
  return run_program(arguments, options);
}

}  // namespace shorthand::testing
