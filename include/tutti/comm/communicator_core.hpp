#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/comm/engine.hpp>
#include <tutti/comm/group.hpp>
#include <tutti/comm/known_calls.hpp>
#include <tutti/comm/message_pool.hpp>
#include <tutti/comm/plan.hpp>
#include <tutti/comm/ready_calls.hpp>
#include <tutti/comm/session.hpp>
#include <tutti/transport/loan.hpp>

namespace tutti::detail {

/// What stands behind a communicator: its queue of operations, the shapes of
/// calls that it has prepared, and the engine that runs them.
struct communicator_core {
  /// Of all ranks of the session, whose rank 0 decides how they plan. Collective.
  communicator_core(session& s, communicator_options options) : communicator_core(s) {
    s.world().together([&] {
      choose_runner(options);
      among_members all(s);
      agree_on_settings(all);
      connect(s.members(), s.name_communicator(), all);
    });
  }
  /// The same, of a session that lasts as long as its communicators do.
  communicator_core(std::shared_ptr<session> s, communicator_options options) : communicator_core(*s, options) {
    kept = std::move(s);
  }

  /// Of `members`, ranks of the session, of which this rank is number `rank`;
  /// they plan as the parent does, and exchange addresses over `with`. `key` is
  /// what they agree to call it. Collective.
  communicator_core(communicator_core& parent, std::vector<int> members, int rank, communicator_key key, exchange& with,
                    communicator_options options)
      : kept(parent.kept), home(parent.home), me(rank), settings(parent.settings) {
    choose_runner(options);
    connect(std::move(members), key, with);
  }
  communicator_core(const communicator_core&) = delete;
  communicator_core& operator=(const communicator_core&) = delete;
  ~communicator_core() {
    if (own_engine) own_engine->stop();
    if (queue) runner->remove(*queue);
    queue.reset();
  }

  int size() const { return everyone.size; }
  int world_rank() const { return queue->members()[static_cast<std::size_t>(me)]; }

  plan plan_for(call_shape c) {
    const algorithm directly = direct(c);
    c.algorithm = choose(c);
    const auto p = prepare(c, everyone, {me}, directly, shows());
    const bool lent = c.lent && p->lent;
    if (lent) c.algorithm = directly;
    const double seconds = predict_call(c, everyone, settings, shows(), lent);
    return {.what = c.what, .algorithm = c.algorithm, .seconds = seconds,
            .bytes_sent = p->shown ? p->shown->sent_bytes : lent ? p->lent->sent_bytes : p->relayed ? p->relayed->sent_bytes : p->body.sent_bytes, .scratch_bytes = p->scratch_bytes()};
  }

  // How a call is done where all buffers are lent: nobody has asked for another
  // algorithm, and blocks are of one length.
  algorithm direct(const call_shape& c) const {
    if (c.uneven || !queue->channels().lends()) return algorithm::automatic;
    const algorithm how = direct_algorithm(c.what, everyone);
    const algorithm asked = c.algorithm != algorithm::automatic ? c.algorithm : settings.forced_for(c.what);
    return asked == algorithm::automatic || asked == how ? how : algorithm::automatic;
  }

  bool shows() const { return queue->channels().board() != nullptr; }

  algorithm choose(const call_shape& c) const { return choose_algorithm(c, everyone, settings, shows()); }

  statistics counters() const {
    statistics s = counts.read().since(borrowed.at_first);
    if (!own_engine) {
      const statistics shared = home.waits();
      s.waits = shared.waits;
      s.seconds_slept = shared.seconds_slept;
    }
    return s;
  }

  void raise_verdict() {
    if (!home.fabric().board().any()) return;
    if (!runner->threaded()) {
      // What comes before it and has all that it needs is still completed.
      while (runner->step()) continue;
      runner->report();
    }
    home.fabric().given().raise();
  }

  /// Issues messages that are waited for together, and with them what is `ready`:
  /// then they have been checked. Where it throws, nothing has been issued.
  operation& post(const message_call* calls, std::size_t n, operation* ready = nullptr) {
    if (!ready) {
      raise_verdict();
      pool->check(calls, n);
    }
    if (n == 1 && !ready) {
      posted_message& m = pool->prepare(*calls, nullptr);
      queue->messages->submit(m);
      runner->notice();
      return m;
    }
    joint_operation* whole = nullptr;
    prepared_messages.clear();
    try {
      whole = &pool->join(n + (ready != nullptr));
      prepared_messages.reserve(n);
      for (std::size_t i = 0; i < n; ++i) prepared_messages.push_back(&pool->prepare(calls[i], whole));
    } catch (...) {
      for (posted_message* m : prepared_messages) give_back(*m);
      if (whole) give_back(*whole);
      if (ready) give_back(*ready);
      throw;
    }
    joint_operation& all = *whole;
    if (all.open == 0) finish(all, operation::stage::done);
    if (ready) {
      ready->part_of = &all;
      ready->detached = true;
      number(*ready);
      queue->push(*ready);
    }
    for (posted_message* m : prepared_messages) queue->messages->submit(*m);
    runner->notice();
    return all;
  }

  operation& issue(const call_shape& c, const call_memories& m) {
    if (at_once->verdicts().any()) raise_verdict();
    const prepared_call& p = prepared(c);
    const bool quick = !m.before && !m.after && at_once->takes(p) && runner->is_free();
    if (operation* const done = quick ? issue_ready(p, m) : nullptr) return *done;
    operation& o = with_scratch(p);
    // What may throw comes first: nothing has been issued then.
    try {
      const bool keeps = m.keep && !m.waits;
      if (keeps) m.keep(o.functor, m.fold.op);
      o.data = placed(p, c.element, m, o.scratch.data());
      if (keeps) o.data.fold.op = o.functor.kept();
    } catch (...) {
      give_back(o);
      throw;
    }
    o.after = m.after;
    number(o);
    if (m.waits && !quick && !m.after && runner->do_at_once(*queue, o)) {
      give_back(o);
      return nothing;
    }
    queue->push(o);
    runner->notice();
    return o;
  }

  // Where all is there that it needs; else null.
  operation* issue_ready(const prepared_call& p, const call_memories& m) {
    const std::uint64_t number = issued + 1, mark = history_with(p, number);
    const auto how = at_once->run({p, number, mark, static_cast<const std::byte*>(m.input), static_cast<std::byte*>(m.output)}, m.waits ? runner->spins() : 0);
    if (how == ready_calls::outcome::not_ready) return nullptr;
    issued = number, history = mark;
    if (how == ready_calls::outcome::done) return &nothing;
    operation& o = with_scratch(p);
    o.parts.clear();
    o.what.number = number;
    o.begun = o.broken = true;  // fails with all others, and does nothing until then
    queue->recorder().begin(number, o.what, p.shape, o.begun_at = coarse_now());
    queue->push(o);
    runner->notice();
    return &o;
  }
  // Ranks that once called different things differ in all that follows.
  std::uint64_t history_with(const prepared_call& p, std::uint64_t number) const { return mix(mix(p.shape, queue->id(number)), history) | 1; }

  /// Issues what has been collected as one.
  operation& issue_collected() {
    collected.end();
    const std::vector<message_call>& messages = collected.messages();
    if (collected.shapes().empty()) return post(messages.data(), messages.size());
    raise_verdict();
    pool->check(messages.data(), messages.size());
    operation& o = with_scratch(prepared({.calls = collected.shapes()}));
    try {
      o.parts.clear();
      const std::vector<std::unique_ptr<prepared_call>>& parts = o.plan->parts;
      o.parts.reserve(parts.size());
      for (std::size_t i = 0; i < parts.size(); ++i)
        o.parts.push_back(placed(*parts[i], parts[i]->what.element, collected.memories(i), o.scratch.data() + parts[i]->begin));
    } catch (...) {
      give_back(o);
      throw;
    }
    if (!messages.empty()) return post(messages.data(), messages.size(), &o);
    number(o);
    queue->push(o);
    runner->notice();
    return o;
  }

  // An operation for such a call, with the memory that it needs.
  operation& with_scratch(const prepared_call& p) {
    if (keeps_too_much) make_room(0);
    operation& o = free_operation(p);
    if (o.scratch.size() < p.scratch_bytes()) try {
        o.scratch = {};
        make_room(p.scratch_bytes());
        o.scratch = scratch(p.scratch_bytes());
      } catch (...) {
        give_back(o);
        throw;
      }
    return o;
  }

  // The next one of this communicator is that.
  void number(operation& o) {
    if (!o.plan->parts.empty()) collected.give(o.calls), o.data = {}, o.after = nullptr;
    else o.parts.clear();
    o.what.number = ++issued;
    history = history_with(*o.plan, issued);
    o.mark = {.fingerprint = history, .what = &o.what, .element = static_cast<std::uint32_t>(o.what.element), .shape = o.plan->shape};
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
      communicator_core& of;
      operation& o;
      ~at_end() {
        give_back(o);
        if (of.keeps_too_much) of.make_room(0);
      }
    } then{*this, o};
    runner->wait(o);
  }

  // Idle operations give back what they keep, the one used longest ago first,
  // until a call's memory stays within what was allowed.
  void make_room(std::size_t bytes) {
    for (;;) {
      std::size_t held = 0;
      operation* oldest = nullptr;
      for (const auto& o : operations) {
        held += o->scratch.size();
        if (is_free(*o) && o->scratch.size() > 0 && (!oldest || o->what.number < oldest->what.number)) oldest = o.get();
      }
      keeps_too_much = held > kept_bytes || bytes > kept_bytes - held;
      if (!keeps_too_much || !oldest) return;
      oldest->scratch = {};
    }
  }

  void choose_runner(communicator_options options) {
    channel_bytes = options.channel_bytes;
    kept_bytes = options.kept_bytes;
    if (options.progress == progress::thread) own_engine = home.make_engine(counts);
    runner = own_engine ? own_engine.get() : &home.main_engine();
    if (own_engine) own_engine->beside(home.main_engine());
  }

  void connect(std::vector<int> members, communicator_key key, exchange& with) {
    // Both together stay within what was allowed.
    const std::size_t for_messages_bytes = channel_bytes / 5;
    auto l = runner->transport().connect(members, me, with, link_use::collectives, channel_bytes - for_messages_bytes);
    everyone = {static_cast<int>(members.size()), l->hosts()};
    auto for_messages = runner->transport().connect(members, me, with, link_use::messages, for_messages_bytes);
    queue = std::make_unique<operation_queue>(std::move(l), std::move(members), key);
    for (int peer = 0; peer < size(); ++peer)
      if (const link_kind kind = queue->channels().kind(peer); kind != link_kind::self)
        queue->channels().to(peer).counted = &counts.over(kind);
    queue->counts = &counts;
    queue->messages = std::make_unique<mailbox>(std::move(for_messages), queue->members(), key, me, home.fabric(),
                                                queue->channels().status(), counts);
    pool = std::make_unique<message_pool>(queue->members(), me);
    at_once.emplace(home.fabric(), *queue);
    runner->add(*queue);
    if (own_engine) own_engine->start_thread();
    else queue->keep_to_one_thread();
  }

  // Rank 0's environment and cores decide, so that everybody plans alike.
  void agree_on_settings(exchange& with) {
    cost_model model;
    const int cores = usable_cores(), here = home.neighbours();
    if (here > cores) model.cores = cores * home.size() / here;  // of all machines, if they are alike
    settings = gather_values(with, me == 0 ? plan_settings::from_environment(model) : settings).at(0);
  }

  const prepared_call& prepared(const call_shape& c) {
    // Counts, and what is issued together, may differ from call to call.
    known_calls& kind = c.uneven || !c.calls.empty() ? known_lists : known;
    return kind.find(c, [&] { return prepare_chosen(c); }, [this](const prepared_call& p) { return in_use(p); },
                     [this](const prepared_call& p) {
                       for (const auto& o : operations) o->forget(p);
                     });
  }

  std::unique_ptr<prepared_call> prepare_chosen(call_shape c) const {
    if (!c.calls.empty()) {
      std::vector<call_shape> calls(c.calls.begin(), c.calls.end());
      for (call_shape& one : calls) one.algorithm = choose_algorithm(one, everyone, settings);
      return prepare_together(calls, c.calls, everyone, {me}, shows());
    }
    const algorithm directly = direct(c);
    c.algorithm = choose(c);
    return prepare(c, everyone, {me}, directly, shows());
  }

  bool in_use(const prepared_call& p) const {
    for (const auto& o : operations)
      if (o->in_use && o->plan == &p) return true;
    return false;
  }

  // One that last did the same has all the memory that it needs. Otherwise the
  // smallest that has enough: what once had memory for a shape keeps it.
  operation& free_operation(const prepared_call& p) {
    operation* found = nullptr;
    bool enough = false;
    for (const auto& o : operations) {
      if (!is_free(*o)) continue;
      if (o->plan == &p) {
        found = o.get();
        break;
      }
      const bool here = o->has_room_for(p);
      if (!found || here > enough || (here == enough && o->scratch.size() < found->scratch.size())) found = o.get();
      enough |= here;
    }
    if (!found) {
      operations.push_back(std::make_unique<operation>());
      found = operations.back().get();
    }
    found->in_use = true;
    found->detached.store(false, std::memory_order_relaxed);
    found->begun = found->broken = found->told = false;
    found->take(p);
    found->part_of = nullptr;
    found->sleepers.store(0, std::memory_order_relaxed);
    found->state.store(static_cast<std::uint32_t>(operation::stage::running), std::memory_order_relaxed);
    return *found;
  }

  std::size_t scratch_bytes() const {
    std::size_t bytes = queue->channels().bytes();
    for (const auto& o : operations) bytes += o->scratch.size();
    return bytes;
  }

  // One that is not connected yet: the destructor can be relied upon from here on.
  explicit communicator_core(session& s) : home(s), me(place_of(s.rank(), s.members())) {}
  static int place_of(int rank, const std::vector<int>& members) {
    return static_cast<int>(std::find(members.begin(), members.end(), rank) - members.begin());
  }

  std::shared_ptr<session> kept;  // null where its owner is the program
  session& home;
  int me;
  borrowed_counters borrowed{home};
  detail::counter_block& counts = borrowed.block;
  plan_settings settings;
  team everyone;  ///< its ranks, and which of them windows join
  static constexpr std::size_t most_shapes = 1024, most_lists = 64;
  known_calls known{most_shapes}, known_lists{most_lists};  ///< the latter with counts, or of several calls
  collected_calls collected;
  operation nothing;  ///< to wait for: stands for each of these, and for what was done at once
  std::vector<std::unique_ptr<operation>> operations;
  std::uint64_t issued = 0, history = 0;  ///< operations: how many, and a fingerprint of all
  std::size_t channel_bytes = 0, kept_bytes = 0;
  bool keeps_too_much = false;  ///< operations under way need more than they may keep
  std::unique_ptr<message_pool> pool;
  std::vector<posted_message*> prepared_messages;
  std::vector<message_call> message_calls;  ///< for whoever issues several, to be filled again and again
  std::unique_ptr<engine> own_engine;
  engine* runner = nullptr;
  std::unique_ptr<operation_queue> queue;
  std::optional<ready_calls> at_once;
};

}  // namespace tutti::detail
