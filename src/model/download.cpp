// SPDX-License-Identifier: Apache-2.0
#include "model/download.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/phrase.h"
#include "model/sha256.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::string header(const std::map<std::string, std::string>& headers, const char* name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

// "bytes 5-9/10" and "bytes */10".
struct ContentRange {
  std::optional<uint64_t> first, total;
};
ContentRange content_range(std::string_view text) {
  ContentRange range;
  if (!text.starts_with("bytes ")) return range;
  text.remove_prefix(6);
  const size_t slash = text.find('/'), dash = text.find('-');
  if (slash == std::string_view::npos) return range;
  range.total = number(text.substr(slash + 1));
  if (dash < slash) range.first = number(text.substr(0, dash));
  return range;
}

bool is_hex(std::string_view text, size_t length) {
  return text.size() == length &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// The digest in a quoted X-Linked-Etag; empty where it holds something else.
std::string announced_sha256(const HttpReply& reply) {
  std::string text = header(reply.linked_headers, "x-linked-etag");
  std::erase(text, '"');
  return is_hex(text, 64) ? text : std::string();
}

// NAME.part and what is known of it. Its descriptor holds the lock.
class Part {
 public:
  static Result<Part> open(const fs::path& target) {
    Part part;
    part.path_ = target;
    part.path_ += ".part";
    part.notes_ = part.path_;
    part.notes_ += ".json";
    part.fd_ = ::open(part.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (part.fd_ < 0) return part.failed("cannot create");
    if (::flock(part.fd_, LOCK_EX | LOCK_NB) != 0)
      return io_error(fmt::format("{}: another download of it is running; wait for that one", target.string()));
    struct stat info {};
    if (::fstat(part.fd_, &info) != 0) return part.failed("cannot read");
    part.size_ = static_cast<uint64_t>(info.st_size);
    part.read_notes();
    return part;
  }
  Part(Part&& other) noexcept
      : etag(std::move(other.etag)),
        sha256(std::move(other.sha256)),
        total(other.total),
        path_(std::move(other.path_)),
        notes_(std::move(other.notes_)),
        fd_(std::exchange(other.fd_, -1)),
        size_(other.size_) {}
  Part& operator=(Part&&) = delete;
  ~Part() {
    if (fd_ >= 0) ::close(fd_);
  }

  std::string etag;    // strong; empty: none
  std::string sha256;  // announced; empty: none
  uint64_t total = 0;  // announced; 0: unknown

  uint64_t size() const { return size_; }
  const fs::path& path() const { return path_; }

  Result<void> write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failed("cannot write");
      size_ += static_cast<uint64_t>(n);
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
  }

  Result<void> restart() {
    etag.clear();
    sha256.clear();
    total = 0;
    size_ = 0;
    if (::ftruncate(fd_, 0) != 0) return failed("cannot write");
    return {};
  }

  // Written before the bytes they are about, so that no part is without them.
  Result<void> write_notes() const {
    return write_file(notes_, json{{"etag", etag}, {"sha256", sha256}, {"total", total}}.dump(
                                  -1, ' ', true, json::error_handler_t::replace) +
                                  "\n");
  }

  // The whole file is there: give it its name.
  Result<void> finish(const fs::path& target) {
    if (::fsync(fd_) != 0) return failed("cannot write");
    if (::rename(path_.c_str(), target.c_str()) != 0) return failed("cannot rename");
    ::unlink(notes_.c_str());
    return {};
  }

  void remove() {
    ::unlink(path_.c_str());
    ::unlink(notes_.c_str());
  }

  // What the disk still takes; none where it will not say.
  std::optional<uint64_t> free_bytes() const {
    struct statvfs info {};
    if (::fstatvfs(fd_, &info) != 0) return {};
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  }

 private:
  Part() = default;

  Error failed(std::string_view what) const {
    return io_error(fmt::format("{}: {}: {}", path_.string(), what, system_message(errno)));
  }

  void read_notes() {
    const auto text = read_text_file(notes_, 1 << 16);
    if (!text.ok()) return;
    const json notes = json::parse(*text, nullptr, false);
    if (!notes.is_object()) return;
    const auto get = [&](const char* key) {
      const auto found = notes.find(key);
      return found != notes.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    etag = get("etag");
    sha256 = get("sha256");
    if (!is_hex(sha256, 64)) sha256.clear();
    if (const auto found = notes.find("total"); found != notes.end() && found->is_number_unsigned())
      total = found->get<uint64_t>();
  }

  fs::path path_, notes_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

class Transfer {
 public:
  Transfer(HttpClient& client, const std::string& url, const fs::path& target, const DownloadOptions& options,
           Part& part)
      : client_(client), url_(url), name_(target.filename().string()), options_(options), part_(part) {}

  // Until the part is whole, or the retries are used up.
  Result<void> run() {
    uint64_t furthest = part_.size();
    for (int tries = 0;;) {
      again_ = false;
      const HttpOutcome outcome = attempt();
      if (!outcome.error && part_.total != 0 && part_.size() == part_.total) return {};
      if (!outcome.error && !again_ && part_.total == 0) return {};
      const bool may_go_better = (outcome.transient && client_.reached()) || transient_status_;
      if (outcome.error && !may_go_better) return *outcome.error;
      if (again_ && ++restarts_ <= kMaxRestarts) continue;
      if (part_.size() > furthest) tries = 0;
      furthest = std::max(furthest, part_.size());
      if (tries == options_.retries)
        return outcome.error ? *outcome.error
                             : io_error(fmt::format("{}: the server sent {} of {} bytes; run it again to go on", name_,
                                                    grouped(part_.size()), grouped(part_.total)));
      if (!pause(options_.retry_delay * (1 << std::min(tries, 6))))
        return Error{Error::Kind::cancelled,
                     fmt::format("{}: cancelled; run it again to go on where it stopped", name_)};
      ++tries;
    }
  }

  const std::string& revision() const { return revision_; }

 private:
  static constexpr int kMaxRestarts = 2;

  HttpOutcome attempt() {
    HttpRequest request{url_, {}, options_.token, options_.answer_timeout, options_.stall_timeout};
    if (part_.size() > 0) {
      if (part_.etag.empty() && part_.sha256.empty()) {
        if (auto cleared = part_.restart(); !cleared.ok()) return {{}, cleared.error(), false};
      } else {
        request.headers.push_back(fmt::format("Range: bytes={}-", part_.size()));
        if (!part_.etag.empty()) request.headers.push_back(fmt::format("If-Range: {}", part_.etag));
      }
    }
    transient_status_ = false;
    clock_ = {};
    began_at_ = part_.size();
    last_report_ms_ = -1e9;
    HttpOutcome outcome = client_.get(
        request, name_,
        {[&](const HttpReply& reply) { return accept(reply); },
         [&](std::span<const std::byte> bytes) { return part_.write(bytes); }, [&] { return report(false); }});
    if (!outcome.error && !report(true))
      outcome.error = Error{Error::Kind::cancelled, fmt::format("{}: cancelled", name_)};
    return outcome;
  }

  // Whether this answer's body belongs into the part, and where.
  Result<bool> accept(const HttpReply& reply) {
    if (const std::string commit = header(reply.linked_headers, "x-repo-commit"); is_hex(commit, 40))
      revision_ = commit;
    const std::string sha256 = announced_sha256(reply);
    const auto linked_size = number(header(reply.linked_headers, "x-linked-size"));
    switch (reply.status) {
      case 200: {
        SHORTHAND_TRY(part_.restart());
        began_at_ = 0;
        part_.total = linked_size.value_or(number(header(reply.headers, "content-length")).value_or(0));
        break;
      }
      case 206: {
        const ContentRange range = content_range(header(reply.headers, "content-range"));
        const bool other_file = (!sha256.empty() && !part_.sha256.empty() && sha256 != part_.sha256) ||
                                (part_.total != 0 && range.total && *range.total != part_.total);
        if (range.first != part_.size() || other_file) return start_again();
        if (range.total) part_.total = *range.total;
        break;
      }
      case 416: {
        // Nothing is left to send, if the part is whole; else the file has become shorter.
        const ContentRange range = content_range(header(reply.headers, "content-range"));
        if (part_.total == part_.size() && range.total.value_or(part_.size()) == part_.size()) return false;
        return start_again();
      }
      default: return refuse(reply.status);
    }
    if (linked_size && part_.total != *linked_size)
      return bad_input(fmt::format("{}: the server announces {} bytes and sends {}; try again later", name_,
                                   grouped(*linked_size), grouped(part_.total)));
    const std::string etag = header(reply.headers, "etag");
    part_.etag = etag.starts_with('"') ? etag : std::string();  // a weak one cannot vouch for bytes
    if (!sha256.empty()) part_.sha256 = sha256;
    const auto free = part_.free_bytes();
    if (free && part_.total > part_.size() && part_.total - part_.size() > *free)
      return io_error(
          fmt::format("{}: {} bytes are to come, and the disk has room for {}; make room, or set "
                      "SHORTHAND_MODELS_DIR",
                      name_, grouped(part_.total - part_.size()), grouped(*free)));
    SHORTHAND_TRY(part_.write_notes());
    return true;
  }

  Result<bool> start_again() {
    SHORTHAND_TRY(part_.restart());
    again_ = true;
    return false;
  }

  Error refuse(int status) {
    const std::string_view what =
        status == 404   ? "not found"
        : status == 401 ? "the server asks who you are; set HF_TOKEN to a token that may read it"
        : status == 403 ? "the server refuses it; accept its terms on the site, and set HF_TOKEN"
        : status == 429 ? "too many requests; try again later"
                        : "the server cannot give it now; try again later";
    transient_status_ =
        status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
    const std::string text = fmt::format("{}: {} (HTTP {})", name_, what, status);
    return status == 404 || status == 410 ? not_found(text) : io_error(text);
  }

  bool report(bool always) {
    if (!options_.progress) return true;
    const double now_ms = clock_.elapsed_ms();
    if (!always && now_ms - last_report_ms_ < 100.0) return true;
    last_report_ms_ = now_ms;
    const double gained = static_cast<double>(part_.size() - std::min(part_.size(), began_at_));
    return options_.progress({name_, part_.size(), part_.total, now_ms > 0 ? gained / now_ms * 1000.0 : 0.0});
  }

  bool pause(std::chrono::milliseconds time) {
    const Stopwatch waited;
    while (waited.elapsed_ms() < static_cast<double>(time.count())) {
      if (!report(false)) return false;
      std::this_thread::sleep_for(std::min(time, std::chrono::milliseconds(50)));
    }
    return true;
  }

  HttpClient& client_;
  const std::string& url_;
  const std::string name_;
  const DownloadOptions& options_;
  Part& part_;
  std::string revision_;
  bool again_ = false;             // the part was of no use: ask for the whole
  bool transient_status_ = false;  // the server said that it may go better later
  int restarts_ = 0;
  Stopwatch clock_;
  uint64_t began_at_ = 0;
  double last_report_ms_ = 0;
};

}  // namespace

Result<Downloaded> download(HttpClient& client, const std::string& url, const fs::path& target,
                            const DownloadOptions& options) {
  Part part = SHORTHAND_TRY(Part::open(target));
  Transfer transfer(client, url, target, options, part);
  if (auto done = transfer.run(); !done.ok()) {
    if (part.size() == 0) part.remove();
    return done.error();
  }
  if (!part.sha256.empty()) {
    const std::string found = SHORTHAND_TRY(sha256_file(part.path()));
    if (found != part.sha256) {
      part.remove();
      return bad_input(
          fmt::format("{}: damaged on the way: its SHA-256 is {}, the server announced {}; the download was "
                      "removed, start it again",
                      target.filename().string(), found, part.sha256));
    }
  }
  SHORTHAND_TRY(part.finish(target));
  return Downloaded{part.size(), part.sha256, transfer.revision()};
}

}  // namespace shorthand
