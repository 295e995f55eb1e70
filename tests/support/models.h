// SPDX-License-Identifier: Apache-2.0
// Random models that the tests share, made on demand by an independent program and kept in the build folder.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/shared_data.h"

namespace shorthand::testing {

// A Python that has NumPy; empty where there is none.
inline std::string python_with_numpy_program() {
  static const std::string found = [] {
    for (const char* python : {"python3", "/usr/bin/python3"}) {
      const std::string trial = std::string("/usr/bin/env ") + python + " -c 'import numpy' 2>/dev/null";
      if (std::system(trial.c_str()) == 0) return std::string(python);
    }
    return std::string();
  }();
  return found;
}
inline bool python_with_numpy() { return !python_with_numpy_program().empty(); }

// The model that tools/make_random_model.py of the shared data writes with these arguments ("micro --seed 300 ...").
// Tests run in several processes: one makes the file, the others wait for it. Empty where it cannot be made.
inline std::filesystem::path random_model(const std::string& arguments) {
  namespace fs = std::filesystem;
  std::string name = arguments;
  for (char& c : name) {
    if (c == ' ' || c == '/') c = '_';
  }
  const fs::path folder = fs::path(SHORTHAND_BINARY).parent_path().parent_path() / "test-models";
  fs::create_directories(folder);
  const fs::path model = folder / (name + ".bin");
  const int lock = open((folder / (name + ".lock")).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  flock(lock, LOCK_EX);
  if (!fs::exists(model)) {
    // Debian's interpreter has Debian's NumPy; another python3 in front of it may have none.
    const std::string python =
        std::system("python3 -c 'import numpy' 2>/dev/null") == 0 ? "python3" : "/usr/bin/python3";
    const std::string command = python + " " + (shared_data_dir() / "tools" / "make_random_model.py").string() + " " +
                                arguments + " --out " + model.string() + " > /dev/null";
    if (std::system(command.c_str()) != 0) fs::remove(model);
  }
  flock(lock, LOCK_UN);
  close(lock);
  return fs::exists(model) ? model : fs::path();
}

}  // namespace shorthand::testing
