// SPDX-License-Identifier: Apache-2.0
#include "model/foreign.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/file.h"
#include "model/ctranslate2.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr std::string_view kRecording = "is a recording ({}); give it as INPUT, and a model with --model";
constexpr std::string_view kPickle =
    "is a Python pickle, but none that torch.save wrote since PyTorch 1.6; load it in Python and save it with "
    "torch.save";

struct Signature {
  size_t offset;
  std::string_view bytes;
  std::string_view what;  // what stands in the braces of the sentence
  std::string_view sentence;
};

// First match wins.
constexpr Signature kSignatures[] = {
    {0, "RIFF"sv, "RIFF/WAVE", kRecording},
    {0, "RF64"sv, "RF64/WAVE", kRecording},
    {0, "FORM"sv, "AIFF", kRecording},
    {0, "fLaC"sv, "FLAC", kRecording},
    {0, "OggS"sv, "Ogg", kRecording},
    {0, "ID3"sv, "MP3", kRecording},
    {0, "\xff\xfb"sv, "MP3", kRecording},
    {0, "\xff\xf3"sv, "MP3", kRecording},
    {0, "\xff\xf1"sv, "AAC", kRecording},
    {4, "ftyp"sv, "MP4", kRecording},
    {0, "\x1a\x45\xdf\xa3"sv, "Matroska or WebM", kRecording},
    {0, "GGUF"sv, "",
     "is a GGUF file; Whisper models come as whisper.cpp's older ggml .bin files (shorthand models pull base)"},
    {0, "tjgg"sv, "", "is a ggjt file, of an early llama.cpp; a Whisper model has another layout"},
    {0, "fmgg"sv, "", "is a ggmf file, of an early llama.cpp; a Whisper model has another layout"},
    {0, "PK\x03\x04"sv, "", "is a PyTorch checkpoint or another zip archive; give the file itself"},
    {0, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv, "",
     "is a PyTorch checkpoint of the form before PyTorch 1.6; save it anew: torch.save(torch.load(FILE), NEW_FILE)"},
    {0, "\x80\x02"sv, "", kPickle},
    {0, "\x80\x03"sv, "", kPickle},
    {0, "\x80\x04"sv, "", kPickle},
    {0, "\x80\x05"sv, "", kPickle},
    {0, "version https://git-lfs"sv, "",
     "is a Git LFS pointer, not the file it stands for; fetch that with 'git lfs pull'"},
    {0, "\x1f\x8b"sv, "", "is a gzip archive; unpack it first"},
    {0, "\x28\xb5\x2f\xfd"sv, "", "is a Zstandard archive; unpack it first"},
    {0,
     "\xfd"
     "7zXZ"sv,
     "", "is an xz archive; unpack it first"},
    {0, "\x89HDF"sv, "", "is an HDF5 file, as Keras writes; give a ggml file or a Hugging Face directory"},
};

bool is_text(std::string_view head) {
  return std::none_of(head.begin(), head.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < ' ' && c != '\n' && c != '\r' && c != '\t';
  });
}

// A web page or a JSON answer in the place of a file: what a failed download leaves behind.
std::string describe_text(std::string_view head) {
  std::string start(head.substr(0, 64));
  start.erase(0, std::min(start.find_first_not_of(" \t\r\n"), start.size()));
  std::transform(start.begin(), start.end(), start.begin(), [](unsigned char c) { return std::tolower(c); });
  if (start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml"))
    return "is a web page, not a model; perhaps a download that failed: fetch it again (shorthand models pull NAME)";
  if (start.starts_with("{") || start.starts_with("["))
    return "is JSON, not a model; give the directory that it lies in, or a model file";
  return "is a text file, not a model; perhaps a download that failed: fetch it again (shorthand models pull NAME)";
}

}  // namespace

std::string describe_foreign(std::span<const std::byte> bytes) {
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 512));
  for (const Signature& s : kSignatures) {
    if (head.size() < s.offset + s.bytes.size() || head.substr(s.offset, s.bytes.size()) != s.bytes) continue;
    return s.what.empty() ? std::string(s.sentence) : fmt::format(fmt::runtime(s.sentence), s.what);
  }
  if (const auto spec = ctranslate2_spec(bytes))
    return *spec == "WhisperSpec"
               ? "is CTranslate2's model.bin; give the directory that it lies in"
               : fmt::format("is a CTranslate2 model of another kind ({}); give a Whisper model", *spec);
  if (is_text(head)) return describe_text(head);
  return "is no model this engine reads; give a ggml file of whisper.cpp, a .pt file of OpenAI's, or a directory of "
         "Hugging Face's or CTranslate2's";
}

std::string describe_foreign_directory(const fs::path& directory) {
  std::error_code error;
  const auto has = [&](std::string_view name) { return fs::exists(directory / name, error); };
  if (has("model.bin")) {
    const auto file = MappedFile::open(directory / "model.bin");
    if (file.ok()) return fmt::format("its model.bin {}", describe_foreign(file->bytes()));
  }
  if (has("tf_model.h5") || has("flax_model.msgpack"))
    return "has weights for TensorFlow or Flax only; save them as model.safetensors";
  for (const char* weights : {"model.safetensors", "pytorch_model.bin"}) {
    if (has(weights)) return fmt::format("has weights ({}) and no config.json; fetch that too", weights);
  }
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.ends_with(".bin") || name.ends_with(".pt"))
      return fmt::format("is a directory; give the file itself, such as {}/{}", directory.string(), name);
    if (name.ends_with(".onnx")) return "is an ONNX model; give the Hugging Face directory it was converted from";
  }
  if (has("config.json")) return "has config.json and no model.safetensors; fetch the weights too";
  return "is a directory without config.json and model.safetensors, or model.bin and its vocabulary; give a model "
         "file, or "
         "a directory of Hugging Face's or CTranslate2's form";
}

}  // namespace shorthand
