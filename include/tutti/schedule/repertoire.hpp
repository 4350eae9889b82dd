#pragma once
#include <tutti/schedule/algorithm.hpp>
#include <tutti/schedule/bidirectional.hpp>
#include <tutti/schedule/bruck.hpp>
#include <tutti/schedule/contract.hpp>
#include <tutti/schedule/dissemination.hpp>
#include <tutti/schedule/double_tree.hpp>
#include <tutti/schedule/doubling.hpp>
#include <tutti/schedule/halving.hpp>
#include <tutti/schedule/hierarchy.hpp>
#include <tutti/schedule/k_nomial.hpp>
#include <tutti/schedule/linear.hpp>
#include <tutti/schedule/one_shot.hpp>
#include <tutti/schedule/pairwise.hpp>
#include <tutti/schedule/rabenseifner.hpp>
#include <tutti/schedule/ring.hpp>
#include <tutti/schedule/tree.hpp>
#include <tutti/schedule/two_shot.hpp>

namespace tutti {

/// One line of the table of what there is. A new algorithm is a line here.
struct repertoire_entry {
  collective what{};
  algorithm how{};
  /// Largest team for which operands stay in rank order, so that the operation
  /// need not be commutative.
  int ordered_up_to = 0;
  schedule (*make)(const team&, rank me, rank root) = nullptr;
  /// Whether blocks may differ in length, and a rank needs to know no more of
  /// their lengths than it is told: of all_gather and reduce_scatter, all of
  /// them; of the others, those of the blocks that it begins or ends with.
  bool uneven = false;
};

inline constexpr int any_size = 1 << 30;

// First those that tell hosts apart: where another does the same by chance of how
// ranks are placed, the plan says which it means.
inline constexpr repertoire_entry repertoire[] = {
    {collective::all_reduce, algorithm::hierarchical, any_size,
     [](const team& t, rank r, rank) { return hierarchical_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::leaders, any_size,
     [](const team& t, rank r, rank) { return leaders_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::ring, 1, [](const team& t, rank r, rank) { return ring_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::tree, any_size, [](const team& t, rank r, rank) { return tree_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::double_tree, any_size,
     [](const team& t, rank r, rank) { return double_tree_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::doubling, any_size,
     [](const team& t, rank r, rank) { return doubling_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::halving, 1, [](const team& t, rank r, rank) { return halving_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::rabenseifner, any_size,
     [](const team& t, rank r, rank) { return rabenseifner_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::two_shot, any_size,
     [](const team& t, rank r, rank) { return two_shot_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::one_shot, any_size,
     [](const team& t, rank r, rank) { return one_shot_all_reduce(t, r); }},
    {collective::all_reduce, algorithm::bidirectional, 1,
     [](const team& t, rank r, rank) { return bidirectional_ring_all_reduce(t, r); }},

    {collective::reduce_scatter, algorithm::hierarchical, any_size,
     [](const team& t, rank r, rank) { return hierarchical_reduce_scatter(t, r); }, true},
    {collective::reduce_scatter, algorithm::ring, 1, [](const team& t, rank r, rank) { return ring_reduce_scatter(t, r); }, true},
    {collective::reduce_scatter, algorithm::halving, 1,
     [](const team& t, rank r, rank) { return halving_reduce_scatter(t, r); }, true},
    {collective::reduce_scatter, algorithm::pairwise, any_size,
     [](const team& t, rank r, rank) { return pairwise_reduce_scatter(t, r); }, true},
    {collective::reduce_scatter, algorithm::bidirectional, 1,
     [](const team& t, rank r, rank) { return bidirectional_ring_reduce_scatter(t, r); }, true},

    {collective::all_gather, algorithm::hierarchical, any_size,
     [](const team& t, rank r, rank) { return hierarchical_all_gather(t, r); }, true},
    {collective::all_gather, algorithm::ring, any_size, [](const team& t, rank r, rank) { return ring_all_gather(t, r); }, true},
    {collective::all_gather, algorithm::doubling, any_size,
     [](const team& t, rank r, rank) { return doubling_all_gather(t, r); }, true},
    {collective::all_gather, algorithm::pairwise, any_size,
     [](const team& t, rank r, rank) { return pairwise_all_gather(t, r); }, true},
    {collective::all_gather, algorithm::bidirectional, any_size,
     [](const team& t, rank r, rank) { return bidirectional_ring_all_gather(t, r); }, true},

    {collective::broadcast, algorithm::leaders, any_size, leaders_broadcast},
    {collective::broadcast, algorithm::tree, any_size, tree_broadcast},
    {collective::broadcast, algorithm::double_tree, any_size, double_tree_broadcast},
    {collective::broadcast, algorithm::k_nomial_4, any_size,
     [](const team& t, rank r, rank root) { return k_nomial_broadcast(t, r, root, 4); }},
    {collective::broadcast, algorithm::k_nomial_8, any_size,
     [](const team& t, rank r, rank root) { return k_nomial_broadcast(t, r, root, 8); }},
    {collective::broadcast, algorithm::linear, any_size, linear_broadcast},

    {collective::reduce, algorithm::leaders, any_size, leaders_reduce},
    {collective::reduce, algorithm::tree, any_size, tree_reduce},
    {collective::reduce, algorithm::double_tree, 1, double_tree_reduce},
    {collective::reduce, algorithm::k_nomial_4, 1,
     [](const team& t, rank r, rank root) { return k_nomial_reduce(t, r, root, 4); }},
    {collective::reduce, algorithm::k_nomial_8, 1,
     [](const team& t, rank r, rank root) { return k_nomial_reduce(t, r, root, 8); }},
    {collective::reduce, algorithm::linear, any_size, linear_reduce},

    {collective::barrier, algorithm::leaders, any_size, [](const team& t, rank r, rank) { return leaders_all_reduce(t, r); }},
    {collective::barrier, algorithm::dissemination, any_size,
     [](const team& t, rank r, rank) { return dissemination_barrier(t, r); }},

    {collective::gather, algorithm::tree, any_size,
     [](const team& t, rank r, rank root) { return k_nomial_gather(t, r, root, 2); }},
    {collective::gather, algorithm::k_nomial_4, any_size,
     [](const team& t, rank r, rank root) { return k_nomial_gather(t, r, root, 4); }},
    {collective::gather, algorithm::linear, any_size, linear_gather, true},

    {collective::scatter, algorithm::tree, any_size,
     [](const team& t, rank r, rank root) { return k_nomial_scatter(t, r, root, 2); }},
    {collective::scatter, algorithm::k_nomial_4, any_size,
     [](const team& t, rank r, rank root) { return k_nomial_scatter(t, r, root, 4); }},
    {collective::scatter, algorithm::linear, any_size, linear_scatter, true},

    {collective::all_to_all, algorithm::pairwise, any_size,
     [](const team& t, rank r, rank) { return pairwise_all_to_all(t, r); }, true},
    {collective::all_to_all, algorithm::bruck, any_size, [](const team& t, rank r, rank) { return bruck_all_to_all(t, r); }},

    {collective::scan, algorithm::linear, any_size, [](const team& t, rank r, rank) { return linear_scan(t, r); }},
    {collective::scan, algorithm::doubling, any_size, [](const team& t, rank r, rank) { return doubling_scan(t, r); }},

    {collective::exclusive_scan, algorithm::linear, any_size,
     [](const team& t, rank r, rank) { return linear_exclusive_scan(t, r); }},
    {collective::exclusive_scan, algorithm::doubling, any_size,
     [](const team& t, rank r, rank) { return doubling_exclusive_scan(t, r); }},
};

/// The table's line for a collective and an algorithm; null where there is none.
constexpr const repertoire_entry* find_entry(collective what, algorithm how) {
  for (const repertoire_entry& entry : repertoire)
    if (entry.what == what && entry.how == how) return &entry;
  return nullptr;
}

/// Whether this team can do this collective in this way.
constexpr bool available(collective what, algorithm how, const team& all) {
  return all.size > 0 && find_entry(what, how) != nullptr;
}

/// Whether operands stay in rank order, as an operation that is not commutative
/// needs. True where nothing is reduced.
constexpr bool keeps_order(collective what, algorithm how, const team& all) {
  const repertoire_entry* entry = find_entry(what, how);
  return entry != nullptr && all.size <= entry->ordered_up_to && (!tells_hosts_apart(how) || all.hosts_in_order());
}

/// Whether blocks may differ in length.
constexpr bool serves_uneven(collective what, algorithm how) {
  const repertoire_entry* entry = find_entry(what, how);
  return entry != nullptr && entry->uneven;
}

/// What rank `me` does. Precondition: available(what, how, all).
constexpr schedule make_schedule(collective what, algorithm how, const team& all, rank me, rank root = {}) {
  return find_entry(what, how)->make(all, me, root);
}

}  // namespace tutti
