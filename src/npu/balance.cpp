// SPDX-License-Identifier: Apache-2.0
// Counts objects through the whole graph, as far as the numbers are known without running it.
#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>

#include "npu/check.h"
#include "npu/pattern.h"

namespace shorthand::npu {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

// What one pass over a worker's program does with a FIFO.
struct Use {
  int64_t acquired = 0, released = 0;
};

class Balance {
 public:
  explicit Balance(const Design& design) : d_(design) {
    for (const Action& a : d_.sequence) {
      if (a.op == Action::Op::write) written_.insert({a.worker, a.index});
    }
  }

  Result<void> run() {
    SHORTHAND_TRY(check_host());
    SHORTHAND_TRY(check_circles());
    for (size_t w = 0; w < d_.workers.size(); ++w) SHORTHAND_TRY(count_uses(static_cast<int>(w)));
    for (bool more = true; more;) {
      more = false;
      for (size_t r = 0; r < d_.relays.size(); ++r) more |= SHORTHAND_TRY(through_relay(d_.relays[r]));
      for (size_t w = 0; w < d_.workers.size(); ++w) more |= SHORTHAND_TRY(through_worker(static_cast<int>(w)));
    }
    return {};
  }

 private:
  Error refuse(const std::string& fact) const { return unsupported(fmt::format("{}: {}", d_.name, fact)); }

  // The trips of a loop, if they are the same in every pass.
  std::optional<int64_t> trips(int worker, const Number& n) const {
    const bool fixed = n.kind == Number::Kind::parameter && !written_.count({worker, n.value});
    if (!fixed && n.kind != Number::Kind::literal) return {};
    const int32_t value = fixed ? d_.workers[at(worker)].parameters[at(n.value)] : n.value;
    return n.any ? value != 0 : std::max(0, value);
  }

  Result<bool> know(std::map<int, int64_t>& side, int fifo, int64_t objects, const char* what) {
    const auto [found, fresh] = side.try_emplace(fifo, objects);
    if (found->second != objects) {
      return refuse(
          fmt::format("fifo {}: {} objects are {} by one reckoning, {} by another; make the trip counts agree",
                      d_.fifos[at(fifo)].name, objects, what, found->second));
    }
    const auto made = produced_.find(fifo), taken = consumed_.find(fifo);
    if (made != produced_.end() && taken != consumed_.end() && made->second != taken->second) {
      return refuse(fmt::format("fifo {}: {} objects are produced, {} consumed; make the lengths agree",
                                d_.fifos[at(fifo)].name, made->second, taken->second));
    }
    return fresh;
  }

  // What a FIFO's producer makes, its consumers take, each of them all of it; and the other way round.
  std::optional<int64_t> objects(int fifo) const {
    if (const auto p = produced_.find(fifo); p != produced_.end()) return p->second;
    if (const auto c = consumed_.find(fifo); c != consumed_.end()) return c->second;
    return {};
  }

  Result<void> check_host() {
    std::map<int, int64_t> elements;
    for (const Action& a : d_.sequence) {
      if (a.op == Action::Op::start) elements[a.fifo] += visits(a.pattern, 0);
    }
    for (size_t f = 0; f < d_.fifos.size(); ++f) {
      const Fifo& fifo = d_.fifos[f];
      const bool fills = fifo.producer.site == Endpoint::Site::host;
      bool drains = false;
      for (const Endpoint& e : fifo.consumers) drains |= e.site == Endpoint::Site::host;
      if (!fills && !drains) continue;
      const int64_t n = elements[static_cast<int>(f)];
      if (n % fifo.elements != 0) {
        return refuse(fmt::format("fifo {}: the sequence moves {} elements, an object has {}; move whole objects",
                                  fifo.name, n, fifo.elements));
      }
      SHORTHAND_TRY(know(fills ? produced_ : consumed_, static_cast<int>(f), n / fifo.elements, "moved"));
    }
    return {};
  }

  Result<void> count_uses(int index) {
    const Worker& w = d_.workers[at(index)];
    std::map<int, Use> uses;
    std::vector<int64_t> times{1};
    bool known = true;
    for (const Step& s : w.steps) {
      if (s.op == Step::Op::loop) {
        const std::optional<int64_t> n = trips(index, s.trips);
        known &= n.has_value();
        times.push_back(times.back() * n.value_or(1));
      }
      if (s.op == Step::Op::end) times.pop_back();
      if (s.op == Step::Op::acquire) uses[s.fifo].acquired += times.back() * s.count;
      if (s.op == Step::Op::release) uses[s.fifo].released += times.back() * s.count;
    }
    for (const auto& [f, use] : uses) {
      if (use.released == 0 && use.acquired > 0 && known) {
        return refuse(fmt::format("worker {} acquires {} and never releases it; release it when it is done with",
                                  w.name, d_.fifos[at(f)].name));
      }
      if (use.released > use.acquired && known) {
        return refuse(
            fmt::format("worker {} releases {} objects of {} a pass and acquires {}; acquire what is released", w.name,
                        use.released, d_.fifos[at(f)].name, use.acquired));
      }
    }
    if (known) uses_[index] = std::move(uses);
    return {};
  }

  Result<bool> through_relay(const Relay& r) {
    // A whole object is so many objects of each part's FIFO, and leaves `repeat` times.
    auto share = [&](int f) {
      const std::vector<int>& parts = r.inputs.size() > 1 ? r.inputs : r.outputs;
      const auto p = static_cast<size_t>(std::find(parts.begin(), parts.end(), f) - parts.begin());
      const Fifo& fifo = d_.fifos[at(f)];
      const bool leaves = std::find(r.outputs.begin(), r.outputs.end(), f) != r.outputs.end();
      return (p == parts.size() ? 1 : part_elements(d_, r, p) / fifo.elements) * (leaves ? fifo.repeat : 1);
    };
    std::optional<int64_t> n;
    for (const std::vector<int>* side : {&r.inputs, &r.outputs}) {
      for (int f : *side) {
        if (n || !objects(f)) continue;
        if (*objects(f) % share(f) != 0) {
          return refuse(fmt::format("fifo {}: {} objects, {} passes {} at a time; make the lengths agree",
                                    d_.fifos[at(f)].name, *objects(f), r.name, share(f)));
        }
        n = *objects(f) / share(f);
      }
    }
    if (!n) return false;
    bool more = false;
    for (int f : r.inputs) more |= SHORTHAND_TRY(know(consumed_, f, *n * share(f), "consumed"));
    for (int f : r.outputs) more |= SHORTHAND_TRY(know(produced_, f, *n * share(f), "produced"));
    return more;
  }

  Result<bool> through_worker(int index) {
    const auto uses = uses_.find(index);
    if (uses == uses_.end()) return false;
    const Worker& w = d_.workers[at(index)];
    const Endpoint me{Endpoint::Site::worker, index};
    std::optional<int64_t> passes;
    for (const auto& [f, use] : uses->second) {
      if (passes || use.released == 0 || !objects(f)) continue;
      if (*objects(f) % use.released != 0) {
        return refuse(
            fmt::format("worker {} moves {} objects of {} a pass, which sees {} in all; make the lengths agree", w.name,
                        use.released, d_.fifos[at(f)].name, *objects(f)));
      }
      passes = *objects(f) / use.released;
    }
    if (!passes) return false;
    bool more = false;
    for (const auto& [f, use] : uses->second) {
      const bool produces = d_.fifos[at(f)].producer == me;
      more |= SHORTHAND_TRY(
          know(produces ? produced_ : consumed_, f, *passes * use.released, produces ? "produced" : "consumed"));
    }
    return more;
  }

  // An end waits for another when it takes from that one's FIFO before it has given anything to its own.
  Result<void> check_circles() {
    const int workers = static_cast<int>(d_.workers.size());
    auto node = [&](const Endpoint& e) { return e.site == Endpoint::Site::worker ? e.index : workers + e.index; };
    std::map<int, std::vector<int>> waits;
    for (size_t f = 0; f < d_.fifos.size(); ++f) {
      const Fifo& fifo = d_.fifos[f];
      if (fifo.producer.site == Endpoint::Site::host) continue;
      for (const Endpoint& e : fifo.consumers) {
        if (e.site == Endpoint::Site::host) continue;
        if (e.site == Endpoint::Site::worker && !takes_first(e.index, static_cast<int>(f))) continue;
        waits[node(e)].push_back(node(fifo.producer));
      }
    }
    auto name = [&](int n) { return n < workers ? d_.workers[at(n)].name : d_.relays[at(n - workers)].name; };
    std::map<int, int> state;  // 1: on the way, 2: done
    std::vector<int> way;
    std::optional<Error> found;
    auto visit = [&](auto&& self, int n) -> void {
      if (state[n] == 2 || found) return;
      way.push_back(n);
      if (state[n] == 1) {
        std::string text;
        const auto from = std::find(way.begin(), way.end(), n);
        for (auto i = from; i != way.end(); ++i) text += (i == from ? "" : " <- ") + name(*i);
        found = refuse(fmt::format("deadlock: {}; let one of them release an object before it waits", text));
        return;
      }
      state[n] = 1;
      for (int next : waits[n]) self(self, next);
      state[n] = 2;
      way.pop_back();
    };
    for (int n = 0; n < workers + static_cast<int>(d_.relays.size()); ++n) visit(visit, n);
    if (found) return *found;
    return {};
  }

  // Whether the worker acquires from `fifo` before it releases its first object of its own making.
  bool takes_first(int worker, int fifo) const {
    const Endpoint me{Endpoint::Site::worker, worker};
    for (const Step& s : d_.workers[at(worker)].steps) {
      if (s.op == Step::Op::acquire && s.fifo == fifo) return true;
      if (s.op == Step::Op::release && d_.fifos[at(s.fifo)].producer == me) return false;
    }
    return false;
  }

  const Design& d_;
  std::set<std::pair<int, int>> written_;       // parameters, by worker and index
  std::map<int, std::map<int, Use>> uses_;      // by worker and FIFO
  std::map<int, int64_t> produced_, consumed_;  // objects, by FIFO
};

}  // namespace

Result<void> check_balance(const Design& design) { return Balance(design).run(); }

}  // namespace shorthand::npu
