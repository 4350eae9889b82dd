#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include <tutti/base/tally.hpp>
#include <tutti/comm/board_round.hpp>
#include <tutti/comm/direct_program.hpp>
#include <tutti/comm/pass_execution.hpp>
#include <tutti/device/copy.hpp>
#include <tutti/transport/link.hpp>

namespace tutti {

/// What a rank lends the others for one call; they learn it before any begins.
struct loan_offer {
  loan input = 0, output = 0;
};

/// Runs passes. Between the slices it can be left, and must be once there is a
/// verdict: a peer whose call has failed may use its memory for something else.
class direct_execution {
 public:
  /// Bytes of each source that a slice takes.
  static constexpr std::size_t slice_bytes = std::size_t{64} << 10;

  /// Allocates only where no earlier team was as large.
  void prepare(const direct_program& p) {
    if (program_ != &p) {
      program_ = &p;
      offers_.assign(p.reads.size(), {});
      bases_.assign(2 * p.reads.size(), nullptr);
      passes_.make_room(p.places.size());
    }
    pass_ = at_ = 0;
    sent_ = {};
    under_way_ = false;
  }
  /// Another may come to lie where that is.
  void forget(const std::optional<direct_program>& p) {
    if (p && program_ == &*p) program_ = nullptr;
  }
  bool has_room_for(const direct_program& p) const {
    return offers_.capacity() >= p.reads.size() && bases_.capacity() >= 2 * p.reads.size() &&
           passes_.has_room_for(p.places.size());
  }

  /// Where the ranks' offers are collected, this rank's own apart.
  loan_offer& own_offer() { return own_; }
  loan_offer* offers() { return offers_.data(); }

  /// Whether all that is needed was lent: the same answer on all ranks.
  bool all_lent() const {
    for (std::size_t r = 0; r < offers_.size(); ++r)
      if (!is_enough(r, offers_[r])) return false;
    return true;
  }
  /// Whether that is all that is needed of a rank.
  bool is_enough(std::size_t rank, const loan_offer& from) const {
    return (!program_->reads[rank] || from.input) && (!program_->writes[rank] || from.output);
  }

  /// Finds everybody's memory; false where a peer has ended. Of this rank's own,
  /// the input is only read.
  bool open(link& peers, const std::byte* input, std::byte* output) {
    for (std::size_t r = 0; r < offers_.size(); ++r) {
      std::byte *&in = bases_[2 * r], *&out = bases_[2 * r + 1];
      const int peer = static_cast<int>(r);
      if (peers.kind(peer) == link_kind::self) {
        in = const_cast<std::byte*>(input);
        out = output;
        continue;
      }
      if (program_->reads[r] && !(in = peers.borrowed(peer, offers_[r].input))) return false;
      if (program_->writes[r] && !(out = peers.borrowed(peer, offers_[r].output))) return false;
    }
    under_way_ = true;
    return true;
  }

  /// Takes the others' input from where `round`, which is done, shows it; writes
  /// this rank's output only.
  void open(const board_round& round, const std::byte* input, std::byte* output) {
    for (int r = 0; r < round.size(); ++r)
      if (round.looks_at(r)) bases_[2 * static_cast<std::size_t>(r)] = const_cast<std::byte*>(round.shown_by(r));
    bases_[2 * static_cast<std::size_t>(round.rank())] = const_cast<std::byte*>(input);
    bases_[2 * static_cast<std::size_t>(round.rank()) + 1] = output;
    under_way_ = true;
  }

  bool under_way() const { return under_way_; }
  const traffic& sent() const { return sent_; }

  /// Does the passes until so many bytes of each source are used; `bill(peer, bytes)`
  /// is told at the end what the schedule has sent.
  template <class Bill>
  void progress(std::size_t element, const fold_function& fold, Bill bill, std::size_t left = slice_bytes) {
    while (pass_ < program_->passes.size()) {
      if (left == 0) return;
      const direct_pass& p = program_->passes[pass_];
      const std::size_t end = at_ + least(whole(left, element), p.bytes - at_);
      left -= least(left, end - at_);
      const remote_place* const places = program_->places.data() + p.begin;
      for (std::uint32_t k = 0; k < p.sources; ++k) passes_.source(k) = place(places[k]) + at_;
      for (std::uint32_t t = 0; t < p.targets; ++t) passes_.target(t) = place(places[p.sources + t]) + at_;
      passes_.run(p, end - at_, element, fold, program_->streams ? p.targets : 0);
      at_ = end < p.bytes ? end : 0;
      if (at_ == 0) ++pass_;
    }
    if (program_->streams) end_streaming();
    end(bill);
  }
  /// All passes have been done, by this one or another.
  template <class Bill>
  void end(Bill bill) {
    for (const direct_program::bill& b : program_->sends) {
      sent_.add(b.bytes);
      bill(b.peer, b.bytes);
    }
    under_way_ = false;
  }

 private:
  static std::size_t least(std::size_t a, std::size_t b) { return a < b ? a : b; }
  static std::size_t whole(std::size_t bytes, std::size_t element) { return element < bytes ? bytes - bytes % element : element; }

  std::byte* place(const remote_place& p) const {
    return bases_[2 * static_cast<std::size_t>(p.rank) + (p.role == memory_role::output)] + p.offset;
  }

  const direct_program* program_ = nullptr;
  loan_offer own_{};
  std::vector<loan_offer> offers_;    // by rank
  std::vector<std::byte*> bases_;     // by rank: of its input, of its output
  pass_execution passes_;
  std::size_t pass_ = 0, at_ = 0;
  bool under_way_ = false;
  traffic sent_{};
};

}  // namespace tutti
