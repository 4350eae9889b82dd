#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <tutti/comm/engine.hpp>
#include <tutti/comm/group.hpp>
#include <tutti/comm/plan.hpp>
#include <tutti/comm/session.hpp>
#include <tutti/transport/loan.hpp>

namespace tutti::detail {

/// An operation that nobody waits for any more can be used again.
inline void give_back(operation& o) {
  o.functor.clear();
  o.state.store(static_cast<std::uint32_t>(operation::stage::idle), std::memory_order_relaxed);
  o.in_use = false;
}

/// What stands behind a communicator: its queue of operations, the shapes of
/// calls that it has prepared, and the engine that runs them.
struct communicator_core {
  /// Of all ranks of the session, whose rank 0 decides how they plan. Collective.
  communicator_core(session& s, communicator_options options) : home(s), me(s.rank()) {
    choose_runner(options);
    const std::vector<int> members = detail::everyone(s.size());
    agree_on_settings(members, s.world());
    connect(members, s.name_communicator(), s.world());
  }

  /// Of `members`, ranks of the session, of which this rank is number `rank`;
  /// they plan as the parent does, and exchange addresses over `with`. `key` is
  /// what they agree to call it. Collective.
  communicator_core(communicator_core& parent, std::vector<int> members, int rank, communicator_key key, exchange& with,
                    communicator_options options)
      : home(parent.home), me(rank), settings(parent.settings) {
    choose_runner(options);
    connect(std::move(members), key, with);
  }
  communicator_core(const communicator_core&) = delete;
  communicator_core& operator=(const communicator_core&) = delete;
  ~communicator_core() {
    if (own_engine) own_engine->stop();
    runner->remove(*queue);
    queue.reset();
  }

  int size() const { return static_cast<int>(queue->members().size()); }
  int world_rank() const { return queue->members()[static_cast<std::size_t>(me)]; }
  team everyone() const { return {size()}; }

  plan plan_for(call_shape c) {
    const algorithm directly = direct(c);
    c.algorithm = choose_algorithm(c, everyone(), settings);
    const auto p = prepare(c, everyone(), {me}, directly);
    const bool lent = c.lent && p->lent;
    if (lent) c.algorithm = directly;
    return {.what = c.what, .algorithm = c.algorithm,
            .seconds = predict(c.what, c.algorithm, everyone(), vector_bytes(c, everyone()), settings.model),
            .bytes_sent = lent ? p->lent->sent_bytes : p->body.sent_bytes, .scratch_bytes = p->scratch_bytes()};
  }

  // How a call is done where all buffers are lent: nobody has asked for another
  // algorithm.
  algorithm direct(const call_shape& c) const {
    const algorithm how = direct_algorithm(c.what, everyone());
    const algorithm asked = c.algorithm != algorithm::automatic ? c.algorithm : settings.forced_for(c.what);
    return queue->channels().lends() && (asked == algorithm::automatic || asked == how) ? how : algorithm::automatic;
  }

  statistics counters() const {
    statistics s = counts.read().since(borrowed.at_first);
    if (!own_engine) {
      const statistics shared = home.waits();
      s.waits = shared.waits;
      s.seconds_slept = shared.seconds_slept;
    }
    return s;
  }

  operation& issue(const call_shape& c, const call_memories& m, functor_keeper keep = nullptr) {
    if (home.fabric().board().any()) {
      if (!runner->threaded()) runner->report();
      home.fabric().board().read().raise();
    }
    const prepared_call& p = prepared(c);
    operation& o = free_operation(p);
    // What may throw comes first: nothing has been issued then.
    try {
      if (o.scratch.size() < p.scratch_bytes()) o.scratch = scratch(p.scratch_bytes());
      if (keep) keep(o.functor, m.fold.op);
      if (m.before) m.before(o.scratch.data() + p.staging_begin(), m.fold.op);
    } catch (...) {
      give_back(o);
      throw;
    }
    o.what = p.what;
    o.what.number = ++issued;
    o.mark = {.fingerprint = mix(p.shape, o.what.number) | 1, .what = &o.what,
              .element = static_cast<std::uint32_t>(c.element)};
    o.data = {.input = static_cast<const std::byte*>(m.input), .output = static_cast<std::byte*>(m.output),
              .scratch = o.scratch.data(), .element = c.element, .alignment = m.alignment, .fold = m.fold};
    if (keep) o.data.fold.op = o.functor.kept();
    o.after = m.after;
    if (m.before) {
      o.data.output = o.scratch.data() + p.staging_begin();
      o.data.input = o.data.output;
      o.data.output += m.staged_output;
    }
    queue->push(o);
    runner->notice();
    return o;
  }

  // What is long enough to be lent lies where it can be, if there is room.
  buffer<std::byte> scratch(std::size_t bytes) {
    if (bytes >= least_loan) try {
        return {home.fabric().memory(), bytes};
      } catch (const std::bad_alloc&) {
      }
    return buffer<std::byte>(bytes);
  }

  void wait(operation& o) {
    struct at_end {
      operation& o;
      ~at_end() { give_back(o); }
    } then{o};
    runner->wait(o);
  }

  void choose_runner(communicator_options options) {
    if (options.progress == progress::thread) own_engine = home.make_engine(counts);
    runner = own_engine ? own_engine.get() : &home.main_engine();
    if (own_engine) own_engine->beside(home.main_engine());
  }

  void connect(std::vector<int> members, communicator_key key, exchange& with) {
    auto l = runner->transport().connect(members, me, with);
    queue = std::make_unique<operation_queue>(std::move(l), std::move(members), key);
    for (int peer = 0; peer < size(); ++peer)
      if (const link_kind kind = queue->channels().kind(peer); kind != link_kind::self)
        queue->channels().to(peer).counted = &counts.over(kind);
    queue->counts = &counts;
    runner->add(*queue);
    settings.model.link = slowest_link();
    if (own_engine) own_engine->start_thread();
  }

  // Rank 0's environment and cores decide, so that everybody plans alike.
  void agree_on_settings(const std::vector<int>& members, exchange& with) {
    cost_model model;
    const int cores = usable_cores(), here = home.neighbours();
    model.cores = here > cores ? cores : 0;
    if (me == 0) settings = plan_settings::from_environment(model);
    const contributions all = with.all_gather(bytes_of(settings));
    if (all.size() != members.size() || all[0].size() != sizeof settings)
      throw error(errc::launch, "a rank of another version of Tutti has joined");
    std::memcpy(&settings, all[0].data(), sizeof settings);
  }

  // A window to one and a message to another: the slower rules.
  link_model slowest_link() { return queue->channels().any_message() ? settings.links.message : settings.links.window; }

  const prepared_call& prepared(const call_shape& c) {
    // Most calls are as one before: where that one was found last is looked at first.
    std::uint32_t& last = hints[(c.count * 31 + static_cast<std::size_t>(c.what) * 7 + static_cast<std::size_t>(c.root)) % hint_count];
    if (last < known.size() && known[last].asked.is(c)) return *known[last].how;
    for (std::size_t i = 0; i < known.size(); ++i)
      if (known[i].asked.is(c)) {
        last = static_cast<std::uint32_t>(i);
        return *known[i].how;
      }
    if (known.size() >= most_shapes) forget_shapes();
    call_shape chosen = c;
    chosen.algorithm = choose_algorithm(c, everyone(), settings);
    known.push_back({c, prepare(chosen, everyone(), {me}, direct(c))});
    last = static_cast<std::uint32_t>(known.size() - 1);
    return *known.back().how;
  }

  // All that no operation uses, since memory for shapes is bounded.
  void forget_shapes() {
    std::erase_if(known, [&](const known_shape& k) {
      for (const auto& o : operations)
        if (o->in_use && o->plan == k.how.get()) return false;
      return true;
    });
    for (const auto& o : operations)
      if (!o->in_use) o->plan = nullptr;
  }

  // One that last did the same has all the memory that it needs. Otherwise the
  // smallest that has enough: what once had memory for a shape keeps it.
  operation& free_operation(const prepared_call& p) {
    operation* found = nullptr;
    bool enough = false;
    for (const auto& o : operations) {
      if (o->in_use && o->detached && o->current() != operation::stage::running) give_back(*o);
      if (o->in_use) continue;
      const bool here = o->has_room_for(p);
      if (!found || here > enough || (here == enough && o->scratch.size() < found->scratch.size())) found = o.get();
      enough |= here;
      if (o->plan == &p) {
        found = o.get();
        break;
      }
    }
    if (!found) {
      operations.push_back(std::make_unique<operation>());
      found = operations.back().get();
    }
    found->in_use = true;
    found->detached.store(false, std::memory_order_relaxed);
    found->begun = found->broken = found->told = false;
    found->plan = &p;
    found->sleepers.store(0, std::memory_order_relaxed);
    found->state.store(static_cast<std::uint32_t>(operation::stage::running), std::memory_order_relaxed);
    return *found;
  }

  struct known_shape {
    call_shape asked;
    std::unique_ptr<prepared_call> how;
  };

  // Counters of the session's, for as long as this communicator lives.
  struct borrowed_counters {
    explicit borrowed_counters(session& s) : home(s), block(s.take_counters()), at_first(block.read()) {}
    borrowed_counters(const borrowed_counters&) = delete;
    borrowed_counters& operator=(const borrowed_counters&) = delete;
    ~borrowed_counters() { home.give_back(block); }
    session& home;
    detail::counter_block& block;
    statistics at_first;
  };

  session& home;
  int me;
  borrowed_counters borrowed{home};
  detail::counter_block& counts = borrowed.block;
  plan_settings settings;
  static constexpr std::size_t most_shapes = 1024, hint_count = 64;
  std::vector<known_shape> known;
  std::uint32_t hints[hint_count] = {};
  std::vector<std::unique_ptr<operation>> operations;
  std::uint64_t issued = 0;
  std::unique_ptr<engine> own_engine;
  engine* runner = nullptr;
  std::unique_ptr<operation_queue> queue;
};

}  // namespace tutti::detail
