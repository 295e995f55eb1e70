// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/encoder_products.h"

#include <map>
#include <utility>

namespace shorthand::npu {

using Linear = EncoderPlan::Linear;

EncoderProducts::Cut EncoderProducts::cut(const Product& product) const {
  const Linear& l = product.linear;
  const bool by_two = !options_.tile && options_.depth > 1, stacked = by_two && l.stacked();
  const int tiles = options_.tile ? 1 : l.tiles(), pairs = by_two ? l.pairs() : 0;
  return {.of = product,
          .rows = options_.tile ? 1 : plan_.blocks / rows_,
          .tiles = tiles,
          .steps = l.k_tiles(),
          .by_two = by_two,
          .stacked = stacked,
          .pairs = pairs,
          .singles = tiles - 2 * pairs - (stacked ? 1 : 0),
          .from = product.normal ? plan_.x + plan_.normal_slot() * kTileWords : plan_.quantised,
          .block = product.normal ? plan_.norm_block() : int64_t{plan_.quantised_slots(l.k)} * kTileWords};
}

void EncoderProducts::run_product(const Product& product) {
  const Cut c = cut(product);
  const Quantised& next = product.next;
  begin_product(c);
  // Tasks so many that results must leave meanwhile come after those that take these.
  const bool first_in = share_ == 1 && c.by_two;
  if (c.by_two && !c.stacked) send_columns(c, c.rows, 0, product.linear.objects());
  for (int row = 0; row < c.rows; ++row) {
    ready(product.normal ? plan_.x : plan_.quantised, row, row + 1);
    if (c.stacked && row % 2 == 0) send_columns(c, 2, 0, product.linear.pair_objects());
    if (first_in) send_row(c, row);
    all_read();
    take_tiles(c, row);
    for (int column = 0; plan_.known(next.width) && column < columns_; ++column) {
      take(column, plan_.maxima_at(row, next.parts * columns_, next.part * columns_ + column),
           {{rows_, kResultWords}, {4, 512}, {512, 1}}, 0, {plan_.maxima, row, row + 1});
    }
    if (!first_in) send_row(c, row);
    if (!c.stacked || row % 2 == 0) continue;
    if (first_in) send_stacked(c, row - 1);
    take_stacked(c, row - 1);
    if (!first_in) send_stacked(c, row - 1);
  }
}

// With objects that lie where the cores' steps leave banks to those that arrive: what comes down the column begins with
// the first of its two, the tiles along the row, after the rows' scales, with the first too.
void EncoderProducts::begin_product(const Cut& c) {
  if (odd_down()) align_down();
  if (c.pairs > 0 && !odd_along()) align_along();
  const int together = c.stacked ? 2 : 1;
  std::map<int, int32_t> values{{kProduct, 1},
                                {kGroupsOfRows, c.rows / together},
                                {kRows, together},
                                {kPairs, c.pairs},
                                {kSingles, c.singles},
                                {kStacked, c.stacked ? c.steps / 2 : 0},
                                {kEpilogue, c.of.epilogue},
                                {kClear, c.of.clear},
                                {kMaxima, plan_.known(c.of.next.width)}};
  if (c.pairs > 0) values[kDeep] = c.steps / 2 - 1;
  if (c.singles > 0) values[kSteps] = c.steps;
  begin(values);
}

// Objects of the columns' panels, so many times.
void EncoderProducts::send_columns(const Cut& c, int times, int first, int objects) {
  for (int column = 0; column < columns_; ++column) {
    task(w_in_[at(column)], weights_, c.of.linear.column_at(column) + int64_t{first} * kTileWords,
         {{times, 0}, {objects, kTileWords}, {2, 512}, {512, 1}});
  }
}

void EncoderProducts::send_scales(const Cut& c, int row) {
  for (int f = 0; f < feeders_; ++f) {
    const int64_t word = c.from + (int64_t{row} * rows_ + f * share_) * c.block;
    tasks(a_in_[at(f)], state_, word + int64_t{c.steps} * kTileWords, {{share_, c.block}, {2, 512}, {512, 1}});
  }
}

void EncoderProducts::send_tiles(const Cut& c, int row, int times) {
  const int64_t word = c.from + int64_t{row} * rows_ * c.block;
  for (int f = 0; share_ == 1 && times > 0 && f < feeders_; ++f)
    task(a_in_[at(f)], state_, word + f * c.block, {{times, 0}, {2 * c.steps, 512}, {512, 1}});
  for (int i = 0; share_ > 1 && i < times; ++i) {
    for (int f = 0; f < feeders_; ++f) {
      task(a_in_[at(f)], state_, word + f * share_ * c.block,
           {{c.steps, kTileWords}, {share_, c.block}, {2, 512}, {512, 1}});
    }
  }
}

// A row's scales, then for every pass its tiles.
void EncoderProducts::send_row(const Cut& c, int row) {
  send_scales(c, row);
  send_tiles(c, row, c.pairs);
  if (c.pairs > 0) send_scales(c, row);  // of no meaning: let pass
  if (c.by_two || share_ == 1) send_tiles(c, row, c.singles);
  for (int i = 0; !c.by_two && i < c.singles; ++i) {
    send_weights(c.of.linear, i);
    if (share_ > 1) send_tiles(c, row, 1);
  }
}

// The last panel, and the tiles of this row and of the next in turn.
void EncoderProducts::send_stacked(const Cut& c, int row) {
  send_columns(c, 1, c.of.linear.pair_objects(), c.steps + 2);
  const int together = share_ == 1 ? c.steps : 1;  // what a descriptor holds
  for (int step = 0; step < c.steps; step += together) {
    for (int f = 0; f < feeders_; ++f) {
      const int64_t word = c.from + (int64_t{row} * rows_ + f * share_) * c.block + int64_t{step} * kTileWords;
      tasks(a_in_[at(f)], state_, word,
            {{together, kTileWords}, {2, rows_ * c.block}, {share_, c.block}, {2, 512}, {512, 1}});
    }
  }
}

// The weights of one tile of each column, which may be one of a pair there.
void EncoderProducts::send_weights(const Linear& l, int tile) {
  for (int first = 0, count = 1; first <= l.k_tiles(); first += std::exchange(count, 1)) {
    auto apart = [&](int i) { return l.object_at(0, tile, i + 1) - l.object_at(0, tile, i); };
    while (first + count <= l.k_tiles() && apart(first + count - 1) == apart(first)) ++count;
    for (int c = 0; c < columns_; ++c) {
      tasks(w_in_[at(c)], weights_, l.object_at(c, tile, first), {{count, apart(first)}, {2, 512}, {512, 1}});
    }
  }
}

void EncoderProducts::take_tiles(const Cut& c, int row) {
  const int64_t next = int64_t{c.of.slots} * kResultWords, apart = int64_t{c.of.apart} * kResultWords;
  const int tiles = c.tiles - (c.stacked ? 1 : 0);
  for (int column = 0; column < columns_; ++column) {
    take(column, c.of.to + int64_t{row} * rows_ * next + c.of.first * kResultWords + column * apart,
         {{tiles, columns_ * apart}, {rows_, next}, {4, 512}, {512, 1}}, 1, {c.of.to, row, row + 1});
  }
}

void EncoderProducts::take_stacked(const Cut& c, int row) {
  const int64_t next = int64_t{c.of.slots} * kResultWords, apart = int64_t{c.of.apart} * kResultWords;
  for (int column = 0; column < columns_; ++column) {
    const int64_t slot = int64_t{c.of.first} * kResultWords + ((c.tiles - 1) * columns_ + column) * apart;
    take(column, c.of.to + int64_t{row} * rows_ * next + slot, {{2, rows_ * next}, {rows_, next}, {4, 512}, {512, 1}},
         1, {c.of.to, row, row + 2});
  }
}

}  // namespace shorthand::npu
