// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace shorthand {
namespace {

Error open_error(const std::filesystem::path& path, int code) {
  const std::string text = fmt::format("{}: {}", path.string(), code == ENOENT ? "no such file" : system_message(code));
  return code == ENOENT || code == ENOTDIR ? not_found(text) : io_error(text);
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return io_error(fmt::format("{}: cannot write: {}", path.string(), system_message(errno)));
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace

std::string system_message(int errno_value) {
  std::string text = std::generic_category().message(errno_value);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return open_error(path, errno);
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return bad_input(
        fmt::format("{}: {}", path.string(), S_ISDIR(info.st_mode) ? "is a directory" : "not a regular file"));
  }
  if (info.st_size == 0) {
    ::close(fd);
    return bad_input(fmt::format("{}: the file is empty", path.string()));
  }
  MappedFile file;
  file.path_ = path;
  file.size_ = static_cast<size_t>(info.st_size);
  void* p = mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd, 0);
  const int code = errno;
  ::close(fd);
  if (p == MAP_FAILED) return io_error(fmt::format("{}: cannot map: {}", path.string(), system_message(code)));
  file.data_ = static_cast<const std::byte*>(p);
  // A wish: pages that are not in memory yet are read as huge ones, where the file system can (ext4, xfs).
  madvise(p, file.size_, MADV_HUGEPAGE);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path) {
  AtomicFile file;
  file.path_ = path;
  struct stat info {};
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode))
    return io_error(fmt::format("{}: is a directory; give a file name", path.string()));
  if (exists && !S_ISREG(info.st_mode)) {
    file.fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    static std::atomic<unsigned> serial{0};
    file.temporary_ = path;
    file.temporary_ += fmt::format(".{}-{}.part", getpid(), serial.fetch_add(1));
    file.fd_ = ::open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  }
  if (file.fd_ < 0) return io_error(fmt::format("{}: cannot create: {}", path.string(), system_message(errno)));
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Error AtomicFile::failed(std::string_view what) const {
  return io_error(fmt::format("{}: cannot {}: {}", path_.string(), what, system_message(errno)));
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  SHORTHAND_TRY(write_all(fd_, bytes, path_));
  size_ += bytes.size();
  return {};
}

Result<void> AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return failed("write");
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Result<void> AtomicFile::commit() {
  const bool direct = temporary_.empty();
  if (!direct && ::fsync(fd_) != 0) return failed("write");
  if (::close(std::exchange(fd_, -1)) != 0) {
    const Error error = failed("write");
    if (!direct) ::unlink(temporary_.c_str());
    return error;
  }
  if (!direct && ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const Error error = failed("rename");
    ::unlink(temporary_.c_str());
    return error;
  }
  return {};
}

Result<void> write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file = SHORTHAND_TRY(AtomicFile::create(path));
  SHORTHAND_TRY(file.write(text));
  return file.commit();
}

Result<std::string> read_text_file(const std::filesystem::path& path, size_t limit_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return open_error(path, errno);
  std::string text;
  char chunk[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int code = errno;
      ::close(fd);
      return io_error(fmt::format("{}: {}", path.string(), system_message(code)));
    }
    if (n == 0) break;
    text.append(chunk, static_cast<size_t>(n));
    if (text.size() > limit_bytes) {
      ::close(fd);
      return bad_input(
          fmt::format("{}: larger than the {} bytes that such a file may have", path.string(), limit_bytes));
    }
  }
  ::close(fd);
  return text;
}

}  // namespace shorthand
