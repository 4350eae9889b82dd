#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/base/packing.hpp>
#include <tutti/transport/doorbell.hpp>
#include <tutti/transport/survivors.hpp>

namespace tutti {

/// Which ranks of a host go on, in memory that all see. One word decides: which
/// attempt this is, whether its members are still sought, were named or have all
/// joined, and who named them. It changes by compare-and-swap alone, so that all
/// ranks see the same history however any of them ends.
struct survivor_board {
  enum class stage : std::uint32_t { gathering, named, settled };
  struct view {
    std::uint32_t attempt;
    stage at;
    std::uint32_t namer;  ///< whose list counts; while an attempt gathers, of the attempt before

    std::uint64_t word() const { return std::uint64_t{attempt} << 32 | std::uint64_t{namer} << 2 | static_cast<std::uint64_t>(at); }
    static view of(std::uint64_t w) {
      return {static_cast<std::uint32_t>(w >> 32), static_cast<stage>(w & 3), static_cast<std::uint32_t>(w >> 2) & 0x3fffffff};
    }
  };

  std::atomic<std::uint64_t> word{view{1, stage::gathering, 0}.word()};
  std::atomic<std::uint32_t> event{0};  ///< changes whenever somebody should look again

  view look() const { return view::of(word.load(std::memory_order_acquire)); }
  bool change(view from, view to) {
    std::uint64_t expected = from.word();
    const bool changed = word.compare_exchange_strong(expected, to.word(), std::memory_order_acq_rel);
    if (changed) announce();
    return changed;
  }
  void announce() {
    event.fetch_add(1, std::memory_order_acq_rel);
    futex_wake(event);
  }
};

/// What one rank writes for the others, who only read it.
struct survivor_desk {
  static constexpr std::size_t most_ranks = 4096, piece_bytes = 1024;

  std::atomic<std::uint32_t> attempt{0};  ///< that it has come to
  std::atomic<std::uint32_t> gave_up{0};
  std::atomic<std::uint64_t> round{0};    ///< the attempt in the upper half, its all-gathers below
  std::uint64_t length[2] = {};           ///< by round: of the whole contribution
  std::byte piece[2][piece_bytes] = {};
  std::uint64_t named[2][most_ranks / 64] = {};  ///< by attempt: a bit for each rank that it would go on with
};

/// The survivors of a session all of whose ranks share memory.
///
/// Whoever finds that every rank has come, or is lost, names those that have
/// come; the first counts. Where one of these is lost before all have settled,
/// the word moves on to another attempt, among them. Cost: a look at the word and
/// at each desk for every step; ranks sleep in between.
class near_survivors final : public survivors {
 public:
  /// Which ranks have ended, left or are stopped, now: asked while this rank waits.
  using finder = std::function<std::vector<int>()>;

  /// `desks` by rank of the world, null for those that are not in the session;
  /// `condemned` (−1: none) is not waited for, and who does not come within
  /// `patience` seconds is lost as well. Throws `expelled` where the others have
  /// gone on without this rank, `invalid_argument` where it has gone on already.
  near_survivors(survivor_board& board, std::vector<survivor_desk*> desks, int me, int condemned, double patience, finder lost)
      : board_(board), desks_(std::move(desks)), me_(me), find_lost_(std::move(lost)), lost_(desks_.size()) {
    if (desks_.size() > survivor_desk::most_ranks)
      throw error(errc::not_supported, format("more than %zu ranks cannot be shrunk", survivor_desk::most_ranks), me);
    if (condemned >= 0) lost_[static_cast<std::size_t>(condemned)] = true;
    const double until = now() + patience;
    while (!come(until)) {
    }
    for (std::size_t r = 0; r < desks_.size(); ++r)
      if (named(agreed_, r)) members_.push_back(static_cast<int>(r));
  }
  ~near_survivors() override {
    if (settled_ || board_.word.load() != agreed_.word()) return;
    own().gave_up.store(1, std::memory_order_release);
    start_again();
  }

  const std::vector<int>& members() const override { return members_; }

  contributions all_gather(bytes_view mine) override {
    if (settled_) throw error(errc::not_supported, "ranks that have shrunk make new communicators from the one they have", me_);
    return gather_in_pieces(desks_.size(), mine, survivor_desk::piece_bytes, [&](bytes_view piece, auto take) {
      const std::uint64_t round = ++round_, side = round & 1;
      // Two sides: whoever writes round k + 2 knows from round k + 1 that all have read round k.
      own().length[side] = mine.size();
      if (!piece.empty()) std::memcpy(own().piece[side], piece.data(), piece.size());
      own().round.store(std::uint64_t{agreed_.attempt} << 32 | round, std::memory_order_release);
      board_.announce();
      wait_for_all(round);
      for (int m : members_) {
        const survivor_desk& theirs = *desks_[static_cast<std::size_t>(m)];
        take(m, theirs.length[side], theirs.piece[side]);
      }
    });
  }

  bool lost_another() override {
    // One that is being killed gives its memory up before it counts as ended.
    for (const double until = now() + 0.5; board_.look().attempt == agreed_.attempt && now() < until;) {
      for (int r : find_lost_())
        if (std::find(members_.begin(), members_.end(), r) != members_.end()) start_again();
      futex_wait(board_.event, board_.event.load(), stretch);
    }
    return board_.look().attempt != agreed_.attempt;
  }

  bool settle() override {
    try {
      all_gather({});
    } catch (const survivor_lost&) {
      return false;
    }
    const survivor_board::view done{agreed_.attempt, survivor_board::stage::settled, agreed_.namer};
    return settled_ = board_.change(agreed_, done) || board_.look().word() == done.word();
  }

 private:
  using view = survivor_board::view;
  using stage = survivor_board::stage;

  survivor_desk& own() { return *desks_[static_cast<std::size_t>(me_)]; }
  bool named(view by, std::size_t r) const {
    return (desks_[by.namer]->named[by.attempt & 1][r / 64] >> (r % 64) & 1) != 0;
  }
  // Of the ranks named last: all at first.
  bool sought(view v, std::size_t r) const { return desks_[r] && (v.attempt == 1 || named({v.attempt - 1, v.at, v.namer}, r)); }

  // One step of joining an attempt; true once it has its members, in `agreed_`.
  bool come(double until) {
    const std::uint32_t seen = board_.event.load(std::memory_order_acquire);
    const view v = board_.look();
    const bool mine = v.at == stage::gathering ? sought(v, static_cast<std::size_t>(me_)) : named(v, static_cast<std::size_t>(me_));
    if (board_.look().word() != v.word()) return false;  // what was read may be of another attempt
    if (!mine) throw error(errc::expelled, format("rank %d was given up by the other ranks, which have gone on without it", me_), me_);
    if (v.at == stage::settled) throw error(errc::invalid_argument, format("rank %d has shrunk this session before", me_), me_);
    if (v.at == stage::named) {
      agreed_ = v;
      return true;
    }
    if (own().attempt.exchange(v.attempt, std::memory_order_acq_rel) != v.attempt) board_.announce();
    bool complete = true;
    std::uint64_t list[survivor_desk::most_ranks / 64] = {};
    for (std::size_t r = 0; r < desks_.size(); ++r) {
      if (!sought(v, r)) continue;
      const bool gone = lost_[r] || desks_[r]->gave_up.load(std::memory_order_acquire);
      if (!gone && desks_[r]->attempt.load(std::memory_order_acquire) == v.attempt) list[r / 64] |= std::uint64_t{1} << (r % 64);
      else complete &= gone || now() > until;
    }
    if (complete) {
      std::memcpy(own().named[v.attempt & 1], list, sizeof list);
      board_.change(v, {v.attempt, stage::named, static_cast<std::uint32_t>(me_)});
      return false;
    }
    futex_wait(board_.event, seen, stretch);
    look_for_lost();
    return false;
  }

  void wait_for_all(std::uint64_t round) {
    for (const std::uint64_t wanted = std::uint64_t{agreed_.attempt} << 32 | round;;) {
      const std::uint32_t seen = board_.event.load(std::memory_order_acquire);
      bool all = true;
      for (int m : members_) all &= desks_[static_cast<std::size_t>(m)]->round.load(std::memory_order_acquire) >= wanted;
      const view v = board_.look();
      if (v.attempt != agreed_.attempt) throw survivor_lost();
      if (all) return;
      futex_wait(board_.event, seen, stretch);
      look_for_lost();
      for (int m : members_)
        if (lost_[static_cast<std::size_t>(m)]) start_again();
    }
  }

  void start_again() { board_.change(agreed_, {agreed_.attempt + 1, stage::gathering, agreed_.namer}); }

  void look_for_lost() {
    if (const double t = now(); t - looked_ < stretch) return;
    for (int r : find_lost_()) lost_[static_cast<std::size_t>(r)] = true;
    looked_ = now();
  }

  static constexpr double stretch = 0.02;

  survivor_board& board_;
  std::vector<survivor_desk*> desks_;
  int me_;
  finder find_lost_;
  std::vector<char> lost_;
  double looked_ = 0;
  view agreed_{};
  std::uint64_t round_ = 0;
  std::vector<int> members_;
  bool settled_ = false;
};

}  // namespace tutti
