// SPDX-License-Identifier: Apache-2.0
#include "model/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "base/clock.h"
#include "base/phrase.h"

namespace shorthand {
namespace {

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxHeaderLine = 16 << 10;
constexpr size_t kMaxHeaders = 200;

// Scheme, host and port of a URL, in curl's own reading of it.
struct Origin {
  std::string scheme, host, port;
  bool operator==(const Origin&) const = default;
};

std::optional<Origin> origin_of(const std::string& url) {
  std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), curl_url_cleanup);
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
  Origin origin;
  for (const auto& [part, field] : {std::pair{CURLUPART_SCHEME, &origin.scheme},
                                    std::pair{CURLUPART_HOST, &origin.host}, std::pair{CURLUPART_PORT, &origin.port}}) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
    *field = text;
    curl_free(text);
  }
  if (origin.scheme != "http" && origin.scheme != "https") return {};
  return origin;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_transient(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return true;
    default: return false;
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// One hop: what curl's callbacks see.
struct Hop {
  Hop(CURL* c, const HttpClient::Handlers& h, HttpReply& r) : curl(c), handlers(&h), reply(&r) {}
  CURL* curl;
  const HttpClient::Handlers* handlers;
  HttpReply* reply;
  bool follow = true;  // a redirect is not shown to the handlers
  bool shown = false;  // on_reply was called
  bool want_body = false;
  bool cancelled = false;
  bool answered = false;  // the server's first line is here
  bool late = false;      // and was not in time
  double answer_timeout_ms = 0;
  Stopwatch clock;
  std::optional<Error> error;

  // Status and headers are complete: the first byte of the body is here, or the transfer has ended.
  bool show_reply() {
    if (shown) return !error;
    shown = true;
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    reply->status = static_cast<int>(status);
    if (follow && is_redirect(reply->status)) return true;
    auto wanted = handlers->on_reply(*reply);
    if (!wanted.ok()) {
      error = wanted.error();
      return false;
    }
    want_body = *wanted;
    return true;
  }
};

size_t on_header(char* data, size_t size, size_t count, void* user) {
  Hop& hop = *static_cast<Hop*>(user);
  const std::string_view line(data, size * count);
  hop.answered = true;
  if (line.starts_with("HTTP/")) hop.reply->headers.clear();  // the last of several answers counts: 100 Continue
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || line.size() > kMaxHeaderLine || hop.reply->headers.size() > kMaxHeaders)
    return line.size();
  const std::string name = lower(trimmed(line.substr(0, colon)));
  const std::string value(trimmed(line.substr(colon + 1)));
  hop.reply->headers[name] = value;
  if (name.starts_with("x-") && hop.reply->linked_headers.size() < kMaxHeaders)
    hop.reply->linked_headers.emplace(name, value);
  return line.size();
}

size_t on_body(char* data, size_t size, size_t count, void* user) {
  Hop& hop = *static_cast<Hop*>(user);
  if (!hop.show_reply()) return CURL_WRITEFUNC_ERROR;
  if (!hop.want_body) {
    // A redirect's or an error's body says nothing to us, but to leave early would cost the connection.
    return size * count;
  }
  auto taken = hop.handlers->on_body(std::as_bytes(std::span(data, size * count)));
  if (taken.ok()) return size * count;
  hop.error = taken.error();
  return CURL_WRITEFUNC_ERROR;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  Hop& hop = *static_cast<Hop*>(user);
  hop.cancelled = !hop.handlers->keep_going();
  hop.late = !hop.answered && hop.clock.elapsed_ms() > hop.answer_timeout_ms;
  return hop.cancelled || hop.late ? 1 : 0;
}

// Why a hop failed, after the server's name; `reached`: some server has answered before.
std::string failure(CURL* curl, CURLcode code, const Hop& hop, bool reached) {
  const std::string_view way_out =
      reached ? "run it again to go on" : "check the network and the proxy, or set HF_ENDPOINT to a mirror";
  long refused = 0;
  curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &refused);
  if (refused >= 300) return fmt::format("the proxy refuses it (HTTP {}); check https_proxy and no_proxy", refused);
  if (!hop.answered && (hop.late || code == CURLE_OPERATION_TIMEDOUT))
    return fmt::format("no answer within {:.3g} s; {}", hop.answer_timeout_ms / 1000, way_out);
  return fmt::format("{}; {}", lower(curl_easy_strerror(code)), way_out);
}

Error cancelled_error(std::string_view shown) {
  return {Error::Kind::cancelled, fmt::format("{}: cancelled; run it again to go on where it stopped", shown)};
}

}  // namespace

struct HttpClient::State {
  CURL* curl = nullptr;
};

HttpClient::HttpClient() : state_(std::make_unique<State>()) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started == CURLE_OK) state_->curl = curl_easy_init();
  if (!state_->curl) throw std::bad_alloc();
}

HttpClient::~HttpClient() { curl_easy_cleanup(state_->curl); }

HttpOutcome HttpClient::get(const HttpRequest& request, std::string_view shown, const Handlers& handlers) {
  HttpOutcome outcome;
  const auto fail = [&](Error error, bool transient = false) {
    outcome.error = std::move(error);
    outcome.transient = transient;
    return std::move(outcome);
  };
  const auto home = origin_of(request.url);
  if (!home)
    return fail(usage_error(
        fmt::format("{}: '{}' is no http or https address; check HF_ENDPOINT", shown, printable(request.url))));
  CURL* curl = state_->curl;
  std::string url = request.url;
  Origin origin = *home;
  for (int redirects = 0;; ++redirects) {
    curl_easy_reset(curl);
    Hop hop(curl, handlers, outcome.reply);
    hop.answer_timeout_ms = static_cast<double>(request.answer_timeout.count());
    curl_slist* list = nullptr;
    for (const std::string& header : request.headers) list = curl_slist_append(list, header.c_str());
    if (!request.token.empty() && origin == *home)
      list = curl_slist_append(list, fmt::format("Authorization: Bearer {}", request.token).c_str());
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, curl_slist_free_all);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "shorthand");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.answer_timeout.count()));
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_timeout.count()));
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &hop);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &hop);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &hop);

    const CURLcode code = curl_easy_perform(curl);
    reached_ |= hop.answered;
    if (hop.error) return fail(std::move(*hop.error));
    if (hop.cancelled) return fail(cancelled_error(shown));
    if (code != CURLE_OK)
      return fail(
          io_error(fmt::format("{}: {}: {}", shown, printable(origin.host), failure(curl, code, hop, reached_))),
          hop.late || is_transient(code));
    if (!hop.show_reply()) return fail(std::move(*hop.error));
    if (!is_redirect(outcome.reply.status)) return outcome;

    char* target = nullptr;
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &target);
    const auto next = target ? origin_of(target) : std::nullopt;
    if (!next)
      return fail(
          bad_input(fmt::format("{}: {} redirects to no http or https address", shown, printable(origin.host))));
    if (origin.scheme == "https" && next->scheme != "https")
      return fail(
          bad_input(fmt::format("{}: {} redirects from https to http; refused", shown, printable(origin.host))));
    if (redirects == kMaxRedirects)
      return fail(bad_input(fmt::format("{}: more than {} redirects; refused", shown, kMaxRedirects)));
    url = target;
    origin = *next;
  }
}

}  // namespace shorthand
