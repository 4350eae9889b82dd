#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <tutti/base/tally.hpp>
#include <tutti/comm/plan.hpp>
#include <tutti/mesh/memory_bill.hpp>
#include <tutti/mesh/step_exchanges.hpp>

namespace tutti {

/// How a call is done: the ranks that do it, and by which algorithm.
struct chosen_call {
  team all{};
  tutti::algorithm algorithm = tutti::algorithm::automatic;
};

/// What a rank sends in a call whose algorithm is chosen: the sends of its schedule, and
/// the payload in them.
constexpr traffic sends_of(const call_shape& c, const team& all, rank me) {
  traffic sent;
  const schedule s = make_schedule(c.what, c.algorithm, all, me, {c.root < 0 ? 0 : c.root});
  const std::vector<std::size_t> bounds = detail::chunk_bounds(c, all, me, s.parts);
  for (const step& next : s.steps) {
    if (next.what != verb::send) continue;
    std::size_t elements = 0;
    for (int i = 0; i < next.where.count; ++i) {
      const auto part = static_cast<std::size_t>((next.where.first.value + i) % s.parts);
      elements += bounds[part + 1] - bounds[part];
    }
    sent.add(elements * c.element);
  }
  return sent;
}

/// Algorithms that send least where sizes divide, whatever they cost in time:
/// rings, and a message to each in an all-to-all. Ranks are on one host.
struct least_bytes {
  mesh on{};

  constexpr chosen_call operator()(unsigned axes, const call_shape& c) const {
    return {.all = {static_cast<int>(on.beside({0}, axes).size())},
            .algorithm = c.what == collective::all_to_all ? algorithm::pairwise : algorithm::ring};
  }
};

/// What communicators of ranks on one host choose that have these settings.
struct chosen_by_model {
  mesh on{};
  plan_settings settings{};

  chosen_call operator()(unsigned axes, const call_shape& c) const {
    const team all{static_cast<int>(on.beside({0}, axes).size())};
    return {.all = all, .algorithm = choose_algorithm(c, all, settings)};
  }
};

/// One exchange of a step, as a rank pays for it. Of a gradient's sum it says which
/// layers' parameters it adds up.
struct bill_item {
  step_exchange what{};
  gradient_sum gradients{};
  traffic sent{};
  rank by{};  ///< who sends it
};

struct step_bill {
  std::vector<bill_item> items{};   ///< in the order of the step
  std::vector<traffic> by_rank{};   ///< where each item is of the rank that sends most in it: what every rank sends in all
  memory_bill memory{};

  /// What is sent in all, or in what `counts(item)` says.
  template <class Counts>
  constexpr traffic sent(Counts counts) const {
    traffic all;
    for (const bill_item& item : items)
      if (counts(item)) all += item.sent;
    return all;
  }
  constexpr traffic sent() const {
    return sent([](const bill_item&) { return true; });
  }
};

namespace detail {

/// What rank `me` of a mesh sends in a call of the ranks along a set of axes.
template <class Choose>
constexpr traffic sends_of(call_shape c, unsigned axes, const mesh& on, rank me, Choose& choose) {
  const chosen_call how = choose(axes, c);
  c.algorithm = how.algorithm;
  const std::vector<rank> members = on.beside(me, axes);
  rank here{};
  while (!(members[static_cast<std::size_t>(here.value)] == me)) ++here.value;
  return tutti::sends_of(c, how.all, here);
}

template <class Choose>
constexpr traffic sends_of_uneven(collective what, unsigned axes, const std::vector<std::size_t>& counts, const std::vector<std::size_t>& received,
                                  const mesh& on, rank me, std::size_t element, Choose& choose) {
  call_shape c{.what = what, .element = element, .uneven = true};
  for (std::size_t n : counts) c.count += n;
  c.counts = {counts.data(), counts.size()};
  if (what == collective::all_to_all) c.received = {received.data(), received.size()};
  return sends_of(c, axes, on, me, choose);
}

}  // namespace detail

/// What rank `me` sends in a move of a tensor that lies at `at`; `choose` as for `bill`.
template <class Choose>
constexpr traffic sends_of(const move& m, const shape& whole, const placement& at, const mesh& on, rank me, std::size_t element, Choose choose) {
  if (is_local(m.what)) return {};
  const move_parts parts = parts_of(m, whole, at, on, me);
  if (m.what == move_kind::all_reduce)
    return detail::sends_of({.what = collective::all_reduce, .count = parts.before.elements(), .element = element, .lent = true}, 1u << m.axis,
                            on, me, choose);
  const collective what = m.what == move_kind::all_gather   ? collective::all_gather
                          : m.what == move_kind::all_to_all ? collective::all_to_all
                                                            : collective::reduce_scatter;
  const std::vector<std::size_t> sent = elements_of(parts.sent), got = elements_of(parts.got);
  return detail::sends_of_uneven(what, 1u << m.axis, what == collective::all_gather ? got : sent, got, on, me, element, choose);
}

namespace detail {

template <class Choose>
class billing {
 public:
  constexpr billing(const operation_list& net, const network_plan& plan, const mesh& on, rank me, std::size_t element, Choose& choose)
      : net_(net), plan_(plan), on_(on), me_(me), element_(element), choose_(choose) {}

  constexpr traffic of(const step_exchange& e) {
    if (e.is_move()) return of_move(e);
    if (e.why == cause::halo || e.why == cause::halo_gradient) return of_halo(e);
    const operation_plan& p = plan_.operations[e.operation];
    const inner_reduction sum = (e.why == cause::loss ? loss_reductions(net_, plan_, on_, me_, element_)
                                                      : inner_reductions(net_.all()[e.operation], p, on_, me_, element_))[e.which];
    return all_reduce(e.axes, e.why == cause::inner_gradient ? sum.backward : sum.forward, sum.bytes_each, false);
  }
  constexpr traffic all_reduce(unsigned axes, std::size_t elements, std::size_t each, bool lent) {
    return sends_of({.what = collective::all_reduce, .count = elements, .element = each, .lent = lent}, axes, on_, me_, choose_);
  }

 private:
  constexpr traffic of_move(const step_exchange& e) { return tutti::sends_of(e.by, moved(e, net_), e.before, on_, me_, element_, choose_); }
  constexpr traffic of_halo(const step_exchange& e) {
    const halo_parts parts = halo_of(net_.all()[e.operation], plan_.operations[e.operation], on_, me_);
    const std::vector<std::size_t> given = elements_of(parts.given()), taken = elements_of(parts.taken());
    const bool back = e.why == cause::halo_gradient;
    return sends_of_uneven(collective::all_to_all, e.axes, back ? taken : given, back ? given : taken, on_, me_, element_, choose_);
  }
  const operation_list& net_;
  const network_plan& plan_;
  const mesh& on_;
  rank me_;
  std::size_t element_;
  Choose& choose_;
};

}  // namespace detail

/// What a training step costs rank `me` of the mesh, by exchange: the sends of the
/// schedules that its calls follow and the bytes in them, which are those that the
/// links count. `element` is in bytes; `choose(axes, call)` says how a call over a set of
/// axes is done: `least_bytes`, `chosen_by_model`, or a mesh's communicators
/// themselves (`chosen_by` in mesh/process_mesh.hpp). `sums`: how gradients are added up.
template <class Choose>
constexpr step_bill bill(const operation_list& net, const network_plan& plan, const mesh& on, rank me, std::size_t element, Choose choose,
                         const std::vector<gradient_sum>& sums) {
  step_bill all{.memory = memory_of(net, plan, on, me, element)};
  detail::billing<Choose> each(net, plan, on, me, element, choose);
  for (const step_exchange& e : exchanges_of(net, plan, on)) all.items.push_back({.what = e, .sent = each.of(e), .by = me});
  for (const gradient_sum& s : sums)
    all.items.push_back({.what = {.why = cause::parameter_gradient, .operation = s.operation, .axes = s.axes},
                         .gradients = s,
                         .sent = each.all_reduce(s.axes, s.elements, element, false),
                         .by = me});
  return all;
}
/// The same where gradients are added up in as few calls as there can be.
template <class Choose>
constexpr step_bill bill(const operation_list& net, const network_plan& plan, const mesh& on, rank me, std::size_t element, Choose choose) {
  return bill(net, plan, on, me, element, choose, gradient_sums(plan, on, me, parameter_alignment(element)));
}

/// The bill of all ranks: of each exchange what the rank sends that sends most in it, of
/// several the first, so that the items' sum may be more than any rank's, which
/// `by_rank` has; memory is of the rank that needs most. Cost: a bill for each rank, but
/// that each kind of call is chosen once.
template <class Choose>
step_bill bill_of_busiest(const operation_list& net, const network_plan& plan, const mesh& on, std::size_t element, Choose choose_each) {
  std::map<std::vector<std::size_t>, chosen_call> known;
  const auto choose = [&](unsigned axes, const call_shape& c) {
    std::vector<std::size_t> key{axes, static_cast<std::size_t>(c.what), c.count, c.element, c.lent, c.uneven};
    key.insert(key.end(), c.counts.begin(), c.counts.end());
    key.insert(key.end(), c.received.begin(), c.received.end());
    const auto [at, fresh] = known.try_emplace(key);
    if (fresh) at->second = choose_each(axes, c);
    return at->second;
  };
  step_bill most = bill(net, plan, on, {0}, element, choose);
  most.by_rank = {most.sent()};
  for (rank r{1}; r.value < on.size(); ++r.value) {
    const step_bill other = bill(net, plan, on, r, element, choose);
    most.by_rank.push_back(other.sent());
    if (other.memory.total() > most.memory.total()) most.memory = other.memory;
    for (std::size_t i = 0; i < other.items.size(); ++i)
      if (other.items[i].sent.bytes > most.items[i].sent.bytes) most.items[i] = other.items[i];
  }
  return most;
}

/// The rank that sends most of all, of several the first.
constexpr rank busiest(const step_bill& b) {
  rank most{};
  for (rank r{0}; r.value < static_cast<int>(b.by_rank.size()); ++r.value)
    if (b.by_rank[static_cast<std::size_t>(r.value)].bytes > b.by_rank[static_cast<std::size_t>(most.value)].bytes) most = r;
  return most;
}

}  // namespace tutti
