#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <csignal>

#include <pthread.h>
#include <sched.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/config.hpp>
#include <tutti/base/log.hpp>
#include <tutti/comm/diagnosis.hpp>
#include <tutti/comm/operation_marks.hpp>
#include <tutti/comm/operation_queue.hpp>
#include <tutti/comm/options.hpp>
#include <tutti/comm/trace_file.hpp>
#include <tutti/transport/link.hpp>

namespace tutti {

/// Moves the operations of its communicators forward: in whatever thread calls
/// it, or in one of its own.
class engine {
 public:
  /// `counts`, where its waits are counted, must outlive it.
  engine(fabric& f, int world_rank, waiting_policy waiting, double deadline, detail::counter_block& counts,
         trace_file* trace = nullptr)
      : fabric_(f), board_(f.board()), transport_(f.make_engine()), world_rank_(world_rank), waiting_(waiting), deadline_(deadline),
        counts_(counts), trace_(trace), exact_(trace || current_log_level() >= log_level::trace) {}
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;
  ~engine() { stop(); }

  engine_transport& transport() { return *transport_; }
  void add(operation_queue& q) {
    queues_.push_back(&q);
    if (exact_)
      q.messages->listen({.tell = [](void* self, const operation_queue& of, const operation_record& r) { static_cast<engine*>(self)->tell(of, r); },
                          .context = this, .of = &q});
  }
  void remove(operation_queue& q) { std::erase(queues_, &q); }

  /// From here on a thread of its own does all the work, until `stop`.
  void start_thread() {
    threaded_ = true;
    // A signal is for the program's own threads.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = ::pthread_create(&thread_, nullptr, [](void* self) -> void* {
      static_cast<engine*>(self)->work();
      return nullptr;
    }, this);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (failed != 0) {
      threaded_ = false;
      throw error(errc::not_supported, "the progress thread could not be started", world_rank_);
    }
  }
  void stop() {
    if (!threaded_) return;
    stopping_.store(true, std::memory_order_release);
    transport_->wake();
    ::pthread_join(thread_, nullptr);
    threaded_ = false;
  }
  bool threaded() const { return threaded_; }

  /// To be called after an operation was pushed.
  void notice() {
    if (threaded_) transport_->wake();
    else step();
  }

  /// Returns once the operation is done; throws the session's verdict where it
  /// failed.
  void wait(operation& o) {
    o.awaited.store(true, std::memory_order_relaxed);
    if (threaded_) {
      // What this thread has under way elsewhere must not stand still meanwhile.
      if (engine* other = idle_without_us()) other->drive([&] { return o.current() != operation::stage::running; });
      while (o.current() == operation::stage::running) {
        o.sleepers.store(1, std::memory_order_seq_cst);
        if (o.current() == operation::stage::running) {
          const double since = now();
          futex_wait(o.state, static_cast<std::uint32_t>(operation::stage::running), waiting_.stretch);
          counts_.calling.add(now() - since);
        }
      }
    } else {
      drive([&] { return o.current() != operation::stage::running; });
    }
    if (o.current() == operation::stage::failed) fabric_.given().raise();
  }

  /// Whether whoever makes a call may do it at once, with some looks.
  bool is_free() const { return !threaded_ && !exact_ && !transport_->asks_the_system() && !busy(); }
  int spins() const { return waiting_.spins; }
  /// How often they may offer the processor to others meanwhile: never where each rank
  /// has a core of its own.
  int yields_at_once() const { return waiting_.spins > 0 ? 0 : waiting_.yields; }

  /// Moves things forward without waiting; fails what cannot be done any more.
  /// Called again and again with nothing to do, it looks at the peers as often
  /// as a rank that waits.
  void poll() {
    if (step() || drain()) {
      polled_idle_since_ = 0;
    } else if (board_.any()) {
      fail_all();
    } else if (const double t = now(); polled_idle_since_ == 0) {
      polled_idle_since_ = t;
    } else if (t - polled_idle_since_ > waiting_.stretch) {
      polled_idle_since_ = 0;
      examine();
    }
  }

  /// Logs the session's verdict and what led to it here, the first time only. To
  /// be called once there is a verdict, in the thread that moves things.
  void report() {
    if (reported_.exchange(true)) return;
    std::string text;
    for (operation_queue* q : queues_) text += detail::last_of(*q, now());
    if (!text.empty()) log(log_level::error, fabric_.given().text + text);
  }

  /// Of an engine with a thread of its own: the one that moves only in calls of
  /// the thread that made it, which this is.
  void beside(engine& main) { main_ = &main; }
  /// One look at that one, where it has anything to do.
  void poll_beside() {
    if (engine* other = idle_without_us()) other->poll();
  }

  /// One look at everything; true where something moved.
  bool step() {
    bool moved = transport_->progress();
    for (operation_queue* q : queues_)
      if (operation* o = q->front()) moved |= step(*q, *o);
    for (operation_queue* q : queues_)
      if (q->messages->busy()) moved |= q->messages->progress();
    return moved;
  }

  /// Takes messages that nobody has asked for yet; true where any came.
  bool drain() {
    bool moved = false;
    for (operation_queue* q : queues_)
      moved |= q->messages->drain();
    return moved;
  }

 private:
  bool step(operation_queue& q, operation& o) {
    // After a verdict peers' memory may be gone, or be used for something else.
    if (o.broken || cut_short(q, o)) return false;
    ++o.steps;
    bool moved = false, ended = false;
    if (!detail::guarded({fabric_, q, o, world_rank_}, [&] { ended = advance(q, o, moved); })) return false;
    if (!ended) return moved;
    if (!marks(q).complete(o.what.number)) return false;
    if (q.counts) o.each_call([&](collective what, std::size_t calls, const traffic& sent) { q.counts->completed(what, sent, calls); });
    record_end(q, o, operation_record::state::done);
    q.pop();
    detail::finish(o, operation::stage::done);
    return true;
  }

  // Whether its results are there; `moved`: whether anything was done.
  bool advance(operation_queue& q, operation& o, bool& moved) {
    if (!o.begun) begin(q, o);
    if (!o.agreed) {
      moved = o.progress(q.channels());
      if (o.met().met) mismatch(q, o, o.met());
      if (!o.done() || (o.plan->lent && board_.any()) || !o.begin_body(q.channels())) return false;
    }
    if (o.passing()) {
      // What is shown stays until all have done with it: only lent memory may be gone.
      if (o.lent && board_.any()) return false;
      o.pass(q.channels(), q.bill());
      moved = true;
      if (o.passing()) return false;
    }
    moved |= o.progress(q.channels());
    if (o.met().met) mismatch(q, o, o.met());
    if (!o.done() || o.goes_on()) return false;
    if ((o.body.borrowed() && !o.all_shown()) || o.lent) {
      // After a verdict its owner may have written to it: whoever has seen that
      // must see the verdict as well.
      // (A thread sanitizer knows no fences.)
      if constexpr (!under_thread_sanitizer) std::atomic_thread_fence(std::memory_order_acquire);
      if (board_.any()) return false;
    }
    if (cut_short(q, o)) return false;
    o.finish_results();
    return true;
  }

  operation_marks marks(operation_queue& q) { return {fabric_, q}; }
  bool cut_short(operation_queue& q, const operation& o) { return board_.any() && marks(q).cut_short(o.what.number); }

  void begin(operation_queue& q, operation& o) {
    const operation_marks all = marks(q);
    all.open(o.what.number);
    // What others wait for goes out before all that is only written down.
    o.begin(q.channels());
    o.begun_at = exact_ ? now() : coarse_now();
    all.enter(o.what, o.plan->shape, o.what.number, o.begun_at);
    if (o.waits_for_round) o.round.ring();
  }

  void record_end(operation_queue& q, const operation& o, operation_record::state how) {
    // Few looks take less time than the coarse clock can tell.
    const double ended = exact_ ? now() : o.steps > few_steps ? coarse_now() : o.begun_at;
    q.recorder().end(o.what.number, how, ended);
    if (exact_) tell(q, {.number = o.what.number, .what = o.what, .is = how, .begun = o.begun_at, .ended = ended});
  }

  void tell(const operation_queue& q, const operation_record& r) {
    if (trace_) {
      const std::string of = of_communicator(q.key(), q.members());
      trace_->add(r, q.key(), of.empty() ? "the first communicator" : of.substr(sizeof " of " - 1));
    }
    if (current_log_level() >= log_level::trace) detail::log_end(q, r);
  }

  void mismatch(operation_queue& q, operation& o, const execution::stranger& s) {
    detail::declare_mismatch({fabric_, q, o, world_rank_}, s.peer, s.what);
  }

  static constexpr unsigned few_steps = 16;
  static constexpr double longest_yielding = 0.02;  // seconds

  template <class Done>
  void drive(Done done) {
    int idle = 0;
    const int spins = transport_->asks_the_system() ? 0 : waiting_.spins;
    double yielding_since = 0;
    while (!done()) {
      if (step() || ((idle & 15) == 15 && drain())) {
        idle = 0;
        continue;
      }
      if (((++idle & 63) == 0 || idle > spins) && board_.any()) {
        fail_all();
        continue;
      }
      if (idle <= spins) {
        relax();
      } else if (idle <= spins + waiting_.yields) {
        // Where many want the processor a yield lasts a time slice of each, and
        // all of them longer than a dead peer may go unnoticed.
        if (idle == spins + 1) yielding_since = now();
        else if (now() - yielding_since > longest_yielding) idle = spins + waiting_.yields;
        ::sched_yield();
      } else {
        rest();
      }
    }
  }

  void work() {
    drive([&] { return stopping_.load(std::memory_order_acquire); });
  }

  static void relax() {
#if TUTTI_ON_X86_64
    __builtin_ia32_pause();
#endif
  }

  // Sleeps a stretch; if nothing came, looks at who may be missing.
  void rest() {
    bool looked = false;
    struct look_context {
      engine* self;
      bool* moved;
    } context{this, &looked};
    const double since = now();
    const bool waits = busy();
    operation_queue::awaited call;
    for (operation_queue* q : queues_)
      if (!call.by_call) call = q->awaits();
    transport_->sleep(waiting_.stretch,
                      [](void* c) {
                        auto& look = *static_cast<look_context*>(c);
                        if (look.self->stopping_.load(std::memory_order_acquire)) return true;
                        return *look.moved = look.self->step() || look.self->drain();
                      },
                      &context);
    const double slept = now() - since;
    if (waits) counts_.moving.add(slept);
    call.slept(slept);
    if (looked || step()) return;
    examine();
  }

  bool busy() const {
    for (const operation_queue* q : queues_)
      if (!q->empty() || q->messages->busy()) return true;
    return false;
  }

  void examine() {
    bool stuck = false;
    for (operation_queue* q : queues_) {
      operation* o = q->front();
      if (!o || !o->begun || o->broken) continue;
      const detail::waiting_operation waits{fabric_, *q, *o, world_rank_};
      detail::look_for_strangers(waits);
      if (!stuck) fabric_.open_operation().store(q->id(o->what.number), std::memory_order_relaxed);
      stuck = true;
      fabric_.examine(q->id(o->what.number), q->channels(), q->members());
      if (board_.any()) return;
      detail::look_for_missing(waits, deadline_);
    }
    for (operation_queue* q : queues_) {
      if (!q->messages->busy()) continue;
      fabric_.examine(q->messages->next_operation(), q->channels(), q->members());
      if (board_.any()) return;
      q->messages->examine(deadline_);
    }
  }

  void fail_all() {
    transport_->abandon();
    report();
    for (operation_queue* q : queues_)
      while (operation* o = q->front()) {
        if (o->begun) record_end(*q, *o, operation_record::state::failed);
        q->pop();
        detail::finish(*o, operation::stage::failed);
      }
    for (operation_queue* q : queues_)
      if (q->messages->busy()) q->messages->fail();
    // A thread with nothing left to do need not look again and again.
    if (threaded_ && !stopping_.load(std::memory_order_acquire)) transport_->sleep(waiting_.stretch, [](void* c) {
      auto& self = *static_cast<engine*>(c);
      if (self.stopping_.load(std::memory_order_acquire)) return true;
      return self.busy();
    }, this);
  }

  fabric& fabric_;
  const verdict_board& board_;
  std::unique_ptr<engine_transport> transport_;
  int world_rank_;
  waiting_policy waiting_;
  double deadline_;
  detail::counter_block& counts_;
  trace_file* trace_;
  bool exact_;  // operations are traced, and timed for it
  std::atomic<bool> reported_{false};
  std::vector<operation_queue*> queues_;
  double polled_idle_since_ = 0;
  engine* idle_without_us() const {
    return main_ && ::pthread_equal(main_->maker_, ::pthread_self()) && main_->busy() ? main_ : nullptr;
  }
  engine* main_ = nullptr;
  pthread_t maker_ = ::pthread_self();
  bool threaded_ = false;
  std::atomic<bool> stopping_{false};
  pthread_t thread_{};
};

}  // namespace tutti
