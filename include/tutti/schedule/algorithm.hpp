#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace tutti {

/// How a collective is done; `automatic` leaves it to the cost model.
enum class algorithm : std::uint8_t {
  automatic,
  ring,
  tree,
  double_tree,
  doubling,
  halving,
  rabenseifner,
  pairwise,
  dissemination,
  linear,
  bruck,
  one_shot,
  two_shot,
  bidirectional,
  k_nomial_4,
  k_nomial_8,
  hierarchical,
  leaders,
};

inline constexpr algorithm every_algorithm[] = {
    algorithm::ring,    algorithm::tree,         algorithm::double_tree, algorithm::doubling,
    algorithm::halving, algorithm::rabenseifner, algorithm::pairwise,    algorithm::dissemination,
    algorithm::linear,  algorithm::bruck,        algorithm::one_shot,    algorithm::two_shot,
    algorithm::bidirectional, algorithm::k_nomial_4, algorithm::k_nomial_8, algorithm::hierarchical, algorithm::leaders};

constexpr const char* name_of(algorithm how) {
  switch (how) {
    case algorithm::automatic: return "automatic";
    case algorithm::ring: return "ring";
    case algorithm::tree: return "tree";
    case algorithm::double_tree: return "double_tree";
    case algorithm::doubling: return "doubling";
    case algorithm::halving: return "halving";
    case algorithm::rabenseifner: return "rabenseifner";
    case algorithm::pairwise: return "pairwise";
    case algorithm::dissemination: return "dissemination";
    case algorithm::linear: return "linear";
    case algorithm::bruck: return "bruck";
    case algorithm::one_shot: return "one_shot";
    case algorithm::two_shot: return "two_shot";
    case algorithm::bidirectional: return "bidirectional";
    case algorithm::k_nomial_4: return "k_nomial_4";
    case algorithm::k_nomial_8: return "k_nomial_8";
    case algorithm::hierarchical: return "hierarchical";
    case algorithm::leaders: return "leaders";
  }
  return "unknown";
}

/// Whether it treats ranks of one host otherwise than ranks of several.
constexpr bool tells_hosts_apart(algorithm how) { return how == algorithm::hierarchical || how == algorithm::leaders; }

/// The algorithm of that name, `automatic` included; nothing for any other text.
constexpr std::optional<algorithm> parse_algorithm(std::string_view name) {
  if (name == name_of(algorithm::automatic)) return algorithm::automatic;
  for (algorithm how : every_algorithm)
    if (name == name_of(how)) return how;
  return std::nullopt;
}

}  // namespace tutti
