// SPDX-License-Identifier: Apache-2.0
#include "model/pull.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/philox.h"
#include "model/checkpoint.h"
#include "model/sha256.h"
#include "support/environment.h"
#include "support/fault_server.h"
#include "support/temporary_directory.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using shorthand::testing::FaultServer;
using shorthand::testing::Routes;
using shorthand::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// FIPS 180-4's examples.
TEST(Sha256Test, GivesThePublishedDigests) {
  const auto digest = [](const std::string& text) { return sha256(std::as_bytes(std::span(text))); };
  EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  TemporaryDirectory dir;
  std::ofstream(dir.path / "a") << std::string(1'000'000, 'a');
  EXPECT_EQ(*sha256_file(dir.path / "a"), digest(std::string(1'000'000, 'a')));
  EXPECT_EQ(sha256_file(dir.path / "b").error().kind, Error::Kind::not_found);
  EXPECT_EQ(sha256_file(dir.path).error().kind, Error::Kind::io);
}

constexpr const char* kPath = "/ggerganov/whisper.cpp/resolve/main/ggml-tiny.bin";
const std::string kCommit(40, 'c');

json status(int code) { return json::object({{"status", code}}); }
json redirect(const std::string& to) { return json::object({{"redirect", to}}); }

class PullTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("no_proxy", "127.0.0.1", 1);
    // Bytes of no pattern: a part that is joined wrongly shows.
    body.resize(1'000'000);
    for (size_t i = 0; i < body.size(); ++i)
      body[i] = static_cast<char>(philox({static_cast<uint32_t>(i), 0, 0, 0}, {1, 2})[0]);
    digest = sha256(std::as_bytes(std::span(body)));
    put_body("body", body);
  }

  std::string put_body(const std::string& name, const std::string& text) {
    std::ofstream(dir.path / name, std::ios::binary) << text;
    return (dir.path / name).string();
  }

  // An answer as Hugging Face's: the checksum is announced where it redirects, the bytes come from the storage.
  json whole(json more = json::object()) {
    json answer = {{"file", (dir.path / "body").string()},
                   {"headers",
                    {{"ETag", "\"tag-1\""},
                     {"X-Linked-Etag", '"' + digest + '"'},
                     {"X-Linked-Size", std::to_string(body.size())}}}};
    answer.update(more);
    return answer;
  }
  json plain(json more = json::object()) {
    json answer = whole();
    answer["headers"] = {{"ETag", "\"tag-1\""}};
    answer.update(more);
    return answer;
  }

  Result<Pulled> pull_from(const FaultServer& server, const std::string& name = "tiny") {
    PullOptions o = options;
    o.endpoint = server.url();
    o.retry_delay = std::chrono::milliseconds(1);
    return pull(store, name, o);
  }

  std::string content(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Everything in the store, so that nothing is left behind unseen.
  std::vector<std::string> entries() {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& e : fs::directory_iterator(store.directory(), ignored))
      names.push_back(e.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryDirectory dir;
  std::string body, digest;
  Store store{dir.path / "store"};
  PullOptions options;
};

TEST_F(PullTest, FetchesAndVerifies) {
  FaultServer server(Routes{{kPath, {whole()}}});
  ASSERT_TRUE(server.running()) << "python3 is needed to serve";
  uint64_t last = 0, total = 0;
  options.progress = [&](const DownloadProgress& p) {
    EXPECT_EQ(p.file, "ggml-tiny.bin");
    EXPECT_GE(p.bytes, last);
    last = p.bytes;
    total = p.total;
    return true;
  };
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(pulled->path, store.directory() / "ggml-tiny.bin");
  EXPECT_TRUE(pulled->verified);
  EXPECT_FALSE(pulled->was_installed);
  ASSERT_EQ(pulled->files.size(), 1u);
  EXPECT_EQ(pulled->files[0].got.sha256, digest);
  EXPECT_EQ(content(pulled->path), body);
  EXPECT_THAT(entries(), ElementsAre("ggml-tiny.bin"));
  EXPECT_EQ(last, body.size());
  EXPECT_EQ(total, body.size());
  // A second call asks nobody.
  EXPECT_TRUE(pull_from(server)->was_installed);
  EXPECT_EQ(server.requests().size(), 1u);
  options.again = true;
  last = 0;
  EXPECT_TRUE(pull_from(server)->verified);
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(PullTest, FollowsARedirectToTheStorage) {
  FaultServer storage(Routes{{"/blob?signature=1", {plain()}}});
  json first = whole({{"redirect", storage.url("/blob?signature=1")}});
  FaultServer server(Routes{{kPath, {first}}});
  options.token = "secret";
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_TRUE(pulled->verified);
  EXPECT_EQ(content(pulled->path), body);
  // The token is for the endpoint alone.
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(server.requests()[0]["authorization"], "Bearer secret");
  ASSERT_EQ(storage.requests().size(), 1u);
  EXPECT_TRUE(storage.requests()[0]["authorization"].is_null());
}

TEST_F(PullTest, ARedirectOnTheSameHostKeepsTheToken) {
  FaultServer server(Routes{{kPath, {whole({{"redirect", "/api/cache/tiny"}})}}, {"/api/cache/tiny", {plain()}}});
  options.token = "secret";
  ASSERT_TRUE(pull_from(server).ok());
  EXPECT_EQ(server.requests()[1]["authorization"], "Bearer secret");
}

TEST_F(PullTest, GoesOnWhereTheConnectionDropped) {
  FaultServer server(Routes{{kPath, {whole({{"drop_after", 300'000}}), whole({{"drop_after", 200'000}}), whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(content(pulled->path), body);
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_TRUE(requests[0]["range"].is_null());
  EXPECT_EQ(requests[1]["range"], "bytes=300000-");
  EXPECT_EQ(requests[1]["if_range"], "\"tag-1\"");
  EXPECT_EQ(requests[2]["range"], "bytes=500000-");
}

TEST_F(PullTest, ALaterCallGoesOnToo) {
  options.retries = 0;
  {
    FaultServer server(Routes{{kPath, {whole({{"drop_after", 400'000}})}}});
    const auto pulled = pull_from(server);
    ASSERT_FALSE(pulled.ok());
    EXPECT_EQ(pulled.error().kind, Error::Kind::io);
    EXPECT_THAT(pulled.error().message, HasSubstr("run it again to go on"));
    EXPECT_THAT(entries(), ElementsAre("ggml-tiny.bin.part", "ggml-tiny.bin.part.json"));
  }
  FaultServer server(Routes{{kPath, {whole()}}});
  ASSERT_TRUE(pull_from(server).ok());
  EXPECT_EQ(server.requests()[0]["range"], "bytes=400000-");
  EXPECT_EQ(content(store.directory() / "ggml-tiny.bin"), body);
  EXPECT_THAT(entries(), ElementsAre("ggml-tiny.bin"));
}

TEST_F(PullTest, AFileThatChangedMeanwhileStartsAnew) {
  options.retries = 0;
  {
    FaultServer server(Routes{{kPath, {plain({{"drop_after", 400'000}})}}});
    ASSERT_FALSE(pull_from(server).ok());
  }
  body = std::string(500'000, 'n');
  put_body("body", body);
  FaultServer server(Routes{{kPath, {plain({{"headers", {{"ETag", "\"tag-2\""}}}})}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(server.requests()[0]["if_range"], "\"tag-1\"");
  EXPECT_EQ(content(pulled->path), body);
}

TEST_F(PullTest, AnotherChecksumStartsAnewThoughTheEtagStayed) {
  options.retries = 0;
  {
    FaultServer server(Routes{{kPath, {whole({{"drop_after", 400'000}})}}});
    ASSERT_FALSE(pull_from(server).ok());
  }
  std::reverse(body.begin(), body.end());
  put_body("body", body);
  digest = sha256(std::as_bytes(std::span(body)));
  FaultServer server(Routes{{kPath, {whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_TRUE(pulled->verified);
  EXPECT_EQ(content(pulled->path), body);
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(PullTest, AServerThatIgnoresRangeStartsAnew) {
  FaultServer server(Routes{{kPath, {whole({{"drop_after", 400'000}}), whole({{"range", false}})}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(content(pulled->path), body);
}

TEST_F(PullTest, APartOfNobodyIsNotBelieved) {
  fs::create_directories(store.directory());
  std::ofstream(store.directory() / "ggml-tiny.bin.part") << "something else";
  std::ofstream(store.directory() / "ggml-tiny.bin.part.json") << "{\"etag\": 5, \"sha256\": \"no\", \"total\": -1}";
  FaultServer server(Routes{{kPath, {whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_TRUE(server.requests()[0]["range"].is_null());
  EXPECT_EQ(content(pulled->path), body);
}

TEST_F(PullTest, AWholePartNeedsOnlyItsName) {
  fs::create_directories(store.directory());
  std::ofstream(store.directory() / "ggml-tiny.bin.part", std::ios::binary) << body;
  std::ofstream(store.directory() / "ggml-tiny.bin.part.json")
      << json{{"etag", "\"tag-1\""}, {"sha256", digest}, {"total", body.size()}}.dump();
  FaultServer server(Routes{{kPath, {whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_TRUE(pulled->verified);
  EXPECT_EQ(content(pulled->path), body);
}

TEST_F(PullTest, APartLongerThanTheFileStartsAnew) {
  fs::create_directories(store.directory());
  std::ofstream(store.directory() / "ggml-tiny.bin.part", std::ios::binary) << body << "more";
  std::ofstream(store.directory() / "ggml-tiny.bin.part.json")
      << json{{"etag", "\"tag-1\""}, {"sha256", ""}, {"total", 0}}.dump();
  FaultServer server(Routes{{kPath, {whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(content(pulled->path), body);
}

TEST_F(PullTest, AWrongChecksumRemovesTheDownload) {
  const std::string right = digest;
  digest = std::string(64, '0');
  FaultServer server(Routes{{kPath, {whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, Error::Kind::bad_input);
  EXPECT_THAT(pulled.error().message, HasSubstr("its SHA-256 is " + right + ", the server announced " + digest));
  EXPECT_TRUE(entries().empty());
}

TEST_F(PullTest, WithoutAChecksumItSaysSo) {
  FaultServer server(Routes{{kPath, {plain()}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_FALSE(pulled->verified);
  EXPECT_EQ(content(pulled->path), body);
}

TEST_F(PullTest, AServerThatSendsLessThanItAnnouncesIsTriedAgainAndThenGivenUp) {
  FaultServer server(Routes{{kPath, {plain({{"headers", {{"X-Linked-Size", "2000000"}}}})}}});
  const auto pulled = pull_from(server);
  ASSERT_FALSE(pulled.ok());
  EXPECT_FALSE(fs::exists(store.directory() / "ggml-tiny.bin"));
  EXPECT_LE(server.requests().size(), 12u);
}

TEST_F(PullTest, NotFoundNamesTheModels) {
  FaultServer server(Routes{});
  const auto pulled = pull_from(server);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, Error::Kind::not_found);
  EXPECT_THAT(pulled.error().message, HasSubstr("base.en"));
  EXPECT_EQ(server.requests().size(), 1u);  // no use in asking again
  EXPECT_TRUE(entries().empty());
}

TEST_F(PullTest, UnknownNamesNeverReachTheNetwork) {
  FaultServer server(Routes{});
  for (const std::string bad :
       {"bse", "", "../x", "a/../b", "a/b/c", "/etc/passwd", "a/b?c", "a b/c", "a--b/c", ".a/b", "a/-b"}) {
    const auto pulled = pull_from(server, bad);
    ASSERT_FALSE(pulled.ok()) << bad;
    EXPECT_EQ(pulled.error().kind, Error::Kind::usage) << bad;
    EXPECT_THAT(pulled.error().message, HasSubstr("large-v3-turbo"));
  }
  EXPECT_THAT(pull_from(server, "bse").error().message, HasSubstr("did you mean 'base'?"));
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(PullTest, TransientAnswersAreTriedAgain) {
  FaultServer server(Routes{{kPath, {status(503), status(429), whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(server.requests().size(), 3u);
  FaultServer down(Routes{{kPath, {status(503)}}});
  options.again = true;
  EXPECT_THAT(pull_from(down).error().message, HasSubstr("HTTP 503"));
  EXPECT_EQ(down.requests().size(), 4u);  // and three retries
}

TEST_F(PullTest, RefusalsSayWhatToDo) {
  FaultServer server(Routes{{kPath, {status(401), status(403)}}});
  EXPECT_THAT(pull_from(server).error().message, HasSubstr("set HF_TOKEN"));
  EXPECT_THAT(pull_from(server).error().message, HasSubstr("accept its terms"));
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(PullTest, RedirectsHaveAnEndAndStayOnTheWeb) {
  FaultServer server(Routes{{kPath, {redirect(kPath)}},
                            {"/ggerganov/whisper.cpp/resolve/main/ggml-base.bin", {redirect("file:///etc/passwd")}},
                            {"/ggerganov/whisper.cpp/resolve/main/ggml-small.bin", {redirect("ftp://127.0.0.1/x")}}});
  EXPECT_THAT(pull_from(server).error().message, HasSubstr("more than 10 redirects"));
  EXPECT_EQ(server.requests().size(), 11u);
  EXPECT_THAT(pull_from(server, "base").error().message, HasSubstr("redirects to no http or https address"));
  EXPECT_THAT(pull_from(server, "small").error().message, HasSubstr("redirects to no http or https address"));
  PullOptions o;
  for (const char* endpoint : {"file:///etc", "ftp://127.0.0.1", "", "nonsense"}) {
    o.endpoint = endpoint;
    EXPECT_FALSE(pull(store, "tiny", o).ok()) << endpoint;
  }
}

TEST_F(PullTest, AStalledTransferIsGivenUpAndResumed) {
  options.stall_timeout = std::chrono::seconds(1);
  FaultServer server(Routes{{kPath, {whole({{"stall_after", 100'000}}), whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(server.requests()[1]["range"], "bytes=100000-");
  EXPECT_EQ(content(pulled->path), body);
}

TEST_F(PullTest, CancellingKeepsThePart) {
  FaultServer server(Routes{{kPath, {whole({{"pause_ms", 50}}), whole()}}});
  options.progress = [](const DownloadProgress& p) { return p.bytes < 200'000; };
  const auto pulled = pull_from(server);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, Error::Kind::cancelled);
  EXPECT_THAT(entries(), ElementsAre("ggml-tiny.bin.part", "ggml-tiny.bin.part.json"));
  options.progress = nullptr;
  ASSERT_TRUE(pull_from(server).ok());
  EXPECT_EQ(content(store.directory() / "ggml-tiny.bin"), body);
}

TEST_F(PullTest, NobodyListening) {
  std::string url;
  {
    FaultServer gone(Routes{});
    url = gone.url();
  }
  PullOptions o;
  o.endpoint = url;
  o.retry_delay = std::chrono::milliseconds(1);
  const auto pulled = pull(store, "tiny", o);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, Error::Kind::io);
  EXPECT_THAT(pulled.error().message, HasSubstr("ggml-tiny.bin: 127.0.0.1: couldn't connect"));
  EXPECT_TRUE(entries().empty());
}

// Who was never reached is not asked again and again: a person waits.
TEST_F(PullTest, ASilentHubIsGivenUpAtOnce) {
  options.answer_timeout = std::chrono::milliseconds(300);
  options.stall_timeout = std::chrono::hours(1);
  FaultServer server(Routes{{kPath, {json::object({{"silent", true}})}}});
  const auto pulled = pull_from(server);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, Error::Kind::io);
  EXPECT_THAT(pulled.error().message, HasSubstr("ggml-tiny.bin: 127.0.0.1: no answer within 0.3 s"));
  EXPECT_THAT(pulled.error().message, HasSubstr("HF_ENDPOINT"));
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_TRUE(entries().empty());
}

TEST_F(PullTest, SilenceAfterAnAnswerIsTriedAgain) {
  options.answer_timeout = std::chrono::milliseconds(300);
  options.stall_timeout = std::chrono::hours(1);
  FaultServer server(Routes{{kPath, {whole({{"drop_after", 100'000}}), json::object({{"silent", true}}), whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(content(pulled->path), body);
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_F(PullTest, AProxyThatRefusesIsNamedAndAskedOnce) {
  FaultServer proxy(Routes{{"hub.invalid:443", {status(403)}}});
  const testing::Environment through("https_proxy", proxy.url().c_str());
  options.endpoint = "https://hub.invalid";
  const auto pulled = pull(store, "tiny", options);
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error().message, HasSubstr("hub.invalid: the proxy refuses it (HTTP 403); check https_proxy"));
  EXPECT_EQ(proxy.requests().size(), 1u);
  EXPECT_TRUE(entries().empty());
}

TEST_F(PullTest, ADiskWithoutRoomIsSaidBeforeTheTransfer) {
  FaultServer server(
      {{kPath,
        {plain(
            {{"headers", {{"X-Linked-Size", "4611686018427387904"}, {"Content-Length", "4611686018427387904"}}}})}}});
  const auto pulled = pull_from(server);
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error().message, HasSubstr("the disk has room for"));
  EXPECT_TRUE(entries().empty());
}

TEST_F(PullTest, AStoreThatCannotBeWritten) {
  std::ofstream(dir.path / "store") << "a file where the directory should be";
  FaultServer server(Routes{{kPath, {whole()}}});
  const auto pulled = pull_from(server);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, Error::Kind::io);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(PullTest, TwoDownloadsOfOneFileDoNotMix) {
  fs::create_directories(store.directory());
  const int fd = ::open((store.directory() / "ggml-tiny.bin.part").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  ASSERT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
  FaultServer server(Routes{{kPath, {whole()}}});
  EXPECT_THAT(pull_from(server).error().message, HasSubstr("another download of it is running"));
  EXPECT_TRUE(server.requests().empty());
  ::close(fd);
  EXPECT_TRUE(pull_from(server).ok());
}

class RepositoryTest : public PullTest {
 protected:
  static constexpr const char* kConfig =
      R"({"model_type":"whisper","vocab_size":51865,"num_mel_bins":80,"d_model":384,"encoder_layers":4,"decoder_layers":4,)"
      R"("encoder_attention_heads":6,"decoder_attention_heads":6,"max_source_positions":1500,"max_target_positions":448})";

  static std::vector<std::string> files_of(const fs::path& directory) {
    std::vector<std::string> files;
    for (const auto& e : fs::directory_iterator(directory)) files.push_back(e.path().filename().string());
    std::sort(files.begin(), files.end());
    return files;
  }
  static std::string at(const std::string& revision, const std::string& file) {
    return "/owner/name/resolve/" + revision + "/" + file;
  }
  json text(const std::string& content) {
    return {{"text", content}, {"headers", {{"ETag", "\"t\""}, {"X-Repo-Commit", kCommit}}}};
  }
};

TEST_F(RepositoryTest, AllFilesOfOneCommitArriveTogether) {
  FaultServer server(Routes{{at("main", "config.json"), {text(kConfig)}},
                            {at(kCommit, "vocab.json"), {text("{}")}},
                            {at(kCommit, "added_tokens.json"), {text("{}")}},
                            {at(kCommit, "model.safetensors"), {whole()}}});
  const auto pulled = pull_from(server, "owner/name");
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(pulled->path, store.directory() / "owner--name");
  EXPECT_TRUE(pulled->verified);
  EXPECT_EQ(content(pulled->path / "model.safetensors"), body);
  EXPECT_EQ(content(pulled->path / "config.json"), kConfig);
  EXPECT_THAT(entries(), ElementsAre("owner--name"));
  EXPECT_THAT(files_of(pulled->path),
              ElementsAre("added_tokens.json", "config.json", "model.safetensors", "vocab.json"));
  EXPECT_EQ(store.find("owner/name"), pulled->path);
  EXPECT_TRUE(pull_from(server, "owner/name")->was_installed);
}

TEST_F(RepositoryTest, ShardsAreFetchedOneByOneAndNotTwice) {
  const json index = {
      {"weight_map", {{"a", "model-00001-of-00002.safetensors"}, {"b", "model-00002-of-00002.safetensors"}}}};
  const Routes routes = {{at("main", "config.json"), {text(kConfig)}},
                         {at(kCommit, "model.safetensors.index.json"), {text(index.dump())}},
                         {at(kCommit, "model-00001-of-00002.safetensors"), {whole()}},
                         {at(kCommit, "model-00002-of-00002.safetensors"), {whole({{"drop_after", 100'000}})}}};
  options.retries = 0;
  {
    FaultServer server(routes);
    ASSERT_FALSE(pull_from(server, "owner/name").ok());
    EXPECT_FALSE(fs::exists(store.directory() / "owner--name"));
    EXPECT_TRUE(store.list()->empty());
  }
  Routes second = routes;
  second[at(kCommit, "model-00002-of-00002.safetensors")] = {whole()};
  FaultServer server(second);
  const auto pulled = pull_from(server, "owner/name");
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_TRUE(pulled->verified);
  for (const json& r : server.requests()) {
    EXPECT_NE(r["path"], at(kCommit, "model-00001-of-00002.safetensors"));
    if (r["path"] == at(kCommit, "model-00002-of-00002.safetensors")) {
      EXPECT_EQ(r["range"], "bytes=100000-");
    }
  }
  EXPECT_EQ(content(pulled->path / "model-00001-of-00002.safetensors"), body);
  EXPECT_EQ(content(pulled->path / "model-00002-of-00002.safetensors"), body);
}

TEST_F(RepositoryTest, AnotherCommitThrowsAwayWhatTheFirstHad) {
  options.retries = 0;
  const std::string other(40, 'd');
  {
    FaultServer server(Routes{{at("main", "config.json"), {text(kConfig)}},
                              {at(kCommit, "vocab.json"), {text("old")}},
                              {at(kCommit, "model.safetensors"), {status(500)}}});
    ASSERT_FALSE(pull_from(server, "owner/name").ok());
    ASSERT_TRUE(fs::exists(store.directory() / "owner--name.part" / "vocab.json"));
  }
  json config = text(kConfig);
  config["headers"]["X-Repo-Commit"] = other;
  FaultServer server(Routes{{at("main", "config.json"), {config}}, {at(other, "model.safetensors"), {whole()}}});
  const auto pulled = pull_from(server, "owner/name");
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_FALSE(fs::exists(pulled->path / "vocab.json"));
}

TEST_F(RepositoryTest, WhatIsNoWhisperIsNotFetched) {
  FaultServer server(Routes{{at("main", "config.json"), {text(R"({"model_type":"llama"})")}}});
  EXPECT_THAT(pull_from(server, "owner/name").error().message, HasSubstr("owner/name: is a model of type 'llama'"));
  EXPECT_EQ(server.requests().size(), 1u);
  FaultServer none(Routes{});
  EXPECT_THAT(pull_from(none, "owner/other").error().message, HasSubstr("no such model"));
  FaultServer bare(Routes{{at("main", "config.json"), {text(kConfig)}}});
  EXPECT_THAT(pull_from(bare, "owner/name").error().message, HasSubstr("has no model.safetensors, no model.bin"));
}

// faster-whisper's form: the config names no architecture, and a file of the vocabulary has one of two names.
TEST_F(RepositoryTest, CTranslate2sFilesAreFetched) {
  constexpr const char* kCTranslate2 = R"({"alignment_heads":[[3,1]],"lang_ids":[50259],"suppress_ids":[1,2]})";
  for (const std::string vocabulary : {"vocabulary.json", "vocabulary.txt"}) {
    FaultServer server(Routes{{at("main", "config.json"), {text(kCTranslate2)}},
                              {at(kCommit, vocabulary), {text("words")}},
                              {at(kCommit, "tokenizer.json"), {text("{}")}},
                              {at(kCommit, "model.safetensors"), {whole()}},  // not looked at
                              {at(kCommit, "model.bin"), {whole()}}});
    options.again = true;
    const auto pulled = pull_from(server, "owner/name");
    ASSERT_TRUE(pulled.ok()) << pulled.error().message;
    EXPECT_TRUE(pulled->verified);
    EXPECT_EQ(content(pulled->path / "model.bin"), body);
    EXPECT_THAT(files_of(pulled->path), ElementsAre("config.json", "model.bin", "tokenizer.json", vocabulary));
  }
  FaultServer bare(Routes{{at("main", "config.json"), {text(kCTranslate2)}}});
  EXPECT_THAT(pull_from(bare, "owner/name").error().message, HasSubstr("CTranslate2's, but it has no model.bin"));
  FaultServer other(Routes{{at("main", "config.json"), {text(R"({"bos_token":"<s>","unk_token":"<unk>"})")}}});
  EXPECT_THAT(pull_from(other, "owner/name").error().message, HasSubstr("owner/name: is no Whisper model"));
  EXPECT_EQ(other.requests().size(), 1u);
}

// Of several forms one is fetched: safetensors, else CTranslate2's, else PyTorch's.
TEST_F(RepositoryTest, TheBestFormOfTheWeightsIsFetched) {
  options.again = true;
  Routes routes = {{at("main", "config.json"), {text(kConfig)}},
                   {at(kCommit, "model.safetensors"), {whole()}},
                   {at(kCommit, "model.bin"), {whole()}},
                   {at(kCommit, "vocabulary.json"), {text("[]")}},
                   {at(kCommit, "pytorch_model.bin"), {whole()}}};
  const auto fetched = [&] {
    FaultServer server(routes);
    const auto pulled = pull_from(server, "owner/name");
    EXPECT_TRUE(pulled.ok()) << pulled.error().message;
    return pulled.ok() ? files_of(pulled->path) : std::vector<std::string>();
  };
  EXPECT_THAT(fetched(), ElementsAre("config.json", "model.safetensors"));
  routes.erase(at(kCommit, "model.safetensors"));
  EXPECT_THAT(fetched(), ElementsAre("config.json", "model.bin", "vocabulary.json"));
  routes.erase(at(kCommit, "model.bin"));
  EXPECT_THAT(fetched(), ElementsAre("config.json", "pytorch_model.bin"));
  routes.erase(at(kCommit, "pytorch_model.bin"));
  const json index = {{"weight_map", {{"a", "pytorch_model-00001-of-00001.bin"}}}};
  routes[at(kCommit, "pytorch_model.bin.index.json")] = {text(index.dump())};
  routes[at(kCommit, "pytorch_model-00001-of-00001.bin")] = {whole()};
  EXPECT_THAT(fetched(),
              ElementsAre("config.json", "pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"));
}

TEST_F(RepositoryTest, DistilledModelsHaveShortNames) {
  const std::string base = "/distil-whisper/distil-small.en/resolve/";
  FaultServer server(Routes{{base + "main/config.json", {text(kConfig)}},
                            {base + kCommit + "/vocab.json", {text("{}")}},
                            {base + kCommit + "/model.safetensors", {whole()}}});
  const auto pulled = pull_from(server, "distil-small.en");
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(pulled->path, store.directory() / "distil-whisper--distil-small.en");
  EXPECT_EQ(store.find("distil-small.en"), pulled->path);
  EXPECT_TRUE(pull_from(server, "distil-whisper/distil-small.en")->was_installed);
}

TEST_F(RepositoryTest, AnIndexCannotWriteElsewhere) {
  FaultServer server(
      {{at("main", "config.json"), {text(kConfig)}},
       {at(kCommit, "model.safetensors.index.json"), {text(R"({"weight_map":{"a":"../../evil.safetensors"}})")}}});
  EXPECT_THAT(pull_from(server, "owner/name").error().message, HasSubstr("is no name of a file beside it"));
  EXPECT_FALSE(fs::exists(dir.path / "evil.safetensors"));
}

TEST(PullOptionsTest, EnvironmentIsRead) {
  ::setenv("HF_ENDPOINT", "http://mirror", 1);
  ::setenv("HF_TOKEN", "t", 1);
  EXPECT_EQ(PullOptions::from_environment().endpoint, "http://mirror");
  EXPECT_EQ(PullOptions::from_environment().token, "t");
  ::unsetenv("HF_ENDPOINT");
  ::unsetenv("HF_TOKEN");
  EXPECT_EQ(PullOptions::from_environment().endpoint, "https://huggingface.co");
  EXPECT_EQ(PullOptions::from_environment().token, "");
}

}  // namespace
}  // namespace shorthand
