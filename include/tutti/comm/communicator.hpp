#pragma once
#include <initializer_list>
#include <memory>
#include <optional>
#include <vector>

#include <tutti/base/config.hpp>
#include <tutti/base/span.hpp>
#include <tutti/comm/call_shape.hpp>
#include <tutti/comm/flight_recorder.hpp>
#include <tutti/comm/message_call.hpp>
#include <tutti/comm/options.hpp>
#include <tutti/comm/session.hpp>
#include <tutti/schedule/team.hpp>
#include <tutti/transport/link_kind.hpp>

namespace tutti {

struct operation;
namespace detail {
struct communicator_core;
}

/// Ranks that communicate. Its collectives are free functions (`all_reduce` and
/// the others); every member calls the same ones in the same order. Used by one
/// thread at a time. Several threads of a rank have one each, made with
/// `progress::thread` where the thread is not the session's own, which alone moves
/// those with `progress::caller`; each duplicates, splits and destroys its own at
/// any time. Move-only; must not outlive its session.
class communicator {
 public:
  /// Of all ranks of the session. Collective.
  explicit communicator(session& s, communicator_options options = {});
  communicator(communicator&&) noexcept;
  communicator& operator=(communicator&&) noexcept;
  ~communicator();

  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Its ranks, and which of them are on one host, so far as windows join them.
  const team& all() const;

  /// The rank in the session, which errors name, of this rank or of a member.
  int world_rank() const { return world_rank_; }
  int world_rank(int member) const;

  /// Another communicator of the same ranks; what is issued on it is not ordered
  /// with what is issued here. Collective, and so are the next two. Throws
  /// `mismatch`, on every rank, where ranks call different ones of the three, and
  /// this communicator stays as good as it was; where some call a collective
  /// instead, the mismatch ends the session as any does. What fails on one rank
  /// fails on all. Cost of each: four or five all-gathers
  /// of a few hundred bytes, and memory for its channels.
  communicator duplicate(communicator_options options = {});

  /// One communicator for each colour, of the ranks that give it, ordered by key
  /// and, where keys are equal, by their rank here. Nothing for a rank whose
  /// colour is negative, which takes part all the same.
  std::optional<communicator> split(int colour, int key = 0, communicator_options options = {});

  /// A communicator of `members`, ranks of this one, in that order; all ranks
  /// name the same, and those that are not among them take part and get
  /// nothing. Throws `invalid_argument`, on every rank, where lists differ, or
  /// name a rank twice or one that is not here; this communicator stays as good
  /// as it was.
  std::optional<communicator> subset(span<const int> members, communicator_options options = {});
  std::optional<communicator> subset(std::initializer_list<int> members, communicator_options options = {}) {
    return subset(span<const int>(members.begin(), members.size()), options);
  }

  /// After an error that ended the session: a communicator of the ranks that
  /// survive, in their order here, that neither knows of that error nor of those
  /// that are gone. Collective over the ranks that go on; not among them are the
  /// one that the error names as died, stopped, late or cut off, whoever has left
  /// or dies, and who does not come within the session's deadline. All others
  /// agree; one that they gave up and that wakes later gets `expelled`, here and
  /// nowhere else. Where another rank is lost meanwhile, it is left out as well.
  ///
  /// To be called on a communicator of all ranks of the session, which is good
  /// for nothing else then: split the new one again. `world_rank` remains what it
  /// was, and so do the ranks that errors name. The new one may be shrunk in
  /// turn, and lasts as long as it or its own children do. Throws
  /// `invalid_argument` where nothing has failed, or for a part of the ranks.
  /// Cost: that of joining the session anew; where messages join ranks, what UCX has
  /// of the old one, with a thread that sleeps, stays until the process ends.
  ///
  /// Between hosts the lowest rank that survives leads. A rank that is lost
  /// while they join is then an error of every survivor, and where a network
  /// is cut in two, each side goes on without the other.
  communicator shrink(communicator_options options = {});

  /// How a call of this shape would be done. Every rank gets the same answer,
  /// but for the bytes that it sends itself.
  plan plan_for(call_shape c);

  /// Of this rank's memory that it holds now: its channels, and what its
  /// operations keep for calls like those before; `communicator_options` bounds
  /// both. A call needs `plan_for(call).scratch_bytes` for each under way at a time.
  std::size_t scratch_bytes() const;

  /// Where `buffer<T>(communicator, n)` lies: neighbours read it in place.
  std::shared_ptr<memory_source> memory();

  /// What this rank has done on this communicator: see `home().counters()` for
  /// all of them. Its waits are those of the thread that moves it, which
  /// communicators without a thread of their own share.
  statistics counters() const;
  /// For who moves what no link of its own does, one thread at a time: adds it to these.
  void count(link_kind kind, const traffic& sent);

  /// The last operations, at most 16, the oldest first, and before them as many
  /// messages: what error reports log. One that is done at once is among them from its end on.
  std::vector<operation_record> recent() const;

  /// The session that it belongs to.
  session& home() const;

  /// Which kind of link joins this rank to another.
  link_kind link_to(int peer) const;

  /// Issues an operation: what all collectives do. The functor behind the fold
  /// is copied into it, unless the caller waits for it at once; then it may be done
  /// already.
  operation& issue(const call_shape& c, const call_memories& m);
  /// The last call once more, if it has that key, in other memory and with an operation of
  /// the same type; null where it has not, or cannot be done at once: then it is to be issued.
  operation* issue_again(const call_key& key, const void* input, void* output, const void* op) {
    return key.kind && key == last_ ? issue_last(input, output, op) : nullptr;
  }

  /// Issues messages that are waited for together: what `send`, `recv` and the
  /// others do.
  operation& post(span<const message_call> calls);

  /// For who waits for something else than a call: moves what is under way, looks whether
  /// a rank is gone, and throws the session's verdict where there is one. Does not look
  /// where a thread of its own moves it. Cost: some 10 µs for each rank of this host.
  void watch_peers();

  /// Empty, for the calls of one `post`: what it has grown to is kept.
  std::vector<message_call>& message_calls();

  /// From here on what is issued is collected, until it is issued as one or dropped:
  /// what `together` does.
  void collect();
  /// Whether calls are collected at present: `invalid_argument` where they are, for
  /// one that returns its result.
  void need_result_at_once(const char* call) const;
  operation& issue_collected();
  void drop_collected();

  /// Waits for an operation and gives it back.
  void wait(operation& o) {
    if (&o != nothing_) wait_for(o);
  }

  engine& runner() { return *runner_; }

 private:
  explicit communicator(std::unique_ptr<detail::communicator_core> core);
  static std::optional<communicator> with_core(std::unique_ptr<detail::communicator_core> core);
  operation* issue_last(const void* input, void* output, const void* op);
  void wait_for(operation& o);

  int rank_, size_, world_rank_;
  std::unique_ptr<detail::communicator_core> core_;
  // As that says, for whoever starts a call or waits for one.
  engine* runner_;
  const operation* nothing_;  // stands for what was done at once
  call_key last_{};
};

}  // namespace tutti

#if TUTTI_WITH_BODIES
#include <algorithm>
#include <cstring>
#include <utility>

#include <tutti/comm/communicator_core.hpp>
#include <tutti/comm/group.hpp>
#include <tutti/comm/parent_exchange.hpp>

namespace tutti {

TUTTI_BODY communicator::communicator(session& s, communicator_options options)
    : communicator(std::make_unique<detail::communicator_core>(s, options)) {}
TUTTI_BODY communicator::communicator(std::unique_ptr<detail::communicator_core> core)
    : rank_(core->me), size_(core->size()), world_rank_(core->world_rank()), core_(std::move(core)), runner_(core_->runner), nothing_(&core_->nothing) {}
TUTTI_BODY communicator::communicator(communicator&&) noexcept = default;
TUTTI_BODY communicator& communicator::operator=(communicator&&) noexcept = default;
TUTTI_BODY communicator::~communicator() = default;

TUTTI_BODY int communicator::world_rank(int member) const {
  return core_->queue->members()[static_cast<std::size_t>(member)];
}

TUTTI_BODY const team& communicator::all() const { return core_->everyone; }

TUTTI_BODY communicator communicator::duplicate(communicator_options options) {
  detail::parent_exchange with(*core_, detail::making::duplicate);
  return communicator(detail::make_core(*core_, with, detail::everyone(size_), options));
}

TUTTI_BODY std::optional<communicator> communicator::split(int colour, int key, communicator_options options) {
  detail::parent_exchange with(*core_, detail::making::split);
  const detail::colour_and_key mine{colour, key};
  const auto group = detail::group_of_colour(gather_values(with, mine), colour);
  return with_core(detail::make_core(*core_, with, group, options));
}

TUTTI_BODY std::optional<communicator> communicator::subset(span<const int> members, communicator_options options) {
  detail::parent_exchange with(*core_, detail::making::subset);
  std::vector<std::vector<int>> lists;
  for (const auto& bytes : with.all_gather({reinterpret_cast<const std::byte*>(members.data()), members.size() * sizeof(int)})) {
    lists.emplace_back(bytes.size() / sizeof(int));
    if (!bytes.empty()) std::memcpy(lists.back().data(), bytes.data(), bytes.size());
  }
  std::vector<int> group = detail::group_of_lists(lists, core_->queue->members());
  const bool among = std::find(group.begin(), group.end(), rank_) != group.end();
  return with_core(detail::make_core(*core_, with, among ? std::move(group) : std::vector<int>{}, options));
}

TUTTI_BODY communicator communicator::shrink(communicator_options options) {
  const session& old = core_->home;
  if (size_ != old.size())
    throw error(errc::invalid_argument, format("rank %d would shrink a communicator of %d of the session's %d ranks: shrink one of all "
                                               "of them, and split it again", world_rank_, size_, old.size()), world_rank_);
  for (;;) {
    const std::shared_ptr<survivors> all = core_->home.gather_survivors();
    try {
      auto core = std::make_unique<detail::communicator_core>(old.joined_by(all), options);
      if (all->settle()) return communicator(std::move(core));
    } catch (const survivor_lost&) {
      // Once more, without it.
    } catch (const error&) {
      if (!all->lost_another()) throw;  // a connection to one that has died, say
    }
  }
}

TUTTI_BODY std::optional<communicator> communicator::with_core(std::unique_ptr<detail::communicator_core> core) {
  if (!core) return std::nullopt;
  return communicator(std::move(core));
}

TUTTI_BODY plan communicator::plan_for(call_shape c) { return core_->plan_for(c); }
TUTTI_BODY std::size_t communicator::scratch_bytes() const { return core_->scratch_bytes(); }
TUTTI_BODY std::shared_ptr<memory_source> communicator::memory() { return core_->home.memory(); }
TUTTI_BODY statistics communicator::counters() const { return core_->counters(); }
TUTTI_BODY void communicator::count(link_kind kind, const traffic& sent) { core_->counts.over(kind).add(sent); }
TUTTI_BODY std::vector<operation_record> communicator::recent() const {
  std::vector<operation_record> all = core_->queue->messages->recorder().read();
  const std::vector<operation_record> operations = core_->queue->recorder().read();
  all.insert(all.end(), operations.begin(), operations.end());
  return all;
}
TUTTI_BODY session& communicator::home() const { return core_->home; }
TUTTI_BODY link_kind communicator::link_to(int peer) const { return core_->queue->channels().kind(peer); }
TUTTI_BODY operation& communicator::issue(const call_shape& c, const call_memories& m) {
  if (!core_->collected.open()) {
    last_ = {};
    operation& o = core_->issue(c, m);
    if (core_->last_short) last_ = {m.kind, c.count, c.root};
    return o;
  }
  if (c.by_pair())
    throw error(errc::invalid_argument, format("rank %d: together: %s_v has counts that ranks agree on two by two, call it alone", world_rank_, name_of(c.what)),
                world_rank_);
  core_->collected.add(c, m);
  return core_->nothing;
}
TUTTI_BODY operation& communicator::post(span<const message_call> calls) {
  if (!core_->collected.open()) return core_->post(calls.data(), calls.size());
  core_->collected.add(calls);
  return core_->nothing;
}
TUTTI_BODY void communicator::collect() {
  if (core_->collected.open())
    throw error(errc::invalid_argument, format("rank %d: together: within another one of the same communicator", world_rank_), world_rank_);
  core_->collected.begin();
  last_ = {};  // what comes is not to be done at once
}
TUTTI_BODY operation* communicator::issue_last(const void* input, void* output, const void* op) { return core_->issue_last(input, output, op); }
TUTTI_BODY operation& communicator::issue_collected() { return core_->issue_collected(); }
TUTTI_BODY void communicator::need_result_at_once(const char* call) const {
  if (core_->collected.open())
    throw error(errc::invalid_argument,
                format("rank %d: %s returns its result, which there is not before all calls of a together are done: call it "
                       "before or after", world_rank_, call), world_rank_);
}
TUTTI_BODY void communicator::drop_collected() {
  core_->collected.end();
  core_->collected.clear();
}
TUTTI_BODY std::vector<message_call>& communicator::message_calls() {
  core_->message_calls.clear();
  return core_->message_calls;
}
TUTTI_BODY void communicator::wait_for(operation& o) { core_->wait(o); }
TUTTI_BODY void communicator::watch_peers() {
  if (!core_->runner->threaded()) {
    core_->runner->poll();
    core_->home.fabric().examine(core_->queue->id(core_->issued + 1), core_->queue->channels(), core_->queue->members());
  }
  core_->raise_verdict();
}

}  // namespace tutti
#endif
