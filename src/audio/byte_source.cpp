// SPDX-License-Identifier: Apache-2.0
#include "audio/byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/file.h"

namespace shorthand {
namespace {

// A descriptor of our own, closed on every way out.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int release() { return std::exchange(fd, -1); }
};

// An open file that no name leads to: it is gone when it is closed, however the process ends.
Result<int> nameless_file() {
  const char* set = std::getenv("TMPDIR");
  std::string folder = set && *set ? set : "/tmp";
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  std::string name = folder + "/shorthand-XXXXXX";  // file systems without O_TMPFILE
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) {
    return io_error(fmt::format("{}: cannot make a temporary file: {}; set TMPDIR to a folder that can be written",
                                folder, system_message(errno)));
  }
  ::unlink(name.c_str());
  return fd;
}

Result<void> write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return io_error(fmt::format("cannot keep it in a temporary file: {}; set TMPDIR to a folder with room",
                                  system_message(errno)));
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace

Result<ByteSource> ByteSource::open(const std::filesystem::path& path, uint64_t spool_limit) {
  if (path == "-") {
    if (::isatty(STDIN_FILENO)) {
      return usage_error("-: standard input is a terminal; pipe a sound file into it or give a file name");
    }
    struct stat info {};
    if (fstat(STDIN_FILENO, &info) != 0) return io_error("-: standard input is closed");
    // A redirected file of which nothing has been read is read in place; pread leaves its position alone.
    if (!S_ISREG(info.st_mode) || ::lseek(STDIN_FILENO, 0, SEEK_CUR) != 0) return spool(STDIN_FILENO, "-", spool_limit);
    if (info.st_size == 0) return bad_input("-: the file is empty");
    ByteSource source;
    source.name_ = "-";
    source.size_ = static_cast<uint64_t>(info.st_size);
    source.fd_ = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    if (source.fd_ < 0) return io_error(fmt::format("-: cannot read: {}", system_message(errno)));
    return source;
  }
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (file.fd < 0) {
    const int code = errno;
    if (code == ENOENT || code == ENOTDIR) return not_found(fmt::format("{}: no such file", path.string()));
    return io_error(fmt::format("{}: cannot open: {}", path.string(), system_message(code)));
  }
  struct stat info {};
  if (fstat(file.fd, &info) != 0) {
    return io_error(fmt::format("{}: cannot open: {}", path.string(), system_message(errno)));
  }
  if (S_ISDIR(info.st_mode)) return bad_input(fmt::format("{}: is a directory; give a sound file", path.string()));
  if (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)) return spool(file.fd, path.string(), spool_limit);
  if (!S_ISREG(info.st_mode)) return bad_input(fmt::format("{}: is a device; give a sound file", path.string()));
  if (info.st_size == 0) return bad_input(fmt::format("{}: the file is empty", path.string()));
  ByteSource source;
  source.name_ = path.string();
  source.size_ = static_cast<uint64_t>(info.st_size);
  source.fd_ = file.release();
  return source;
}

Result<ByteSource> ByteSource::spool(int fd, std::string name, uint64_t limit) {
  ByteSource source;
  source.name_ = std::move(name);
  std::vector<std::byte> chunk(1 << 18);
  Descriptor copy;
  for (;;) {
    const ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(fmt::format("{}: cannot read: {}", source.name_, system_message(errno)));
    if (n == 0) break;
    if (copy.fd < 0) copy.fd = SHORTHAND_TRY(nameless_file());
    source.size_ += static_cast<uint64_t>(n);
    if (source.size_ > limit) {
      return bad_input(fmt::format("{}: more than {} bytes came through the pipe; give a file", source.name_, limit));
    }
    if (auto written = write_all(copy.fd, std::span(chunk).first(static_cast<size_t>(n))); !written) {
      return io_error(fmt::format("{}: {}", source.name_, written.error().message));
    }
  }
  if (source.size_ == 0) return bad_input(fmt::format("{}: nothing came through the pipe", source.name_));
  source.fd_ = copy.release();
  return source;
}

Result<ByteSource> ByteSource::from_memory(std::span<const std::byte> bytes, std::string name) {
  if (bytes.empty()) return bad_input(fmt::format("{}: the file is empty", name));
  ByteSource source;
  source.name_ = std::move(name);
  source.memory_ = bytes;
  source.size_ = bytes.size();
  return source;
}

ByteSource::ByteSource(ByteSource&& other) noexcept
    : name_(std::move(other.name_)),
      memory_(std::exchange(other.memory_, {})),
      fd_(std::exchange(other.fd_, -1)),
      size_(std::exchange(other.size_, 0)) {}

ByteSource& ByteSource::operator=(ByteSource&& other) noexcept {
  std::swap(name_, other.name_);
  std::swap(memory_, other.memory_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

ByteSource::~ByteSource() {
  if (fd_ >= 0) ::close(fd_);
}

Result<size_t> ByteSource::read_at(uint64_t offset, std::span<std::byte> out) const {
  if (offset >= size_) return size_t{0};
  out = out.first(static_cast<size_t>(std::min<uint64_t>(out.size(), size_ - offset)));
  if (fd_ < 0) {
    std::copy_n(memory_.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return out.size();
  }
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(fmt::format("{}: cannot read: {}", name_, system_message(errno)));
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

}  // namespace shorthand
