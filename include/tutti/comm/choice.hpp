#pragma once
#include <array>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/analysis/cost.hpp>
#include <tutti/comm/call_shape.hpp>
#include <tutti/comm/options.hpp>
#include <tutti/comm/tuning.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace tutti {

/// What rank 0 decides for a communicator: the model that chooses, and the
/// algorithm that `TUTTI_ALGORITHM` names for each collective: either one name,
/// which holds wherever it is available, or a list such as
/// `all_reduce:ring,broadcast:tree`. The links' values come from the file that
/// `TUTTI_TUNING` names.
struct plan_settings {
  cost_model model{};
  tuning links{};
  std::array<algorithm, std::size(every_collective)> forced{};

  static plan_settings from_environment(const cost_model& model) {
    plan_settings s{.model = model};
    if (const char* file = environment("TUTTI_TUNING")) {
      s.links = read_tuning(file);
      s.model.link = s.links.window;
      for (const detail::tuned_of_model& v : detail::tuned_of_models) s.model.*v.stands_for = s.links.*v.value;
    }
    const char* text = environment("TUTTI_ALGORITHM");
    if (!text) return s;
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      s.add(rest.substr(0, comma), text);
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    return s;
  }

  /// The model that chooses for a team: its hosts joined by messages, if there are several.
  hosts_model model_for(const team& all) const { return {model, links.message, all}; }

  algorithm forced_for(collective what) const { return forced[static_cast<std::size_t>(what)]; }

 private:
  void add(std::string_view item, const char* whole) {
    const std::size_t colon = item.find(':');
    const std::string_view of = colon == std::string_view::npos ? std::string_view{} : item.substr(0, colon);
    const auto how = parse_algorithm(colon == std::string_view::npos ? item : item.substr(colon + 1));
    bool known = false, serves = false;
    for (collective what : every_collective) {
      if (colon != std::string_view::npos && of != name_of(what)) continue;
      known = true;
      if (how && (*how == algorithm::automatic || find_entry(what, *how))) {
        forced[static_cast<std::size_t>(what)] = *how;
        serves = true;
      }
    }
    const auto refused = [&](std::string_view part, const char* why) {
      return error(errc::invalid_argument, format("TUTTI_ALGORITHM is '%s': '%.*s' is no %s", whole, static_cast<int>(part.size()), part.data(), why));
    };
    if (!known) throw refused(of, "collective");
    if (!serves) throw refused(item, "algorithm, or none of that collective");
  }
};

/// Bytes of the whole vector; of an all_to_all, of the input.
constexpr std::size_t vector_bytes(const call_shape& c, const team& all) {
  return c.count * c.element * (blocked(c.what) && !c.uneven ? static_cast<std::size_t>(all.size) : 1);
}

namespace detail {

/// Up to this size a result is put together in scratch and copied at the end,
/// so that ranks which disagree find their output as it was; above, they agree
/// first.
inline constexpr std::size_t staged_bytes = 16384;

}  // namespace detail

/// As the call is written: `all_gather_v` where blocks are uneven.
inline std::string name_of(const call_shape& c) { return std::string(name_of(c.what)) + (c.uneven ? "_v" : ""); }

/// The algorithm whose steps are done directly where all buffers are lent, or piece by piece:
/// `automatic` where none is, since there is nothing to gain.
constexpr algorithm direct_algorithm(collective what, const team&) {
  switch (what) {
    case collective::all_reduce: return algorithm::two_shot;
    case collective::reduce_scatter:
    case collective::all_gather:
    case collective::all_to_all: return algorithm::pairwise;
    case collective::broadcast: return algorithm::linear;
    default: return algorithm::automatic;
  }
}

/// The algorithm whose steps are done in one round where all see what all show;
/// `automatic` where none is.
constexpr algorithm shown_algorithm(collective what) {
  switch (what) {
    case collective::all_reduce: return algorithm::one_shot;
    case collective::reduce_scatter:
    case collective::all_gather:
    case collective::all_to_all: return algorithm::pairwise;
    case collective::broadcast:
    case collective::reduce:
    case collective::gather:
    case collective::scatter: return algorithm::linear;
    default: return algorithm::automatic;
  }
}

/// Bytes of which it depends whether a call is done in one round: of what is gathered
/// a block, which is what one rank shows, else all. Two ranks gather more of it sooner
/// where each reads what the other lends.
constexpr std::size_t shown_bytes(const call_shape& c, const team& all) {
  const bool gathers = c.what == collective::all_gather || c.what == collective::gather;
  return gathers && !c.uneven && all.size > 2 ? c.count * c.element : vector_bytes(c, all);
}

/// Whether a call by that algorithm is done in one round where all have a billboard.
constexpr bool may_show(const call_shape& c, const team& all, algorithm how) {
  return !c.uneven && all.size > 1 && shown_bytes(c, all) <= detail::staged_bytes &&
         (c.what == collective::barrier || (how != algorithm::automatic && how == shown_algorithm(c.what)));
}

/// Ranks that show so much each in a round that all of it fits into their caches; more
/// of them would show too little for what a round costs.
inline constexpr int most_relaying = 32;

/// Whether a call by that algorithm is done piece by piece where all have a billboard.
constexpr bool may_relay(const call_shape& c, const team& all, algorithm how) {
  return !c.uneven && all.size > 1 && all.size <= most_relaying && shown_bytes(c, all) > detail::staged_bytes &&
         how != algorithm::automatic && how == direct_algorithm(c.what, all);
}

/// In which form a call by that algorithm is done without messages where all have a
/// billboard, if it is.
constexpr direct_form form_in_rounds(const call_shape& c, const team& all, algorithm how) {
  if (may_show(c, all, how)) return direct_form::shown;
  if (may_relay(c, all, how)) return direct_form::relayed;
  return direct_form::none;
}

/// The algorithm for a call: the caller's, else what `TUTTI_ALGORITHM` says for
/// this collective, else the model's choice. Throws where the caller's is not
/// available, or would exchange operands of an operation that is not
/// commutative. `in_rounds`: all have a billboard.
inline algorithm choose_algorithm(const call_shape& c, const team& all, const plan_settings& settings, bool in_rounds = false) {
  const bool any_order = c.commutative || !reduces(c.what);
  if (c.algorithm != algorithm::automatic) {
    if (!available(c.what, c.algorithm, all) || (c.uneven && !serves_uneven(c.what, c.algorithm)))
      throw error(errc::invalid_argument, format("%s has no algorithm %s", name_of(c).c_str(), name_of(c.algorithm)));
    if (!any_order && !keeps_order(c.what, c.algorithm, all))
      throw error(errc::invalid_argument,
                  format("%s by %s exchanges operands, and the operation %.*s is not commutative: say "
                         "'static constexpr bool commutative = true' in it if it is, or choose another algorithm",
                         name_of(c).c_str(), name_of(c.algorithm), static_cast<int>(c.operation.size()),
                         c.operation.data()));
    return c.algorithm;
  }
  const algorithm forced = settings.forced_for(c.what);
  if (forced != algorithm::automatic && (any_order || keeps_order(c.what, forced, all)) &&
      (!c.uneven || serves_uneven(c.what, forced)))
    return forced;
  // Whoever does not know all counts must not choose by them: there is one.
  if (c.by_pair()) return c.what == collective::all_to_all ? algorithm::pairwise : algorithm::linear;
  const std::vector<double> blocks(c.counts.begin(), c.counts.end());
  const std::size_t bytes = vector_bytes(c, all);
  const hosts_model model = settings.model_for(all);
  algorithm best = choose(c.what, all, bytes, any_order, model, blocks);
  if (!in_rounds) return best;
  double least = predict(c.what, best, all, bytes, model, {}, blocks);
  for (const algorithm how : {shown_algorithm(c.what), direct_algorithm(c.what, all)}) {
    const direct_form form = form_in_rounds(c, all, how);
    if (how == algorithm::automatic || form == direct_form::none || (!any_order && !keeps_order(c.what, how, all))) continue;
    const double seconds = predict_direct(c.what, how, all, bytes, form, model);
    if (seconds < least || how == best) best = how, least = seconds;
  }
  return best;
}

/// Seconds that the model predicts for a call whose algorithm has been chosen, as
/// it is done: all shown in one round or piece by piece, all lent, or sent; 0 where nobody knows all counts.
inline double predict_call(const call_shape& c, const team& all, const plan_settings& settings, bool in_rounds, bool lent) {
  if (c.by_pair()) return 0;
  const std::size_t bytes = vector_bytes(c, all);
  const hosts_model model = settings.model_for(all);
  direct_form form = in_rounds ? form_in_rounds(c, all, c.algorithm) : direct_form::none;
  if (lent && form != direct_form::shown) form = direct_form::lent;
  if (form != direct_form::none) return predict_direct(c.what, c.algorithm, all, bytes, form, model);
  return predict(c.what, c.algorithm, all, bytes, model, {}, {c.counts.begin(), c.counts.end()});
}

}  // namespace tutti
