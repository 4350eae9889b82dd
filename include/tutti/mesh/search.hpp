#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include <tutti/mesh/cut_rules.hpp>
#include <tutti/mesh/move_map.hpp>
#include <tutti/mesh/step_cost.hpp>

namespace tutti {

/// How an operation is cut, and the next best way: where it is cut so, and all others in
/// the way that is best then, a step takes so much longer.
struct runner_up {
  placement cut = {}, next = {};
  double more_seconds = 0;
  bool any = false;  ///< whether there is another way
};

/// A layout, and what its step costs by the model.
struct found_layout {
  layout rules = {};
  double seconds = 0;
  std::vector<runner_up> runners_up = {};  ///< by operation; none where the search would have to keep too much for them
};

namespace detail {

/// One way to do an operation: its cut, and over which axes (a bit each) each operand
/// comes as a sum.
struct cut_choice {
  placement cut{};
  std::vector<unsigned> sums{};
};

/// All ways to do an operation: a convolution or dense layer is cut along every axis.
inline std::vector<cut_choice> choices_of(const tensor_operation& o, const mesh& on) {
  std::vector<placement> cuts{{}};
  for (int axis = 0; axis < on.axes(); ++axis) {
    std::vector<placement> next;
    for (const placement& p : cuts) {
      if (!contracts(o.what)) next.push_back(p);
      for (std::size_t d = 0; d < o.over().rank(); ++d) next.push_back(p.sharded(d, axis));
    }
    cuts = next;
  }
  std::vector<cut_choice> all;
  for (const placement& cut : cuts) {
    if (!whole_pieces(o, cut, on)) continue;
    const unsigned may = sums_taken(o, cut, on);
    std::vector<cut_choice> here{{.cut = cut}};
    for (std::size_t k = 0; k < o.inputs.size(); ++k) {
      std::vector<cut_choice> next;
      for (const cut_choice& c : here)
        for (unsigned sums = 0; sums < 1u << on.axes(); ++sums)
          if ((sums & ~may) == 0) {
            next.push_back(c);
            next.back().sums.push_back(sums);
          }
      here = next;
    }
    all.insert(all.end(), here.begin(), here.end());
  }
  return all;
}

/// Dynamic programming over a network's operations from the last to the first. What
/// those behind a point need to know of those before it is how they want the tensors
/// that pass there, and how they give back their gradients: in a chain of blocks that
/// is one tensor between blocks, and inside a block one more for its skip.
class layout_search {
 public:
  layout_search(const std::vector<tensor_operation>& net, const mesh& on, const step_costs& costs, std::size_t most)
      : net_(net), on_(on), costs_(costs), most_(most), uses_of_(net.size() + 1), moves_(on, costs.moves) {
    if (on.axes() > 3)
      throw error(errc::not_supported, format("layouts are searched on meshes of at most three axes, and not on %s", on.text().c_str()));
    for (const tensor_operation& o : net)
      for (std::size_t input : o.inputs) ++uses_of_[input];
    reached_.push_back({state{}});
    for (std::size_t i = net.size(); i-- > 0;) choose(i);
  }

  found_layout result() {
    std::vector<state>& last = reached_.back();
    std::size_t best = last.size();
    std::vector<double> ends(last.size(), std::numeric_limits<double>::infinity());  // of a state, what bringing the input costs
    for (std::size_t s = 0; s < last.size(); ++s) {
      const double without = last[s].seconds;
      if (!net_.empty() && !add_input(last[s])) continue;
      ends[s] = last[s].seconds - without;
      if (best == last.size() || last[s].seconds < last[best].seconds) best = s;
    }
    found_layout found{.seconds = last[best].seconds};
    std::vector<placement> lies(net_.size() + 1);
    std::vector<ruled_cut> cuts;
    for (std::size_t i = 0; i < net_.size(); ++i) {
      const state& s = reached_[net_.size() - i][best];
      const cut_choice& c = choices_[i][s.choice];
      const operation_plan p = done(net_[i], c);
      cuts.push_back({.cut = c.cut, .ruled = ruled(net_[i], c.cut, lies[net_[i].inputs[0]])});
      if (i == 0) lies[0] = p.operands[0].at;
      lies[i + 1] = lies_of(i, p.made);
      best = s.before;
    }
    found.rules = layout_of(net_, cuts, on_);
    if (kept_ <= most_kept) find_runners_up(found, cuts, ends);
    return found;
  }

 private:
  // From a state behind an operation by one of its choices to a state behind the one before it.
  struct edge {
    std::uint32_t from, to, choice;
    double seconds;
  };
  static constexpr std::size_t most_kept = std::size_t{1} << 21;
  // How one operation wants a tensor, and gives back its gradient.
  struct use {
    std::size_t at, gradient;  // numbers of placements
    unsigned sums, heeded;     // as what sum it is to come, of those axes for which that matters
    friend bool operator==(const use&, const use&) = default;
  };
  // What operations from some one on cost at least, by how they use what passes there.
  struct state {
    std::u16string pending{};  // numbers of uses, of the tensors in passing_
    double seconds = 0;
    std::size_t before = 0;  // among the states reached one operation behind
    std::size_t choice = 0;
  };
  // A choice, by where the gradient of the result is given.
  struct outcome {
    std::size_t lies, given;
    placement made_lies{};
    double seconds;
    std::u16string uses{};
  };
  struct step {
    double seconds;
    std::u16string uses;
    std::size_t choice;
    std::size_t place = 0;  // among the uses of this operation
  };

  // What is known of operations that are alike but for their names and where they stand: a
  // network of blocks repeats them.
  struct repeated {
    std::size_t first = 0;  // of them
    std::vector<std::vector<outcome>> ways{};
    std::unordered_map<std::u16string, std::vector<step>> by_uses{};  // of the result
    std::unordered_map<std::u16string, std::size_t> uses{};           // of what they read: numbers
  };

  bool alike(std::size_t i, std::size_t k) const {
    const tensor_operation &a = net_[i], &b = net_[k];
    return uses_of_[i + 1] == uses_of_[k + 1] && a.what == b.what && a.inputs.size() == b.inputs.size() && a.x == b.x && a.y == b.y &&
           a.parameters == b.parameters && a.windows == b.windows && a.groups == b.groups;
  }
  std::size_t repeated_as(std::size_t i) {
    for (std::size_t n = 0; n < repeated_.size(); ++n)
      if (alike(i, repeated_[n].first)) return n;
    repeated_.push_back({.first = i});
    for (const cut_choice& c : choices_.front()) {
      std::vector<outcome> here = outcomes(i, c);
      repeated_.back().ways.push_back(std::move(here));
    }
    return repeated_.size() - 1;
  }

  template <class T>
  static std::size_t number_of(std::vector<T>& known, const T& what) {
    const auto at = std::find(known.begin(), known.end(), what);
    if (at != known.end()) return static_cast<std::size_t>(at - known.begin());
    known.push_back(what);
    return known.size() - 1;
  }

  placement lies_of(std::size_t i, const placement& made) const { return uses_of_[i + 1] == 1 ? made : without_sums(made, on_); }

  operation_plan done(const tensor_operation& o, const cut_choice& c) const {
    operation_plan p{.cut = c.cut};
    unsigned sums = 0;
    for (unsigned each : c.sums) sums |= each;
    const placement at = with_sums(operand_of(o, c.cut), sums);
    for (std::size_t k = 0; k < o.inputs.size(); ++k) p.operands.push_back({.at = at});
    p.made = result_of(o, c.cut, at, on_);
    return p;
  }

  std::vector<outcome> outcomes(std::size_t i, const cut_choice& c) {
    const tensor_operation& o = net_[i];
    operation_plan p = done(o, c);
    const placement lies = lies_of(i, p.made);
    const std::size_t y = moves_.sizes_of(o.y);
    std::vector<outcome> all;
    cheapest_gradient(lies, on_, [&](const placement& given) {
      if (uses_of_[i + 1] == 0 && !(given == lies)) return 0.0;
      p.dy = gradient_needed(p.made, given, on_);
      p.parameters.clear();
      for (const shape& dims : o.parameters) {
        const placement at = project(p.cut, o.over(), dims);
        p.parameters.push_back({.dims = dims, .at = at, .gradient = parameter_gradient_of(o, at, p.cut, p.made, p.dy, on_)});
      }
      outcome next{.lies = moves_.number_of(lies), .given = moves_.number_of(given), .made_lies = lies, .seconds = 0};
      next.seconds = operation_seconds(o, p, on_, costs_) + moves_.seconds(y, moves_.number_of(p.made), next.lies) + moves_.seconds(y, next.given, moves_.number_of(p.dy));
      for (std::size_t k = 0; k < o.inputs.size(); ++k) {
        const placement& at = p.operands[k].at;
        const use u{.at = moves_.number_of(at),
                    .gradient = moves_.number_of(gradient_of(at, p.cut, p.made, p.dy, on_)),
                    .sums = c.sums[k],
                    .heeded = sums_taken(o, p.cut, on_)};
        next.uses += static_cast<char16_t>(number_of(uses_, u));
      }
      all.push_back(next);
      return 0.0;
    });
    return all;
  }

  // What operation i adds, for each way to do it that goes with these uses of its result.
  std::vector<step> steps(std::size_t i, const std::vector<std::vector<outcome>>& ways, const std::u16string& used) {
    const std::size_t whole = moves_.sizes_of(net_[i].y);
    std::vector<step> all;
    for (std::size_t c = 0; c < ways.size(); ++c) {
      const outcome* least = nullptr;
      double there = 0, back = -1;
      bool possible = true;
      for (char16_t number : used) {
        const use& u = uses_[number];
        possible &= sums_of(ways[c][0].made_lies, u.heeded) == u.sums;
        if (possible) there += moves_.seconds(whole, ways[c][0].lies, u.at);
      }
      if (!possible) continue;
      for (const outcome& each : ways[c]) {
        double cost = 0;
        for (char16_t number : used) cost += moves_.seconds(whole, uses_[number].gradient, each.given);
        if (least && cost >= back) continue;
        least = &each;
        back = cost;
      }
      all.push_back({.seconds = there + back + least->seconds, .uses = least->uses, .choice = c});
    }
    return all;
  }

  void choose(std::size_t i) {
    const tensor_operation& o = net_[i];
    choices_.insert(choices_.begin(), choices_of(o, on_));
    repeated& here = repeated_[repeated_as(i)];
    const std::vector<std::vector<outcome>>& ways = here.ways;
    const std::vector<state>& behind = reached_.back();
    if (behind.size() * ways.size() > most_)
      throw error(errc::not_supported, format("layer '%s' may be cut in %zu ways, with %zu of what comes behind it: too many to search",
                                              o.label.text().c_str(), ways.size(), behind.size()));
    std::vector<state> next;
    std::vector<edge>& edges = edges_.emplace_back();
    // Of a state behind: what passes this operation by. A state before: that, and how the operation uses what it reads.
    std::unordered_map<std::u16string, std::size_t> rests;
    constexpr std::size_t none = std::size_t(-1);
    std::vector<std::vector<std::size_t>> reached;  // states before, by the numbers of both
    auto numbered = [](std::unordered_map<std::u16string, std::size_t>& known, const std::u16string& text) {
      return known.try_emplace(text, known.size()).first->second;
    };
    for (std::size_t s = 0; s < behind.size(); ++s) {
      std::u16string used, rest;
      for (std::size_t n = 0; n < passing_.size(); ++n) (passing_[n] == i + 1 ? used : rest) += behind[s].pending[n];
      const auto [at, added] = here.by_uses.try_emplace(used);
      if (added) {
        at->second = steps(i, ways, used);
        for (step& each : at->second) each.place = numbered(here.uses, each.uses);
      }
      const std::size_t passing = numbered(rests, rest);
      if (passing == reached.size()) reached.emplace_back();
      std::vector<std::size_t>& places = reached[passing];
      if (places.size() < here.uses.size()) places.resize(here.uses.size(), none);
      for (const step& each : at->second) {
        const double all = behind[s].seconds + each.seconds;
        std::size_t& place = places[each.place];
        const bool fresh = place == none;
        if (fresh) {
          place = next.size();
          next.push_back({.pending = rest + each.uses, .seconds = all, .before = s, .choice = each.choice});
        } else if (all < next[place].seconds) {
          next[place].seconds = all, next[place].before = s, next[place].choice = each.choice;
        }
        if (++kept_ <= most_kept)
          edges.push_back({.from = static_cast<std::uint32_t>(s), .to = static_cast<std::uint32_t>(place),
                           .choice = static_cast<std::uint32_t>(each.choice), .seconds = each.seconds});
      }
    }
    std::erase(passing_, i + 1);
    passing_.insert(passing_.end(), o.inputs.begin(), o.inputs.end());
    reached_.push_back(std::move(next));
  }

  // The network's input lies where the first operation wants it, and is no sum.
  bool add_input(state& s) {
    const std::size_t first = passing_.size() - net_[0].inputs.size();
    for (char16_t number : s.pending) {
      if (uses_[number].sums != 0) return false;
      s.seconds += moves_.seconds(moves_.sizes_of(net_[0].x), uses_[s.pending[first]].at, uses_[number].at);
    }
    return true;
  }

  // From the first operation on: what those before a state cost at least, and so the best
  // step with each choice of the operation behind it.
  void find_runners_up(found_layout& found, const std::vector<ruled_cut>& cuts, const std::vector<double>& ends) {
    constexpr double never = std::numeric_limits<double>::infinity();
    std::vector<double> before = ends;
    for (std::size_t i = 0; i < net_.size(); ++i) {
      const std::size_t level = net_.size() - 1 - i;
      const std::vector<state>& behind = reached_[level];
      std::vector<double> next(behind.size(), never), with(choices_[i].size(), never);
      for (const edge& e : edges_[level]) {
        const double rest = e.seconds + before[e.to];
        next[e.from] = std::min(next[e.from], rest);
        with[e.choice] = std::min(with[e.choice], behind[e.from].seconds + rest);
      }
      runner_up here{.cut = cuts[i].cut};
      for (std::size_t c = 0; c < with.size(); ++c) {
        const double more = with[c] - found.seconds;
        if (choices_[i][c].cut == here.cut || with[c] == never || (here.any && more >= here.more_seconds)) continue;
        here.next = choices_[i][c].cut, here.more_seconds = more, here.any = true;
      }
      here.more_seconds = std::max(here.more_seconds, 0.0);
      found.runners_up.push_back(here);
      before = next;
    }
  }

  // The dimensions that need a rule, since without they would be cut otherwise.
  unsigned ruled(const tensor_operation& o, const placement& cut, const placement& lies) const {
    unsigned dimensions = 0;
    if (contracts(o.what) || !(staying(o, {}, lies, 0, on_) == cut))
      for (std::size_t d = 0; d < o.over().rank(); ++d)
        if (!cut.axes_of(d).empty() || (!contracts(o.what) && !lies.axes_of(d).empty())) dimensions |= 1u << d;
    return dimensions;
  }

  const std::vector<tensor_operation>& net_;
  const mesh& on_;
  step_costs costs_;
  std::size_t most_;
  std::vector<std::size_t> uses_of_;
  move_table moves_;
  std::vector<use> uses_;
  std::vector<repeated> repeated_;
  std::vector<std::vector<cut_choice>> choices_;  // of the operations from the one at hand on
  std::vector<std::vector<edge>> edges_{};        // as reached_, and one less
  std::size_t kept_ = 0;                          // of them in all, where they are not too many
  std::vector<std::size_t> passing_;              // tensors that operations behind the one at hand use
  std::vector<std::vector<state>> reached_;       // behind the last operation, behind the one before it, …
};

}  // namespace detail

/// The layout of least cost of all that cut each convolution and dense layer along every
/// axis, and everything else in any way: dynamic programming over a chain whose links are
/// blocks, a residual block with its skip being one; what is moved between two and
/// inside of one is counted. The same for the same network, mesh and costs. Throws
/// `not_supported` on more than three axes, and where an operation and what comes behind
/// it have more than `most` combinations. Cost: with c ways to cut an operation,
/// c² steps an operation in a chain and c³ in a residual block; c is about 5 to the power
/// of the axes. What operations that are alike cost is found once: a ResNet-152 on three
/// axes takes some seconds.
inline found_layout search_layout(const std::vector<tensor_operation>& net, const mesh& on, const step_costs& costs = {},
                                  std::size_t most = std::size_t{1} << 26) {
  return detail::layout_search(net, on, costs, most).result();
}

}  // namespace tutti
