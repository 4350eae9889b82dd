#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/comm/engine.hpp>
#include <tutti/comm/group.hpp>
#include <tutti/comm/known_calls.hpp>
#include <tutti/comm/message_pool.hpp>
#include <tutti/comm/operation_pool.hpp>
#include <tutti/comm/plan.hpp>
#include <tutti/comm/short_calls.hpp>
#include <tutti/comm/session.hpp>

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
    if (queue) {
      look_back_at_end();
      runner->remove(*queue);
    }
    queue.reset();
  }

  // What throws there must not leave a destructor: nothing has been found then.
  void look_back_at_end() noexcept try {
    if (queue->front() || home.fabric().board().any()) return;
    runner->step();  // takes in what has come
    const auto found = look_back(home.fabric(), *queue, world_rank(), issued);
    if (!found) return;
    home.note_mismatch(*found);
    log(log_level::error, found->text + last_of(*queue, now()));
  } catch (...) {
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

  void check(const message_call* calls, std::size_t n) const {
    pool->check(calls, n);
    pool->check_memory(calls, n, [this](int peer) { return queue->messages->by_messages(peer); });
  }

  /// Issues messages that are waited for together, and with them what is `ready`:
  /// then they have been checked. Where it throws, nothing has been issued.
  operation& post(const message_call* calls, std::size_t n, operation* ready = nullptr) {
    if (!ready) {
      raise_verdict();
      check(calls, n);
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
    last_short = nullptr;
    // What `issue_last` has found not to be ready has been looked for long enough.
    const bool looked = std::exchange(was_not_ready, false);
    if (at_once->verdicts().any()) raise_verdict();
    const prepared_call& p = prepared(c);
    // What goes on when this returns needs a copy of an operation that is not like all
    // others of its type, which may throw.
    const bool short_call = at_once->takes(p) && !m.before && !m.after && (m.waits || m.stateless || !m.keep) && runner->is_free();
    if (short_call && m.kind) last_short = &p, last_memories = m;
    if (operation* const begun = short_call && !looked ? issue_short(p, m) : nullptr) return *begun;
    operation& o = operations->take(p);
    // What may throw comes first: nothing has been issued then.
    try {
      place(o, m);
    } catch (...) {
      give_back(o);
      throw;
    }
    number(o);
    queue->push(o);
    runner->notice();
    return o;
  }

  // That of `last_short` once more; null where it is to be issued as any other.
  operation* issue_last(const void* input, void* output, const void* op) {
    if (!last_short || at_once->verdicts().any() || !runner->is_free()) return nullptr;
    last_memories.input = input, last_memories.output = output, last_memories.fold.op = op;
    operation* const begun = issue_short(*last_short, last_memories);
    was_not_ready = !begun;
    return begun;
  }

  // As far as that gets at once; null where it has not begun.
  [[gnu::always_inline]] operation* issue_short(const prepared_call& p, const call_memories& m) {
    // What may throw comes first here too.
    if (!operations->has_reserved(p)) reserve(p);
    const std::uint64_t next = issued + 1, mark = history_with(p, next);
    const auto how = at_once->run({p, next, mark, static_cast<const std::byte*>(m.input), static_cast<std::byte*>(m.output), m.fold},
                                  m.waits ? runner->spins() : std::min(runner->spins(), looks_of_a_start), m.waits ? runner->yields_at_once() : 0);
    if (how == short_calls::outcome::not_ready) return nullptr;
    if (how == short_calls::outcome::done) {
      issued = next, history = mark;
      if (m.waits) return &nothing;
      // As many are in use as are waited for, however soon each is done: then none is made later.
      return &operations->take_done(next);
    }
    return &go_on(p, m, how);
  }
  [[gnu::noinline]] void reserve(const prepared_call& p) {
    at_once->make_room_for(p);
    operations->reserve(p);
  }
  // As an operation.
  [[gnu::noinline]] operation& go_on(const prepared_call& p, const call_memories& m, short_calls::outcome how) {
    operation& o = operations->take_reserved(p);
    number(o);
    o.begun_at = at_once->begun_at();
    const bool goes_on = guarded({home.fabric(), *queue, o, world_rank()}, [&] {
      if (how == short_calls::outcome::threw) std::rethrow_exception(at_once->thrown());
      place(o, m);
      if (how == short_calls::outcome::begun) o.resume(queue->channels(), at_once->pages_were_free());
      if (how == short_calls::outcome::ending) o.resume_at_end(queue->channels(), queue->bill());
    });
    // What a verdict has cut short fails with all others, and does nothing until then.
    if (!goes_on || how == short_calls::outcome::cut_short) o.begun = o.broken = true;
    queue->push(o);
    runner->notice();
    return o;
  }

  static void place(operation& o, const call_memories& m) {
    const bool keeps = m.keep && !m.waits;
    if (keeps) m.keep(o.functor, m.fold.op);
    o.data = placed(*o.plan, o.plan->what.element, m, o.scratch.data());
    if (keeps) o.data.fold.op = o.functor.kept();
    o.after = m.after;
  }
  // Ranks that once called different things differ in all that follows.
  std::uint64_t history_with(const prepared_call& p, std::uint64_t number) const { return mix(mix(p.shape, queue->id(number)), history) | 1; }

  /// Issues what has been collected as one.
  operation& issue_collected() {
    collected.end();
    const std::vector<message_call>& messages = collected.messages();
    if (collected.shapes().empty()) return post(messages.data(), messages.size());
    raise_verdict();
    check(messages.data(), messages.size());
    operation& o = operations->take(prepared({.calls = collected.shapes()}));
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

  // The next one of this communicator is that.
  void number(operation& o) {
    if (!o.plan->parts.empty()) collected.give(o.calls), o.data = {}, o.after = nullptr;
    else o.parts.clear();
    o.what.number = ++issued;
    history = history_with(*o.plan, issued);
    o.mark = {.fingerprint = history, .what = &o.what, .element = static_cast<std::uint32_t>(o.what.element), .shape = o.plan->shape};
  }

  void wait(operation& o) {
    struct at_end {
      communicator_core& of;
      operation& o;
      ~at_end() {
        give_back(o);
        of.operations->tidy();
      }
    } then{*this, o};
    runner->wait(o);
  }

  void choose_runner(communicator_options options) {
    channel_bytes = options.channel_bytes;
    messages_over = options.message_links ? link_use::no_windows : link_use::messages;
    operations.emplace(home.fabric(), options.kept_bytes);
    if (options.progress == progress::thread) own_engine = home.make_engine(counts);
    runner = own_engine ? own_engine.get() : &home.main_engine();
    if (own_engine) own_engine->beside(home.main_engine());
  }

  void connect(std::vector<int> members, communicator_key key, exchange& with) {
    // Both together stay within what was allowed.
    const std::size_t for_messages_bytes = channel_bytes / 5;
    auto l = runner->transport().connect(members, me, with, link_use::collectives, channel_bytes - for_messages_bytes);
    everyone = {static_cast<int>(members.size()), l->hosts()};
    auto for_messages = runner->transport().connect(members, me, with, messages_over, for_messages_bytes);
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
    const int cores = usable_cores(), here = home.sharing_cores();
    if (here > cores) model.cores = cores * home.size() / here;  // of all ranks, if theirs are alike
    settings = gather_values(with, me == 0 ? plan_settings::from_environment(model) : settings).at(0);
  }

  const prepared_call& prepared(const call_shape& c) {
    // Counts, and what is issued together, may differ from call to call.
    known_calls& kind = c.uneven || !c.calls.empty() ? known_lists : known;
    return kind.find(c, [&] { return prepare_chosen(c); }, [this](const prepared_call& p) { return operations->in_use(p); },
                     [this](const prepared_call& p) { forget(p); });
  }
  void forget(const prepared_call& p) {
    operations->forget(p), at_once->forget(p);
    if (last_short == &p) last_short = nullptr;
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

  std::size_t scratch_bytes() const {
    return queue->channels().bytes() + operations->scratch_bytes();
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
  const prepared_call* last_short = nullptr;  ///< what the last call was, if it may be done at once and has a key
  call_memories last_memories;
  bool was_not_ready = false;  ///< that call, just now
  std::optional<operation_pool> operations;
  std::uint64_t issued = 0, history = 0;  ///< operations: how many, and a fingerprint of all
  std::size_t channel_bytes = 0;
  link_use messages_over = link_use::messages;
  std::unique_ptr<message_pool> pool;
  std::vector<posted_message*> prepared_messages;
  std::vector<message_call> message_calls;  ///< for whoever issues several, to be filled again and again
  std::unique_ptr<engine> own_engine;
  engine* runner = nullptr;
  std::unique_ptr<operation_queue> queue;
  std::optional<short_calls> at_once;
  /// Of a call that returns before it is done: what it takes to make an operation of it.
  static constexpr int looks_of_a_start = 20;
};

}  // namespace tutti::detail
