// SPDX-License-Identifier: Apache-2.0
// fault_server.py as an object: a child process that lives as long as this does.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/shared_data.h"
#include "support/temporary_directory.h"

extern char** environ;

namespace shorthand::testing {

// Path to answers, given in turn.
using Routes = std::map<std::string, std::vector<nlohmann::json>>;

class FaultServer {
 public:
  // See fault_server.py for what a route may say.
  explicit FaultServer(const Routes& routes) {
    std::ofstream(dir_.path / "routes.json") << nlohmann::json(routes).dump();
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    const std::string script = (repository_dir() / "tests/support/fault_server.py").string();
    const std::string routes_path = (dir_.path / "routes.json").string(), log = (dir_.path / "log").string();
    std::vector<char*> arguments;
    for (const char* a : {"python3", script.c_str(), routes_path.c_str(), log.c_str()})
      arguments.push_back(const_cast<char*>(a));
    arguments.push_back(nullptr);
    if (::posix_spawnp(&child_, "python3", &actions, nullptr, arguments.data(), environ) != 0) child_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    alive_ = in[1];
    char text[16] = {};
    if (child_ > 0 && ::read(out[0], text, sizeof text - 1) > 0) port_ = std::atoi(text);
    ::close(out[0]);
  }
  ~FaultServer() {
    if (alive_ >= 0) ::close(alive_);  // the end of its standard input
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;

  bool running() const { return port_ > 0; }
  std::string url(const std::string& path = "") const { return "http://127.0.0.1:" + std::to_string(port_) + path; }

  // The requests so far.
  std::vector<nlohmann::json> requests() const {
    std::vector<nlohmann::json> list;
    std::ifstream in(dir_.path / "log");
    for (std::string line; std::getline(in, line);) list.push_back(nlohmann::json::parse(line));
    return list;
  }

 private:
  TemporaryDirectory dir_;
  pid_t child_ = -1;
  int alive_ = -1;
  int port_ = 0;
};

}  // namespace shorthand::testing
