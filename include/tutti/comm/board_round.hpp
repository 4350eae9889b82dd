#pragma once
#include <cstddef>
#include <initializer_list>

#include <tutti/comm/execution.hpp>
#include <tutti/transport/billboard.hpp>

namespace tutti {

/// One round of a billboard: begun by showing something, done once all others
/// have been seen to show something of the same call.
class board_round {
 public:
  void start(billboard& board, std::initializer_list<bytes_view> parts, const envelope& e) {
    board_ = &board;
    fingerprint_ = e.fingerprint;
    hops_ = 1;
    stranger_.met = false;
    board.show(parts, e);
  }
  /// To be called after that.
  void ring() const { board_->ring(); }

  bool done() const { return hops_ >= board_->size(); }

  /// True where anything more was seen. Does nothing once a stranger was met.
  bool progress() {
    const int before = hops_;
    while (!done() && !stranger_.met) {
      const auto theirs = board_->seen(next());
      if (!theirs) break;
      if (theirs->from.fingerprint != fingerprint_) stranger_ = {.met = true, .peer = next(), .what = *theirs->from.what};
      else ++hops_;
    }
    return hops_ != before;
  }

  int size() const { return board_->size(); }
  int rank() const { return board_->rank(); }
  /// What a member showed.
  const std::byte* shown_by(int member) const { return board_->shown_by(member); }
  /// Where that will be, of one that shows so many bytes.
  const std::byte* place(int member, std::size_t bytes) const { return board_->place(member, bytes); }

  const execution::stranger& met() const { return stranger_; }
  /// The member that is waited for, or −1.
  int waits_for() const { return done() ? -1 : next(); }

 private:
  int next() const {
    const int member = board_->rank() + hops_;
    return member < board_->size() ? member : member - board_->size();
  }

  billboard* board_ = nullptr;
  std::uint64_t fingerprint_ = 0;
  int hops_ = 1;  // as far as all have been seen
  execution::stranger stranger_{};
};

}  // namespace tutti
