// SPDX-License-Identifier: Apache-2.0
// A ggml model with some bytes changed, or any bytes after the magic: an error of one line, or a model that packs.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "model/checkpoint.h"
#include "model/ggml.h"
#include "model/model.h"
#include "support/tiny_model.h"

using namespace shorthand;

namespace {

void check(const Error& error) {
  if (error.message.empty() || error.message.find('\n') != std::string::npos) std::abort();
}

std::vector<std::byte> tiny(DType matrices) {
  RandomModel model = testing::tiny_model();
  model.matrices = matrices;
  return testing::model_bytes(model);
}

// A model 256 wide, whose first square matrix is in blocks of the k-quant of that code.
std::vector<std::byte> wide(int code, DType dtype) {
  RandomModel model = testing::tiny_model();
  model.config.n_audio_state = model.config.n_text_state = 256;
  model.config.n_audio_head = model.config.n_text_head = 4;
  std::vector<std::byte> file = testing::model_bytes(model);
  const std::string_view name = "encoder.blocks.0.attn.query.weight";
  const auto found = std::search(file.begin(), file.end(), name.begin(), name.end(),
                                 [](std::byte a, char b) { return static_cast<char>(a) == b; });
  const int ftype = 2000 + code;
  std::memcpy(&file[44], &ftype, sizeof ftype);
  std::memcpy(&*found - 12, &code, sizeof code);
  const auto data = found + static_cast<long>(name.size());
  const size_t blocks = stored_bytes(dtype, 256 * 256);
  for (size_t i = 0; i < blocks; ++i) data[static_cast<long>(i)] = static_cast<std::byte>(i * 37 % 59);
  file.erase(data + static_cast<long>(blocks), data + 2 * 256 * 256);
  return file;
}

// The bytes to look at. The first byte of the input chooses: any bytes, or one of five models with changes of four
// bytes each (three of an offset, one to put there; offsets count from the ends of the file, where its headers are
// densest) and then perhaps a cut.
std::vector<std::byte> make_file(const uint8_t* data, size_t size) {
  static const std::vector<std::byte> models[] = {tiny(DType::f16), tiny(DType::q5_1), tiny(DType::f32),
                                                  wide(11, DType::q3_K), wide(13, DType::q5_K)};
  std::vector<std::byte> file;
  if (size < 4 || data[0] % 6 == 5) {
    file.resize(4 + size);
    std::memcpy(file.data(), "lmgg", 4);
    std::memcpy(file.data() + 4, data, size);
    return file;
  }
  file = models[data[0] % 6];
  for (size_t i = 1; i + 4 <= size; i += 4) {
    const size_t at = data[i] | data[i + 1] << 8 | (data[i + 2] & 0x7f) << 16;
    file[(data[i + 2] & 0x80 ? file.size() - 1 - at % file.size() : at % file.size())] = std::byte{data[i + 3]};
  }
  const size_t left_over = (size - 1) % 4;
  if (left_over == 1) file.resize(file.size() - data[size - 1]);
  if (left_over == 2) file.resize((data[size - 1] << 8 | data[size - 2]) * size_t{8} % file.size());
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<std::byte> file = make_file(data, size);
  const auto checkpoint = parse_ggml(file, "f");
  if (!checkpoint) return check(checkpoint.error()), 0;
  if (data[0] < 0xc0) return 0;  // packing takes most of the time
  static ThreadPool pool(1);
  const auto model = Model::from_bytes(file, "f", ComputeType::int8, pool);
  if (!model) check(model.error());
  return 0;
}
