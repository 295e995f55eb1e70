// SPDX-License-Identifier: Apache-2.0
// One GET over libcurl, with the redirects followed here and not by the library: the headers of every hop count, and
// the token must not travel.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"

namespace shorthand {

// What a server answered. Header names are in lower case.
struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> headers;         // of the last hop
  std::map<std::string, std::string> linked_headers;  // "x-..." of any hop, the first one that has it
};

struct HttpRequest {
  std::string url;                                   // http or https
  std::vector<std::string> headers;                  // "Range: bytes=5-", to every hop
  std::string token;                                 // sent as "Authorization: Bearer" to the origin of `url` alone
  std::chrono::milliseconds answer_timeout{10'000};  // from the start to the first line of an answer, at each hop
  std::chrono::seconds stall_timeout{30};            // no byte for so long ends the transfer
};

// How a GET ended. `transient`: the same request may go through later.
struct HttpOutcome {
  HttpReply reply;
  std::optional<Error> error;
  bool transient = false;
};

// Keeps connections open between requests. One thread at a time.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  struct Handlers {
    // Once, with the last hop's headers, before its body. An error ends the transfer and becomes the outcome's; false
    // leaves the body unread.
    FunctionRef<Result<bool>(const HttpReply& reply)> on_reply;
    FunctionRef<Result<void>(std::span<const std::byte> bytes)> on_body;
    // Many times a second; false ends the transfer as cancelled.
    FunctionRef<bool()> keep_going;
  };

  // Follows at most ten redirects, to http and https only and never from https to http. Errors name `shown`, and of the
  // URLs the host alone: redirects carry signatures.
  HttpOutcome get(const HttpRequest& request, std::string_view shown, const Handlers& handlers);

  // Whether a server has ever answered: what failed after that may go better later, what failed before hardly will.
  bool reached() const { return reached_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  bool reached_ = false;
};

}  // namespace shorthand
