// SPDX-License-Identifier: Apache-2.0
#include "kernel_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/embedded.h"
#include "kernels/kernels.h"
#include "text/words.h"

SHORTHAND_EMBEDDED(shapes_tiny);
SHORTHAND_EMBEDDED(shapes_base);
SHORTHAND_EMBEDDED(shapes_small);
SHORTHAND_EMBEDDED(shapes_medium);
SHORTHAND_EMBEDDED(shapes_large_v3);
SHORTHAND_EMBEDDED(shapes_report);

namespace shorthand::bench {
namespace {

struct Family {
  size_t sizes;
  KernelCase (*make)(const Shape& shape, Isa isa);
};

const std::map<std::string, Family, std::less<>>& families() {
  static const std::map<std::string, Family, std::less<>> all = {{"gemm_i8", {3, make_gemm_i8}},
                                                                 {"gelu", {2, make_gelu}},
                                                                 {"gemm_f32", {3, make_gemm_f32}},
                                                                 {"attention", {3, make_attention}},
                                                                 {"attention_f32", {3, make_attention_f32}},
                                                                 {"attention_store", {2, make_attention_store}},
                                                                 {"layer_norm", {2, make_layer_norm}},
                                                                 {"quantise", {2, make_quantise}},
                                                                 {"softmax_sums", {1, make_softmax_sums}},
                                                                 {"log_mel", {2, make_log_mel}}};
  return all;
}

template <class Variants>
std::vector<Isa> supported(const Variants& variants) {
  std::vector<Isa> rungs;
  for (const auto& v : variants) {
    if (isa_supported(v.isa)) rungs.push_back(v.isa);
  }
  return rungs;
}

Result<Shape> parse_shape(const std::vector<std::string_view>& words, const std::string& where) {
  const auto family = families().find(words[0]);
  if (family == families().end()) return bad_input(fmt::format("{}: no kernel family '{}'", where, words[0]));
  if (words.size() < 2 + family->second.sizes)
    return bad_input(fmt::format("{}: {} takes a name and {} sizes", where, words[0], family->second.sizes));
  Shape shape{std::string(words[0]), std::string(words[1]), {}};
  for (size_t i = 2; i < words.size(); ++i) {
    if (shape.sizes.size() < family->second.sizes) {
      int size = 0;
      const auto [end, error] = std::from_chars(words[i].begin(), words[i].end(), size);
      if (error != std::errc() || end != words[i].end() || size < 1 || size > 1000000)
        return bad_input(fmt::format("{}: '{}' is not a size from 1 to 1000000", where, words[i]));
      shape.sizes.push_back(size);
    } else if (words[i] == "bias") {
      shape.bias = true;
    } else if (words[i] == "gelu") {
      shape.gelu = true;
    } else if (words[i] == "residual") {
      shape.residual = true;
    } else if (words[i] == "streamed") {
      shape.streamed = true;
    } else {
      return bad_input(fmt::format("{}: no flag '{}'; there are bias, gelu, residual, streamed", where, words[i]));
    }
  }
  return shape;
}

}  // namespace

std::string Shape::text() const {
  std::string text = fmt::format("{} {} {}", family, what, fmt::join(sizes, "x"));
  return text;
}

Result<std::vector<Shape>> parse_shapes(std::string_view text, std::string_view name) {
  std::vector<Shape> shapes;
  int line_number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, std::min(end, text.find('#')));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    const std::vector<std::string_view> words = words_of(line);
    if (!words.empty()) shapes.push_back(SHORTHAND_TRY(parse_shape(words, fmt::format("{}:{}", name, line_number))));
  }
  return shapes;
}

Result<std::vector<Shape>> shapes_of(std::string_view name) {
  const std::map<std::string_view, std::string_view> files = {
      {"tiny", embedded_shapes_tiny()},         {"base", embedded_shapes_base()},
      {"small", embedded_shapes_small()},       {"medium", embedded_shapes_medium()},
      {"large-v3", embedded_shapes_large_v3()}, {"large-v3-turbo", embedded_shapes_large_v3()},
      {"report", embedded_shapes_report()}};
  const auto file = files.find(name);
  if (file == files.end())
    return usage_error(
        fmt::format("no shapes for '{}'; there are tiny, base, small, medium, large-v3, large-v3-turbo", name));
  return parse_shapes(file->second, fmt::format("shapes/{}.txt", name));
}

std::vector<Isa> rungs_of(std::string_view family) {
  if (family == "gemm_i8" || family == "gelu" || family == "attention") return supported(gemm_i8::variants());
  if (family == "gemm_f32") return supported(gemm_f32::variants());
  if (family == "attention_f32") return supported(attention::variants());
  if (family == "log_mel") return supported(log_mel::variants());
  return supported(rowwise::variants());
}

KernelCase make_case(const Shape& shape, Isa isa) { return families().find(shape.family)->second.make(shape, isa); }

}  // namespace shorthand::bench
