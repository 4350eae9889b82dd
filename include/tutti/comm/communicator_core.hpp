#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <tutti/comm/engine.hpp>
#include <tutti/comm/group.hpp>
#include <tutti/comm/message_pool.hpp>
#include <tutti/comm/plan.hpp>
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
            .bytes_sent = p->shown ? p->shown->sent_bytes : lent ? p->lent->sent_bytes : p->body.sent_bytes, .scratch_bytes = p->scratch_bytes()};
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
    if (!runner->threaded()) runner->report();
    home.fabric().given().raise();
  }

  /// Issues messages that are waited for together.
  operation& post(const message_call* calls, std::size_t n) {
    raise_verdict();
    pool->check(calls, n);
    if (n == 1) {
      posted_message& m = pool->prepare(*calls, nullptr);
      queue->messages->submit(m);
      runner->notice();
      return m;
    }
    joint_operation& all = pool->join(n);
    prepared_messages.clear();
    try {
      prepared_messages.reserve(n);
      for (std::size_t i = 0; i < n; ++i) prepared_messages.push_back(&pool->prepare(calls[i], &all));
    } catch (...) {
      for (posted_message* m : prepared_messages) give_back(*m);
      give_back(all);
      throw;
    }
    if (n == 0) finish(all, operation::stage::done);
    for (posted_message* m : prepared_messages) queue->messages->submit(*m);
    runner->notice();
    return all;
  }

  operation& issue(const call_shape& c, const call_memories& m, functor_keeper keep = nullptr) {
    raise_verdict();
    if (keeps_too_much) make_room(0);
    const prepared_call& p = prepared(c);
    operation& o = free_operation(p);
    // What may throw comes first: nothing has been issued then.
    try {
      if (o.scratch.size() < p.scratch_bytes()) {
        o.scratch = {};
        make_room(p.scratch_bytes());
        o.scratch = scratch(p.scratch_bytes());
      }
      if (keep) keep(o.functor, m.fold.op);
      if (m.before) m.before(o.scratch.data() + p.staging_begin(), m.fold.op);
    } catch (...) {
      give_back(o);
      throw;
    }
    o.what = p.what;
    o.what.number = ++issued;
    o.mark = {.fingerprint = mix(p.shape, queue->id(o.what.number)) | 1, .what = &o.what,
              .element = static_cast<std::uint32_t>(c.element)};
    o.data = {.input = static_cast<const std::byte*>(m.input), .output = static_cast<std::byte*>(m.output),
              .scratch = o.scratch.data(), .element = c.element, .alignment = m.alignment, .fold = m.fold, .pairs = p.pairs};
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
        if (!o->in_use && o->scratch.size() > 0 && (!oldest || o->what.number < oldest->what.number)) oldest = o.get();
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
    const std::size_t for_messages_bytes = channel_bytes / 8 * 3;
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
    runner->add(*queue);
    if (own_engine) own_engine->start_thread();
    else queue->keep_to_one_thread();
  }

  // Rank 0's environment and cores decide, so that everybody plans alike.
  void agree_on_settings(exchange& with) {
    cost_model model;
    const int cores = usable_cores(), here = home.neighbours();
    if (here > cores) model.cores = cores * home.size() / here;  // of all machines, if they are alike
    if (me == 0) settings = plan_settings::from_environment(model);
    settings = gather_values(with, settings).at(0);
  }

  const prepared_call& prepared(const call_shape& c) {
    if (c.uneven) return prepared_uneven(c);
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
    chosen.algorithm = choose(c);
    known.push_back({c, prepare(chosen, everyone, {me}, direct(c), shows())});
    last = static_cast<std::uint32_t>(known.size() - 1);
    return *known.back().how;
  }

  // Counts may differ from call to call: only the shapes used last are kept.
  const prepared_call& prepared_uneven(const call_shape& c) {
    for (known_shape& k : known_uneven)
      if (k.asked.is(c)) {
        k.last_used = ++uneven_calls;
        return *k.how;
      }
    known_shape* oldest = nullptr;
    for (known_shape& k : known_uneven)
      if ((!oldest || k.last_used < oldest->last_used) && !in_use(*k.how)) oldest = &k;
    call_shape chosen = c;
    chosen.algorithm = choose(c);
    known_shape found{c, prepare(chosen, everyone, {me}, algorithm::automatic, shows()), ++uneven_calls};
    if (!c.counts.empty()) found.asked.counts = found.how->counts;
    found.asked.received = found.how->received;
    if (known_uneven.size() < most_uneven || !oldest) {
      known_uneven.push_back(std::move(found));
      return *known_uneven.back().how;
    }
    for (const auto& o : operations)
      if (o->plan == oldest->how.get()) o->plan = nullptr;
    *oldest = std::move(found);
    return *oldest->how;
  }

  bool in_use(const prepared_call& p) const {
    for (const auto& o : operations)
      if (o->in_use && o->plan == &p) return true;
    return false;
  }

  // All that no operation uses, since memory for shapes is bounded.
  void forget_shapes() {
    std::erase_if(known, [&](const known_shape& k) { return !in_use(*k.how); });
    for (const auto& o : operations)
      if (!o->in_use) o->plan = nullptr;
  }

  // One that last did the same has all the memory that it needs. Otherwise the
  // smallest that has enough: what once had memory for a shape keeps it.
  operation& free_operation(const prepared_call& p) {
    operation* found = nullptr;
    bool enough = false;
    // Most calls are as the one before, which has ended.
    if (last_used && !last_used->in_use && last_used->plan == &p) return used(*last_used, p);
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
    return used(*(last_used = found), p);
  }
  static operation& used(operation& o, const prepared_call& p) {
    o.in_use = true;
    o.detached.store(false, std::memory_order_relaxed);
    o.begun = o.broken = o.told = false;
    o.plan = &p;
    o.sleepers.store(0, std::memory_order_relaxed);
    o.state.store(static_cast<std::uint32_t>(operation::stage::running), std::memory_order_relaxed);
    return o;
  }

  struct known_shape {
    call_shape asked;
    std::unique_ptr<prepared_call> how;
    std::uint64_t last_used = 0;  // of uneven ones
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

  std::size_t scratch_bytes() const {
    std::size_t bytes = queue->channels().bytes();
    for (const auto& o : operations) bytes += o->scratch.size();
    return bytes;
  }

  // What the members of a session say, of the world's ranks.
  class among_members final : public exchange {
   public:
    explicit among_members(session& s) : session_(s) {}
    contributions all_gather(bytes_view mine) override {
      contributions all = session_.world().all_gather(mine), said;
      for (int r : session_.members()) said.push_back(std::move(all.at(static_cast<std::size_t>(r))));
      return said;
    }

   private:
    session& session_;
  };
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
  static constexpr std::size_t most_shapes = 1024, most_uneven = 64, hint_count = 64;
  std::vector<known_shape> known, known_uneven;
  std::uint64_t uneven_calls = 0;
  std::uint32_t hints[hint_count] = {};
  std::vector<std::unique_ptr<operation>> operations;
  operation* last_used = nullptr;  ///< of these
  std::uint64_t issued = 0;
  std::size_t channel_bytes = 0, kept_bytes = 0;
  bool keeps_too_much = false;  ///< operations under way need more than they may keep
  std::unique_ptr<message_pool> pool;
  std::vector<posted_message*> prepared_messages;
  std::vector<message_call> message_calls;  ///< for whoever issues several, to be filled again and again
  std::unique_ptr<engine> own_engine;
  engine* runner = nullptr;
  std::unique_ptr<operation_queue> queue;
};

}  // namespace tutti::detail
