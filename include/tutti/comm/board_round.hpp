#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include <tutti/comm/execution.hpp>
#include <tutti/schedule/contract.hpp>
#include <tutti/transport/billboard.hpp>

namespace tutti {

/// Who waits for whom in a round.
enum class round_kind : std::uint8_t {
  all,        ///< everyone for all others
  from_root,  ///< all others for the root, which needs room and no more
  to_root,    ///< the root for all others, and these for room
};

/// As the collective needs it.
constexpr round_kind round_of(collective what) {
  if (what == collective::broadcast || what == collective::scatter) return round_kind::from_root;
  return rooted(what) ? round_kind::to_root : round_kind::all;
}

/// One round of a billboard: begun by showing something, done once all others,
/// or those that this rank waits for, have been seen to show something of the same
/// call.
class board_round {
 public:
  /// Shows the parts once there is room for them; until then they must stay.
  void start(billboard& board, std::initializer_list<bytes_view> parts, const envelope& e, round_kind kind = round_kind::all, int root = -1) {
    set_up(board, e, kind, root);
    count_ = parts.size();
    std::copy(parts.begin(), parts.end(), parts_.begin());
    board.begin(kind == round_kind::all);
    if (!follows_) show();
  }
  /// Goes on with a round of all that the board has begun, and in which this rank has
  /// shown what it shows.
  void resume(billboard& board, const envelope& e) {
    set_up(board, e, round_kind::all, -1);
    shown_ = true;
  }
  /// To be called after that.
  void ring() const {
    if (shown_ && (kind_ == round_kind::all || end_ == 1)) board_->ring();
  }

  bool done() const { return shown_ && hops_ >= end_ && !stranger_.met; }

  /// True where anything more was seen, or shown. Does nothing once a stranger was met.
  bool progress() {
    if (stranger_.met || done()) return false;
    const bool showed = !shown_ && !follows_ && show();
    if (showed) ring();
    const int before = hops_;
    while ((shown_ || follows_) && hops_ < end_ && !stranger_.met) {
      const auto theirs = board_->seen(next());
      if (!theirs) break;
      if (theirs->from.fingerprint != mark_.fingerprint) stranger_ = {.met = true, .peer = next(), .what = *theirs->from.what};
      else ++hops_, looked_at_ += theirs->bytes;
    }
    if (hops_ == before) return showed;
    if (hops_ == end_) follows_ ? board_->saw_one() : board_->saw_all();
    // Only so that others see which call this was.
    if (hops_ == end_ && follows_) show();
    return true;
  }

  /// To be called once nothing that was shown is needed any more.
  void pass() {
    if (kind_ == round_kind::all || end_ == 1) return;
    if (board_->pass_soon(looked_at_)) board_->ring();
  }

  int size() const { return board_->size(); }
  int rank() const { return board_->rank(); }
  /// What a member showed.
  const std::byte* shown_by(int member) const { return board_->shown_by(member); }
  /// Whether this rank looks at that member.
  bool looks_at(int member) const {
    const int hop = member - board_->rank() + (member < board_->rank() ? board_->size() : 0);
    return hop >= begin_ && hop < end_;
  }

  const execution::stranger& met() const { return stranger_; }
  /// The member that is waited for, or −1; where there is no room yet, the one that would be.
  int waits_for() const { return hops_ < end_ ? next() : -1; }

 private:
  void set_up(billboard& board, const envelope& e, round_kind kind, int root) {
    board_ = &board;
    mark_ = e;
    kind_ = kind;
    const bool is_root = root == board.rank();
    follows_ = kind == round_kind::from_root && !is_root;
    const bool leads = kind != round_kind::all && is_root == (kind == round_kind::from_root);
    begin_ = hops_ = !follows_ ? 1 : root - board.rank() + (root < board.rank() ? board.size() : 0);
    end_ = follows_ ? hops_ + 1 : leads ? 1 : board.size();
    shown_ = stranger_.met = false;
    looked_at_ = 0;
  }

  bool show() {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count_; ++i) bytes += parts_[i].size();
    if (end_ == 1) board_->look_aside();
    const bool room = board_->has_room(bytes);
    if (const int astray = board_->astray(); astray >= 0) {
      stranger_ = {.met = true, .peer = astray, .what = *mark_.what};
      return false;
    }
    if (!room) return false;
    board_->show(parts_.data(), count_, mark_);
    // Who looks at nobody has done with it.
    if (end_ == 1) board_->pass();
    return shown_ = true;
  }

  int next() const {
    const int member = board_->rank() + hops_;
    return member < board_->size() ? member : member - board_->size();
  }

  billboard* board_ = nullptr;
  envelope mark_{};
  std::array<bytes_view, 3> parts_{};
  std::size_t count_ = 0;
  round_kind kind_ = round_kind::all;
  bool follows_ = false;  // the root, which has known of room when it showed
  bool shown_ = false;
  int begin_ = 1, hops_ = 1, end_ = 1;  // of whom it looks at, so far and in all
  std::size_t looked_at_ = 0;           // bytes that these show
  execution::stranger stranger_{};
};

}  // namespace tutti
