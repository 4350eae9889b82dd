#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/config.hpp>
#include <tutti/comm/device_waits.hpp>
#include <tutti/comm/options.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/comm/statistics.hpp>
#include <tutti/transport/operation_id.hpp>
#include <tutti/transport/verdict.hpp>

namespace tutti {

class engine;
class fabric;
class survivors;
class trace_file;
struct loopback_world;

/// A rank's membership of a world: the transport, and the engine of the thread
/// that made it. Communicators are made from it and must not outlive it.
class session {
 public:
  /// Collective over the bootstrap. Ranks that are processes are joined by UCX.
  /// Throws `error` on all of them where one cannot be.
  template <bootstrap B>
  explicit session(B& b) : session(b, usual_options(b)) {}
  template <bootstrap B>
  session(B& b, session_options options)
      : session(std::make_unique<bootstrap_exchange<B>>(b), b.rank(), b.size(), {}, nullptr, options) {}

  /// Ranks that are threads of one process and share `world`; needs no UCX.
  template <bootstrap B>
  session(B& b, loopback_world& world, session_options options = {})
      : session(std::make_unique<bootstrap_exchange<B>>(b), b.rank(), b.size(), {}, &world, options) {}

  session(const session&) = delete;
  session& operator=(const session&) = delete;
  ~session();

  /// This rank's number in the world; what errors name.
  int rank() const { return rank_; }
  int size() const { return static_cast<int>(members_.size()); }
  /// The ranks that it joins: all of the world, or those that survived, by their
  /// numbers there.
  const std::vector<int>& members() const { return members_; }
  /// Ranks on this machine, this one included.
  int neighbours() const { return neighbours_; }
  /// Ranks that may run on a core on which this rank may, this one included.
  int sharing_cores() const { return sharing_; }
  tutti::fabric& fabric() { return *fabric_; }
  /// Where `buffer<T>(session, n)` lies: neighbours read it in place.
  std::shared_ptr<memory_source> memory();
  engine& main_engine() { return *engine_; }
  joint_exchange& world() { return exchange_; }

  /// An engine with a thread of its own, not started yet; its waits are counted
  /// in `counts`.
  std::unique_ptr<engine> make_engine(detail::counter_block& counts);

  /// What this rank has done so far, on all communicators, those that are gone
  /// included.
  statistics counters() const;

  /// Of these, the waits of the thread that made the session.
  statistics waits() const { return counts_.read(); }

  /// A communicator's own counters, and back: what they hold is not forgotten.
  detail::counter_block& take_counters();
  void give_back(detail::counter_block& counts) {
    const std::lock_guard held(counting_);
    free_counters_.push_back(&counts);
  }

  /// The key of the next communicator of all ranks: 0 for the first.
  communicator_key name_communicator() { return communicators_++ % most_communicators; }

  /// Tells the other ranks that this one gives up: they get an error that says
  /// `why` from what they wait in, or from their next call.
  void abandon(const char* why);

  /// Throws `mismatch` where one of its communicators found, at its end, that ranks had
  /// called different things of which nobody had heard: for when all of them are gone.
  void raise_mismatch() const;
  /// What such a communicator says; any thread's may.
  void note_mismatch(const verdict& v) {
    const std::lock_guard held(counting_);
    mismatch_ = v;
  }

  /// What its streams wait for.
  tutti::device_waits& device_waits() { return device_waits_; }

  /// After a verdict, collective over the ranks that go on: they agree on who
  /// they are (see `communicator::shrink`).
  std::unique_ptr<survivors> gather_survivors();

  /// A session of these alone. Collective over them.
  std::shared_ptr<session> joined_by(std::shared_ptr<survivors> all) const;

 private:
  // What the environment says of this rank may be refused: the others hear of it.
  template <bootstrap B>
  static session_options usual_options(B& b) try {
    return {};
  } catch (const error& e) {
    joint_exchange(std::make_unique<bootstrap_exchange<B>>(b), b.rank()).fail(e);
    throw;
  }
  session(std::unique_ptr<exchange> all, int rank, int size, std::vector<int> members, loopback_world* world,
          session_options options, std::shared_ptr<trace_file> trace = nullptr);
  void join(loopback_world* world);

  int rank_, world_size_, neighbours_ = 1, sharing_ = 1, unwinding_;
  communicator_key communicators_ = 0;
  std::vector<int> members_;
  session_options options_;
  waiting_policy waiting_{};
  detail::counter_block counts_;  // the main engine's
  mutable std::mutex counting_;  // threads make and destroy communicators
  std::optional<verdict> mismatch_;
  std::vector<std::unique_ptr<detail::counter_block>> counters_;
  std::vector<detail::counter_block*> free_counters_;
  tutti::device_waits device_waits_;
  joint_exchange exchange_;
  std::unique_ptr<loopback_world> own_world_;
  std::shared_ptr<trace_file> trace_;
  std::unique_ptr<tutti::fabric> fabric_;
  std::unique_ptr<engine> engine_;
};

namespace detail {

/// Counters of a session's, for as long as whoever counts there lives.
struct borrowed_counters {
  explicit borrowed_counters(session& s) : home(s), block(s.take_counters()), at_first(block.read()) {}
  borrowed_counters(const borrowed_counters&) = delete;
  borrowed_counters& operator=(const borrowed_counters&) = delete;
  ~borrowed_counters() { home.give_back(block); }
  session& home;
  counter_block& block;
  statistics at_first;
};

/// What the members of a session say, of all the world's ranks.
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

}  // namespace detail
}  // namespace tutti

#if TUTTI_WITH_BODIES
#include <exception>

#include <tutti/base/environment_names.hpp>
#include <tutti/base/log.hpp>
#include <tutti/comm/engine.hpp>
#include <tutti/comm/group.hpp>
#include <tutti/transport/loopback.hpp>
#include <tutti/transport/ucx_engine.hpp>

namespace tutti {

TUTTI_BODY session::session(std::unique_ptr<exchange> all, int rank, int size, std::vector<int> members,
                            loopback_world* world, session_options options, std::shared_ptr<trace_file> trace)
    : rank_(rank), world_size_(size), unwinding_(std::uncaught_exceptions()), members_(std::move(members)), options_(options),
      exchange_(std::move(all), rank, members_.empty()), trace_(std::move(trace)) {
  exchange_.together([&] { join(world); });
  log(log_level::info, fabric_->describe());
}

TUTTI_BODY void session::join(loopback_world* world) {
  if (members_.empty()) {  // the first session of its world
    members_ = detail::everyone(world_size_);
    if (rank_ == 0) warn_of_unknown_names();
    if (const char* path = environment("TUTTI_TRACE")) trace_ = std::make_shared<trace_file>(path, rank_);
  }
  if (world || members_.size() == 1) {
    if (!world) own_world_ = std::make_unique<loopback_world>();
    neighbours_ = sharing_ = size();
    fabric_ = std::make_unique<loopback_fabric>(world ? *world : *own_world_);
  } else {
    detail::log_rank = rank_;
    auto joined = std::make_unique<ucx_fabric>(exchange_, rank_, world_size_, members_);
    neighbours_ = joined->neighbours();
    sharing_ = joined->sharing_cores();
    fabric_ = std::move(joined);
  }
  waiting_ = options_.waiting.value_or(default_waiting(sharing_, usable_cores()));
  engine_ = std::make_unique<engine>(*fabric_, rank_, waiting_, options_.deadline, counts_, trace_.get());
}

// Whoever is here by an exception has not left in good order.
TUTTI_BODY session::~session() {
  if (std::uncaught_exceptions() > unwinding_) abandon("an exception ended its part in the session");
}

TUTTI_BODY void session::raise_mismatch() const {
  const std::lock_guard held(counting_);
  if (mismatch_) mismatch_->raise();
}

TUTTI_BODY std::unique_ptr<survivors> session::gather_survivors() {
  if (!fabric_->board().any())
    throw error(errc::invalid_argument, format("rank %d would shrink a session in which nothing has failed", rank_), rank_);
  if (const verdict v = fabric_->given(); v.condemned() == rank_)
    throw error(errc::expelled, format("rank %d was given up by the other ranks, which can go on without it: %s", rank_, v.text), rank_);
  return fabric_->gather_survivors(options_.deadline);
}

TUTTI_BODY std::shared_ptr<session> session::joined_by(std::shared_ptr<survivors> all) const {
  struct shared_exchange final : exchange {
    explicit shared_exchange(std::shared_ptr<survivors> s) : with(std::move(s)) {}
    contributions all_gather(bytes_view mine) override { return with->all_gather(mine); }
    std::shared_ptr<survivors> with;
  };
  std::vector<int> members = all->members();
  return std::shared_ptr<session>(new session(std::make_unique<shared_exchange>(std::move(all)), rank_, world_size_, std::move(members), nullptr, options_, trace_));
}

TUTTI_BODY std::shared_ptr<memory_source> session::memory() { return fabric_->memory(); }

TUTTI_BODY std::unique_ptr<engine> session::make_engine(detail::counter_block& counts) {
  // Whoever waits for a thread of its own has better use for the core: all of it, where
  // messages alone wake that thread, and neighbours' windows, which cannot, do not matter.
  waiting_policy waiting = waiting_;
  if (const int most = neighbours_ == 1 ? 0 : 50; !options_.waiting && waiting.yields > most) waiting.yields = most;
  return std::make_unique<engine>(*fabric_, rank_, waiting, options_.deadline, counts, trace_.get());
}

TUTTI_BODY statistics session::counters() const {
  const std::lock_guard held(counting_);
  statistics all = counts_.read();
  for (const auto& counts : counters_) all += counts->read();
  return all;
}

TUTTI_BODY detail::counter_block& session::take_counters() {
  const std::lock_guard held(counting_);
  if (free_counters_.empty()) {
    counters_.push_back(std::make_unique<detail::counter_block>());
    free_counters_.reserve(counters_.size());
    return *counters_.back();
  }
  detail::counter_block& found = *free_counters_.back();
  free_counters_.pop_back();
  return found;
}

TUTTI_BODY void session::abandon(const char* why) {
  if (fabric_->board().any()) return;
  verdict v{.code = errc::rank_failed, .rank = rank_};
  v.say(format("rank %d failed: %s", rank_, why));
  fabric_->declare(v);
}

}  // namespace tutti
#endif
