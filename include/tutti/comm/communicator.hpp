#pragma once
#include <memory>

#include <tutti/base/config.hpp>
#include <tutti/comm/call_shape.hpp>
#include <tutti/comm/kept_functor.hpp>
#include <tutti/comm/options.hpp>
#include <tutti/comm/session.hpp>
#include <tutti/transport/link_kind.hpp>

namespace tutti {

struct operation;
namespace detail {
struct communicator_core;
}

/// Ranks that communicate. Its collectives are free functions (`all_reduce` and
/// the others); every member calls the same ones in the same order. Used by one
/// thread at a time. Move-only; must not outlive its session.
class communicator {
 public:
  /// Of all ranks of the session. Collective.
  explicit communicator(session& s, communicator_options options = {});
  communicator(communicator&&) noexcept;
  communicator& operator=(communicator&&) noexcept;
  ~communicator();

  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Another communicator of the same ranks; what is issued on it is not ordered
  /// with what is issued here. Collective. Cost: three all-gathers of a few
  /// hundred bytes, and memory for its channels.
  communicator duplicate(communicator_options options = {});

  /// How a call of this shape would be done. Every rank gets the same answer,
  /// but for the bytes that it sends itself.
  plan plan_for(call_shape c);

  /// Where `buffer<T>(communicator, n)` lies: neighbours read it in place.
  std::shared_ptr<memory_source> memory();

  /// Which kind of link joins this rank to another.
  link_kind link_to(int peer) const;

  /// Issues an operation: what all collectives do. The functor behind the fold
  /// must live until the operation is done; `keep`, where not null, puts a copy
  /// of it into the operation first.
  operation& issue(const call_shape& c, const call_memories& m, functor_keeper keep = nullptr);

  /// Waits for an operation and gives it back.
  void wait(operation& o);

  engine& runner();

 private:
  explicit communicator(std::unique_ptr<detail::communicator_core> core);

  int rank_, size_;
  std::unique_ptr<detail::communicator_core> core_;
};

}  // namespace tutti

#if TUTTI_WITH_BODIES
#include <tutti/comm/communicator_core.hpp>

namespace tutti {

TUTTI_BODY communicator::communicator(session& s, communicator_options options)
    : communicator(std::make_unique<detail::communicator_core>(s, options)) {}
TUTTI_BODY communicator::communicator(std::unique_ptr<detail::communicator_core> core)
    : rank_(core->me), size_(core->size()), core_(std::move(core)) {}
TUTTI_BODY communicator::communicator(communicator&&) noexcept = default;
TUTTI_BODY communicator& communicator::operator=(communicator&&) noexcept = default;
TUTTI_BODY communicator::~communicator() = default;

TUTTI_BODY communicator communicator::duplicate(communicator_options options) {
  detail::parent_exchange with(*core_);
  return communicator(
      std::make_unique<detail::communicator_core>(core_->home, core_->queue->members(), core_->me, with, options));
}

TUTTI_BODY plan communicator::plan_for(call_shape c) { return core_->plan_for(c); }
TUTTI_BODY std::shared_ptr<memory_source> communicator::memory() { return core_->home.memory(); }
TUTTI_BODY link_kind communicator::link_to(int peer) const { return core_->queue->channels().kind(peer); }
TUTTI_BODY operation& communicator::issue(const call_shape& c, const call_memories& m, functor_keeper keep) {
  return core_->issue(c, m, keep);
}
TUTTI_BODY void communicator::wait(operation& o) { core_->wait(o); }
TUTTI_BODY engine& communicator::runner() { return *core_->runner; }

}  // namespace tutti
#endif
