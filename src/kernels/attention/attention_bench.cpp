// SPDX-License-Identifier: Apache-2.0
// Attention of `base`: the encoder (1,500 rows over 1,500 keys, one head), a decoder step (one row, all eight heads),
// and storing the keys and values of a window.
#include "kernels/attention/attention.h"

#include <string>
#include <vector>

#include "kernels/bench_support.h"
#include "kernels/kernels.h"

namespace shorthand::bench {
namespace {

using namespace attention;

constexpr int kHeads = 8, kWidth = kHeads * kHeadDim, kKeys = 1500, kCapacity = 1536;

struct Sequence {
  std::vector<float> q, k, v;
  AlignedBuffer<std::byte> int8_memory, float_memory;
  Int8Cache int8;
  FloatCache floats;
  Scratch scratch;

  Sequence()
      : q(static_cast<size_t>(kKeys) * kWidth),
        k(q.size()),
        v(q.size()),
        int8_memory(int8_cache_bytes(kHeads, kCapacity)),
        float_memory(float_cache_bytes(kHeads, kCapacity)),
        int8(int8_cache_in(int8_memory.data(), kHeads, kCapacity)),
        floats(float_cache_in(float_memory.data(), kHeads, kCapacity)) {
    fill(q, 1), fill(k, 2), fill(v, 3);
    store(rowwise::variants().front(), int8, 0, k.data(), kWidth, v.data(), kWidth, kKeys);
    store(floats, 0, k.data(), kWidth, v.data(), kWidth, kKeys);
  }

  template <class Kernels, class Cache>
  void run(const Kernels& kernels, const Cache& cache, int head, int rows, std::vector<float>& out) {
    const size_t column = static_cast<size_t>(head) * kHeadDim;
    attend(kernels, cache, head, {q.data() + column, kWidth, out.data() + column, kWidth, rows, kKeys, false}, scratch);
  }
};

void add_int8(Isa isa, int rows, int heads) {
  const std::string name = "attention/int8/" + std::to_string(rows) + "x" + std::to_string(kKeys) + "x" +
                           std::to_string(heads) + "heads/" + std::string(isa_name(isa));
  benchmark::RegisterBenchmark(name.c_str(), [isa, rows, heads](benchmark::State& state) {
    Sequence s;
    const Int8Kernels kernels = choose_kernels(isa).int8_attention();
    std::vector<float> got(s.q.size()), want(s.q.size());
    const int checked = std::min(rows, 40);
    for (int h = 0; h < heads; ++h) {
      s.run(choose_kernels(Isa::scalar).int8_attention(), s.int8, h, checked, want);
      s.run(kernels, s.int8, h, checked, got);
    }
    must_be_equal("attention", isa, got.data(), want.data(), got.size() * sizeof(float));
    for (auto _ : state) {
      for (int h = 0; h < heads; ++h) s.run(kernels, s.int8, h, rows, got);
      benchmark::ClobberMemory();
    }
    // Q K^T once, P V twice: the weights have 13 bits.
    report_macs(state, 3.0 * rows * kKeys * kHeadDim * heads, peak_int8_macs(kernels.product->isa));
  })->Unit(benchmark::kMicrosecond);
}

void add_float(Isa isa, int rows, int heads) {
  const std::string name = "attention/float/" + std::to_string(rows) + "x" + std::to_string(kKeys) + "x" +
                           std::to_string(heads) + "heads/" + std::string(isa_name(isa));
  benchmark::RegisterBenchmark(name.c_str(), [isa, rows, heads](benchmark::State& state) {
    Sequence s;
    const FloatKernels kernels = choose_kernels(isa).float_attention();
    std::vector<float> got(s.q.size());
    for (auto _ : state) {
      for (int h = 0; h < heads; ++h) s.run(kernels, s.floats, h, rows, got);
      benchmark::ClobberMemory();
    }
    report_macs(state, 2.0 * rows * kKeys * kHeadDim * heads, peak_float_macs(kernels.product->isa));
  })->Unit(benchmark::kMicrosecond);
}

// The weights of one row: what lies between the two products.
void add_weigh(const Variant& v) {
  const std::string name = "attention/weigh_int8/" + std::to_string(kKeys) + "/" + std::string(isa_name(v.isa));
  benchmark::RegisterBenchmark(name.c_str(), [&v](benchmark::State& state) {
    std::vector<int32_t> sums(kCapacity), bias(kCapacity);
    std::vector<float> key_scales(kCapacity), value_scales(kCapacity), work(kCapacity);
    std::vector<uint8_t> got(2 * kCapacity), want(2 * kCapacity);
    fill_integers(std::span(sums), -100000, 100000, 1);
    fill_integers(std::span(bias), -100000, 100000, 2);
    fill(key_scales, 3), fill(value_scales, 4);
    for (float& x : key_scales) x = 1e-5f + 1e-6f * x;
    for (float& x : value_scales) x = 1.0f + 0.1f * x;
    const WeighInt8 in{sums.data(), bias.data(), key_scales.data(), value_scales.data(), 1.0f, kKeys, kCapacity};
    variants().front().weigh_int8(in, work.data(), want.data(), want.data() + kCapacity);
    for (auto _ : state) {
      benchmark::DoNotOptimize(v.weigh_int8(in, work.data(), got.data(), got.data() + kCapacity));
      benchmark::ClobberMemory();
    }
    must_be_equal("weigh_int8", v.isa, got.data(), want.data(), got.size());
    state.counters["keys/s"] = benchmark::Counter(static_cast<double>(kKeys) * static_cast<double>(state.iterations()),
                                                  benchmark::Counter::kIsRate);
  })->Unit(benchmark::kMicrosecond);
}

void add_store(Isa isa, int rows) {
  const std::string name = "attention/store/" + std::to_string(rows) + "/" + std::string(isa_name(isa));
  benchmark::RegisterBenchmark(name.c_str(), [isa, rows](benchmark::State& state) {
    Sequence s;
    const rowwise::Variant& v = rowwise::choose(isa);
    for (auto _ : state) {
      store(v, s.int8, 0, s.k.data(), kWidth, s.v.data(), kWidth, rows);
      benchmark::ClobberMemory();
    }
    const Sequence by_scalar;
    must_be_equal("store", isa, s.int8_memory.data(), by_scalar.int8_memory.data(), s.int8_memory.size());
    report_bytes(state, 10.0 * rows * kWidth);
  })->Unit(benchmark::kMicrosecond);
}

}  // namespace

void register_attention() {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa) || isa == Isa::scalar) continue;
    add_int8(isa, kKeys, 1);
    add_int8(isa, 1, kHeads);
    add_int8(isa, 5, kHeads);
    add_store(isa, kKeys);
    add_store(isa, 1);
    add_float(isa, kKeys, 1);
    add_float(isa, 1, kHeads);
  }
  for (const Variant& v : variants()) {
    if (isa_supported(v.isa)) add_weigh(v);
  }
}

}  // namespace shorthand::bench
