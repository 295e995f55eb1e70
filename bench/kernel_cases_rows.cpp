// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>

#include "audio/log_mel.h"
#include "kernel_cases.h"
#include "kernels/kernels.h"

namespace shorthand::bench {
namespace {

size_t size(int n) { return static_cast<size_t>(n); }

struct Sequence {
  int heads, keys, capacity;
  size_t width;
  std::vector<float> q, k, v, out;
  AlignedBuffer<std::byte> memory;
  attention::Int8Cache int8;
  attention::FloatCache floats;
  attention::Scratch scratch;

  Sequence(int rows, int n_keys, int n_heads, bool as_floats)
      : heads(n_heads),
        keys(n_keys),
        capacity(static_cast<int>(round_up(size(n_keys), attention::kKeyAlign))),
        width(size(n_heads) * attention::kHeadDim),
        q(size(rows) * width),
        k(size(keys) * width),
        v(k.size()),
        out(q.size()),
        memory(as_floats ? attention::float_cache_bytes(heads, capacity)
                         : attention::int8_cache_bytes(heads, capacity)) {
    fill(q, 1), fill(k, 2), fill(v, 3);
    if (as_floats) {
      floats = attention::float_cache_in(memory.data(), heads, capacity);
      attention::store(floats, 0, k.data(), width, v.data(), width, keys);
    } else {
      int8 = attention::int8_cache_in(memory.data(), heads, capacity);
      store_int8(rowwise::variants().front());
    }
  }
  void store_int8(const rowwise::Variant& by) { attention::store(by, int8, 0, k.data(), width, v.data(), width, keys); }
  template <class Kernels, class Cache>
  void attend(const Kernels& kernels, const Cache& cache, int rows, float* to) {
    for (int h = 0; h < heads; ++h) {
      const size_t column = size(h) * attention::kHeadDim;
      attention::attend(kernels, cache, h, {q.data() + column, width, to + column, width, rows, keys, false}, scratch);
    }
  }
};

struct Rows {
  int rows, n;
  std::vector<float> x, y, gamma, beta, scales;
  std::vector<uint8_t> bytes;
  Rows(int r, int width)
      : rows(r),
        n(width),
        x(size(r) * size(width)),
        y(x.size()),
        gamma(size(width)),
        beta(size(width)),
        scales(size(r)),
        bytes(x.size()) {
    fill(x, 1), fill(gamma, 2), fill(beta, 3);
  }
};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

KernelCase make_attention(const Shape& shape, Isa isa) {
  const int rows = shape.sizes[0];
  const auto s = std::make_shared<Sequence>(rows, shape.sizes[1], shape.sizes[2], false);
  const attention::Int8Kernels kernels = choose_kernels(isa).int8_attention();
  KernelCase kernel;
  // Q K^T and P V, as the model counts them; that the weights take two bytes is this kernel's own affair.
  kernel.macs = 2.0 * rows * s->keys * attention::kHeadDim * s->heads;
  kernel.verify = [s, kernels, rows] {
    const int some = std::min(rows, 40);
    std::vector<float> want(s->q.size()), got(s->q.size());
    s->attend(choose_kernels(Isa::scalar).int8_attention(), s->int8, some, want.data());
    s->attend(kernels, s->int8, some, got.data());
    return same_bits(want, got);
  };
  kernel.run = [s, kernels, rows] { s->attend(kernels, s->int8, rows, s->out.data()); };
  return kernel;
}

KernelCase make_attention_f32(const Shape& shape, Isa isa) {
  const int rows = shape.sizes[0];
  const auto s = std::make_shared<Sequence>(rows, shape.sizes[1], shape.sizes[2], true);
  const attention::FloatKernels kernels = choose_kernels(isa).float_attention();
  KernelCase kernel;
  kernel.macs = 2.0 * rows * s->keys * attention::kHeadDim * s->heads;
  kernel.floats = true;
  kernel.exact = false;
  kernel.verify = [s, kernels, rows] {
    const int some = std::min(rows, 8);
    std::vector<float> want(s->q.size()), got(s->q.size());
    s->attend(choose_kernels(Isa::scalar).float_attention(), s->floats, some, want.data());
    s->attend(kernels, s->floats, some, got.data());
    return std::ranges::equal(want, got, [](float a, float b) { return std::fabs(a - b) < 1e-4f; });
  };
  kernel.run = [s, kernels, rows] { s->attend(kernels, s->floats, rows, s->out.data()); };
  return kernel;
}

KernelCase make_attention_store(const Shape& shape, Isa isa) {
  const auto s = std::make_shared<Sequence>(1, shape.sizes[0], shape.sizes[1], false);
  const rowwise::Variant& v = rowwise::choose(isa);
  KernelCase kernel;
  kernel.bytes = 10.0 * static_cast<double>(s->k.size());  // two floats read, two bytes written
  kernel.verify = [s, &v] {
    const Sequence by_scalar(1, s->keys, s->heads, false);
    s->store_int8(v);
    return std::memcmp(s->memory.data(), by_scalar.memory.data(), s->memory.size()) == 0;
  };
  kernel.run = [s, &v] { s->store_int8(v); };
  return kernel;
}

KernelCase make_layer_norm(const Shape& shape, Isa isa) {
  const auto x = std::make_shared<Rows>(shape.sizes[0], shape.sizes[1]);
  const rowwise::Variant& v = rowwise::choose(isa);
  const auto run = [x](const rowwise::Variant& by, float* to) {
    by.layer_norm({x->gamma.data(), x->beta.data(), x->n}, x->x.data(), size(x->n), x->rows, to, size(x->n));
  };
  KernelCase kernel;
  kernel.bytes = 8.0 * static_cast<double>(x->x.size());
  kernel.verify = [x, run, &v] {
    std::vector<float> want(x->x.size()), got(x->x.size());
    run(rowwise::variants().front(), want.data());
    run(v, got.data());
    return same_bits(want, got);
  };
  kernel.run = [x, run, &v] { run(v, x->y.data()); };
  return kernel;
}

KernelCase make_quantise(const Shape& shape, Isa isa) {
  const auto x = std::make_shared<Rows>(shape.sizes[0], shape.sizes[1]);
  const rowwise::Variant& v = rowwise::choose(isa);
  const auto run = [x](const rowwise::Variant& by, uint8_t* to) {
    by.quantise(x->x.data(), size(x->n), x->rows, x->n, x->n, {to, size(x->n), x->scales.data(), 1});
  };
  KernelCase kernel;
  kernel.bytes = 5.0 * static_cast<double>(x->x.size());
  kernel.verify = [x, run, &v] {
    std::vector<uint8_t> want(x->x.size()), got(x->x.size());
    run(rowwise::variants().front(), want.data());
    run(v, got.data());
    return same_bits(want, got);
  };
  kernel.run = [x, run, &v] { run(v, x->bytes.data()); };
  return kernel;
}

KernelCase make_softmax_sums(const Shape& shape, Isa isa) {
  const auto x = std::make_shared<Rows>(1, shape.sizes[0]);
  const rowwise::Variant& v = rowwise::choose(isa);
  KernelCase kernel;
  kernel.bytes = 4.0 * static_cast<double>(x->x.size());
  kernel.verify = [x, &v] {
    const rowwise::SoftmaxSums want = rowwise::variants().front().softmax_sums(x->x.data(), x->n);
    const rowwise::SoftmaxSums got = v.softmax_sums(x->x.data(), x->n);
    return std::memcmp(&want, &got, sizeof want) == 0;
  };
  kernel.run = [x, &v] { x->y[0] = v.softmax_sums(x->x.data(), x->n).sum_exp; };
  return kernel;
}

KernelCase make_log_mel(const Shape& shape, Isa isa) {
  struct Sound {
    FilterBank filters;
    int frames;
    std::vector<float> samples, out;
    Sound(int n_frames, int n_mels)
        : filters(FilterBank::slaney(n_mels)),
          frames(n_frames),
          samples(size(log_mel::kHop) * size(n_frames - 1) + log_mel::kFft),
          out(size(n_frames) * size(n_mels)) {
      fill(samples, 1);
      for (float& s : samples) s *= 0.1f;
    }
  };
  const auto x = std::make_shared<Sound>(shape.sizes[0], shape.sizes[1]);
  const log_mel::Variant& v = log_mel::choose(isa);
  KernelCase kernel;
  kernel.bytes = 4.0 * static_cast<double>(x->samples.size() + x->out.size());
  kernel.verify = [x, &v] {
    std::vector<float> want(x->out.size()), got(x->out.size());
    const int some = std::min(x->frames, 100);
    log_mel::variants().front().frames(x->samples.data(), some, x->filters.bands(), want.data());
    v.frames(x->samples.data(), some, x->filters.bands(), got.data());
    return same_bits(want, got);
  };
  kernel.run = [x, &v] { v.frames(x->samples.data(), x->frames, x->filters.bands(), x->out.data()); };
  return kernel;
}

}  // namespace shorthand::bench
