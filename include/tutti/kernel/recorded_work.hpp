#pragma once
#include <functional>
#include <list>
#include <utility>

#include <tutti/base/error.hpp>

namespace tutti {

/// Takes what cannot be recorded of work that is.
class work_recorder {
 public:
  virtual void host_does(std::function<void()> what) = 0;

 protected:
  ~work_recorder() = default;
};

/// A context in whose order work is done, or recorded.
class recordable {
 public:
  /// What waits, takes memory or asks other ranks, in the midst of work: done now, or, where
  /// that work is recorded, each time it is replayed, after all that came before it. What it
  /// refers to must then outlive the record.
  template <class What>
  void on_host(What what) {
    if (recorder_) recorder_->host_does(std::move(what));
    else what();
  }

  /// Who records its work; null: it is done.
  void recorded_by(work_recorder* recorder) { recorder_ = recorder; }

  /// How the host waits for all that was given so far, in the place of the context's own way;
  /// empty: by that.
  void wait_by(std::function<void()> how) { how_to_wait_ = std::move(how); }

 protected:
  /// Whether it has done so. Throws `device` while its work is recorded.
  bool has_waited() const {
    if (recorder_) throw error(errc::device, "the host waits in the midst of work that is recorded");
    if (how_to_wait_) how_to_wait_();
    return static_cast<bool>(how_to_wait_);
  }

 private:
  work_recorder* recorder_ = nullptr;
  std::function<void()> how_to_wait_{};
};

/// What in the work of a context is the host's: see `recordable`. Where a context is never
/// recorded it is done at once.
template <class Context, class What>
void done_on_host(Context& c, What what) {
  if constexpr (requires { c.on_host(what); }) c.on_host(std::move(what));
  else what();
}

/// Work of a machine, recorded once for good: graphs, and between them what is done
/// `on_host`. A `Machine::graph` takes, between `begin` and `end`, what the context is given;
/// it can be replayed then, unless it is `empty`, or `give_up` ends it halfway.
template <class Machine>
class recorded_work final : work_recorder {
  using context = typename Machine::context;
  using graph = typename Machine::graph;

 public:
  recorded_work() = default;
  recorded_work(const recorded_work&) = delete;
  recorded_work& operator=(const recorded_work&) = delete;

  /// Nothing of it is done yet. Throws what the body throws, and what a graph does where it
  /// cannot hold it; nothing is recorded then.
  template <class Body>
  void record(context& c, Body body) {
    pieces_.clear();
    at_ = &c;
    try {
      begin();
      body();
      end();
    } catch (...) {
      if (graph* const begun = std::exchange(open_, nullptr)) begun->give_up(c);
      c.recorded_by(nullptr);
      pieces_.clear();
      throw;
    }
  }
  bool recorded() const { return !pieces_.empty(); }

  /// Does it, in the order of the context. Throws what the host's parts do, and what a
  /// device says.
  void replay(context& c) {
    for (piece& each : pieces_) {
      if (!each.work.empty()) each.work.replay(c);
      if (each.then) each.then();
    }
  }

 private:
  struct piece {
    graph work{};
    std::function<void()> then{};
  };

  void host_does(std::function<void()> what) override {
    end();
    pieces_.back().then = std::move(what);
    begin();
  }
  void begin() {
    graph& next = pieces_.emplace_back().work;
    next.begin(*at_);
    open_ = &next;
    at_->recorded_by(this);
  }
  void end() {
    at_->recorded_by(nullptr);
    std::exchange(open_, nullptr)->end(*at_);
  }

  std::list<piece> pieces_{};
  context* at_ = nullptr;
  graph* open_ = nullptr;
};

}  // namespace tutti
