#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include <tutti/base/tally.hpp>
#include <tutti/comm/pass_execution.hpp>
#include <tutti/comm/relay_program.hpp>
#include <tutti/transport/billboard.hpp>

namespace tutti {

/// Runs a relay program: its caller has `show` write what is to be shown, begins a
/// round, has `round_is_done` said once it is, and then `progress` do what follows,
/// again and again until it is `done`.
class relay_execution {
 public:
  /// Allocates only where no earlier program was as large.
  void start(const relay_program& p, billboard& board, const std::byte* input, std::byte* output) {
    program_ = &p;
    board_ = &board;
    input_ = input;
    output_ = output;
    round_ = 0;
    under_way_ = false;
    sent_ = {};
    passes_.make_room(p.places.size());
  }
  /// Another may come to lie where that is.
  void forget(const std::optional<relay_program>& p) {
    if (p && program_ == &*p) program_ = nullptr;
  }
  bool has_room_for(const relay_program& p) const { return passes_.has_room_for(p.places.size()); }

  /// Writes what the next round shows of the input. May be done again until that
  /// round is done.
  void show() {
    if (round_ < program_->pieces) run(program_->shows, round_, 1, {}, 0);
  }
  void round_is_done() { under_way_ = true; }
  bool under_way() const { return under_way_; }
  bool done() const { return round_ == program_->rounds; }
  const traffic& sent() const { return sent_; }

  /// What the round that is done was for; `bill(peer, bytes)` is told at the end
  /// what the schedule has sent.
  template <class Bill>
  void progress(std::size_t element, const fold_function& fold, Bill bill) {
    if (round_ > 0) run(program_->takes, round_ - 1, element, fold, program_->streams);
    if (round_ < program_->pieces) run(program_->folds, round_, element, fold, program_->streams);
    under_way_ = false;
    if (++round_ < program_->rounds) return;
    if (program_->streams) end_streaming();
    for (const direct_program::bill& b : program_->sends) {
      sent_.add(b.bytes);
      bill(b.peer, b.bytes);
    }
  }

 private:
  static constexpr std::size_t block_bytes = std::size_t{16} << 10;  // of a result: it is copied out of the first cache

  void run(const std::vector<direct_pass>& passes, std::size_t piece, std::size_t element, const fold_function& fold, std::size_t streamed) {
    const std::size_t begin = piece * program_->piece;
    for (const direct_pass& p : passes) {
      if (begin >= p.bytes) continue;
      const std::size_t bytes = least(program_->piece, p.bytes - begin), block = whole(p.sources > 1 ? block_bytes : bytes, element);
      for (std::size_t at = 0; at < bytes; at += block) run(p, begin, at, least(block, bytes - at), element, fold, streamed);
    }
  }

  // From byte `at` of the piece that begins there. What the others get of a result is
  // a copy of it: that was faster than to have the fold write both, most of all
  // where a copy need not read the lines that it replaces.
  void run(direct_pass p, std::size_t begin, std::size_t at, std::size_t bytes, std::size_t element, const fold_function& fold, std::size_t streamed) {
    const remote_place* const places = program_->places.data() + p.begin;
    for (std::uint32_t k = 0; k < p.sources; ++k)
      passes_.source(k) = at + (shown(places[k]) ? board_->page_of(places[k].rank) + places[k].offset : input_ + places[k].offset + begin);
    for (std::uint32_t t = 0; t < p.targets; ++t) {
      const remote_place& to = places[p.sources + t];
      passes_.target(t) = at + (shown(to) ? board_->next_page() + to.offset : output_ + to.offset + begin);
    }
    const bool copies = p.targets > 1 && streamed == 0;
    if (copies) p.targets = 1;
    passes_.run(p, bytes, element, fold, streamed);
    if (copies) std::memcpy(passes_.target(1), passes_.target(0), bytes);
  }
  static std::size_t least(std::size_t a, std::size_t b) { return a < b ? a : b; }
  static std::size_t whole(std::size_t bytes, std::size_t element) { return element < bytes ? bytes - bytes % element : element; }
  static bool shown(const remote_place& p) { return p.role == memory_role::scratch; }

  const relay_program* program_ = nullptr;
  billboard* board_ = nullptr;
  const std::byte* input_ = nullptr;
  std::byte* output_ = nullptr;
  pass_execution passes_;
  std::size_t round_ = 0;
  bool under_way_ = false;
  traffic sent_{};
};

}  // namespace tutti
