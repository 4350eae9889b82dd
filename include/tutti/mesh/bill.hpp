#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/base/tally.hpp>
#include <tutti/comm/plan.hpp>
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
};

/// The bytes of a rank's memory that a training step needs, by what they are for, where
/// kernels keep tensors as they are and write over what nobody else reads. Kernels
/// that pad, or take scratch of their own, need more.
struct memory_bill {
  std::size_t values = 0;      ///< tensors between operations, input and output included
  std::size_t gradients = 0;   ///< of these
  std::size_t parameters = 0;  ///< their values and their gradients
  std::size_t scratch = 0;     ///< parts of others' tensors, and what is packed to travel

  constexpr std::size_t total() const { return values + gradients + parameters + scratch; }
};

struct step_bill {
  std::vector<bill_item> items{};  ///< in the order of the step
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

/// What the passes forward and backward and the moves between hold, all of it at once.
constexpr memory_bill memory_of(const operation_list& net, const network_plan& plan, const mesh& on, rank me, std::size_t element) {
  memory_bill m;
  auto held = [&](const shape& whole, const placement& at) { return block_of(whole, at, on, me).elements(); };
  const std::vector<char> wanted = wanted_gradients(net);
  m.values = held(net.shape_of(0), plan.tensors[0].lies);
  for (std::size_t i = 0; i < net.all().size(); ++i) {
    const tensor_operation& o = net.all()[i];
    const operation_plan& p = plan.operations[i];
    const bool in_place = o.what == operation_kind::flatten || o.what == operation_kind::pointwise || o.what == operation_kind::dropout ||
                          o.what == operation_kind::loss;
    if (!in_place) m.values += held(o.y, p.made);
    if (!p.settle.empty()) m.values += held(o.y, plan.tensors[i + 1].lies);
    if (!p.unsettle.empty()) m.gradients += held(o.y, p.dy);
    for (std::size_t k = 0; k < o.inputs.size(); ++k) {
      const operand_plan& x = p.operands[k];
      std::size_t read = held(o.x, x.at);
      if (!x.forward.empty()) m.scratch += read;
      if (slides(o.what)) {
        const halo_parts halo = halo_of(o, p, on, me);
        if (halo.needed()) m.scratch += read = halo.read[halo.here].elements();
      }
      if (wanted[o.inputs[k]] == 0) continue;
      if (!in_place && o.what != operation_kind::add) m.gradients += read;
      if (!x.backward.empty()) m.gradients += held(o.x, plan.tensors[o.inputs[k]].gradient);
    }
    for (const parameter_plan& w : p.parameters) m.parameters += 2 * held(w.dims, w.at);
  }
  m.gradients += held(net.shape_of(net.all().size()), plan.tensors.back().gradient);
  for (const step_exchange& e : exchanges_of(net, plan, on)) {
    if (e.is_move()) {
      const move_parts parts = parts_of(e.by, moved(e, net), e.before, on, me);
      for (const block& b : parts.sent) m.scratch += parts.packs ? b.elements() : 0;
      for (const block& b : parts.got) m.scratch += parts.unpacks ? b.elements() : 0;
    } else if (e.why == cause::halo) {
      const halo_parts parts = halo_of(net.all()[e.operation], plan.operations[e.operation], on, me);
      for (std::size_t n : elements_of(parts.given())) m.scratch += n;
      for (std::size_t n : elements_of(parts.taken())) m.scratch += n;
    }
  }
  for (std::size_t* part : {&m.values, &m.gradients, &m.parameters, &m.scratch}) *part *= element;
  return m;
}

/// Elements in 64 bytes, at whose multiples parameters begin in their store.
constexpr std::size_t parameter_alignment(std::size_t element) { return element < 64 ? 64 / element : 1; }

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
  for (const step_exchange& e : exchanges_of(net, plan, on)) all.items.push_back({.what = e, .sent = each.of(e)});
  for (const gradient_sum& s : sums)
    all.items.push_back({.what = {.why = cause::parameter_gradient, .operation = s.operation, .axes = s.axes},
                         .gradients = s,
                         .sent = each.all_reduce(s.axes, s.elements, element, false)});
  return all;
}
/// The same where gradients are added up in as few calls as there can be.
template <class Choose>
constexpr step_bill bill(const operation_list& net, const network_plan& plan, const mesh& on, rank me, std::size_t element, Choose choose) {
  return bill(net, plan, on, me, element, choose, gradient_sums(plan, on, me, parameter_alignment(element)));
}

}  // namespace tutti
