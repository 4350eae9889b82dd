#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/base/bootstrap.hpp>
#include <tutti/device/copy.hpp>
#include <tutti/transport/doorbell.hpp>
#include <tutti/transport/port.hpp>

namespace tutti {

/// What one member has on a billboard, in memory that all see and it alone writes:
/// how far it has come, a line for each of the last rounds, what it called in them,
/// a ring of bytes for what is too long for a line, and two pages for what takes many
/// rounds.
struct board_memory {
  static constexpr std::uint64_t lines = 64;
  static constexpr std::size_t carried = 32, longest = 16384, ring_bytes = 4 * longest, page_bytes = 131072;

  struct alignas(64) line {
    std::atomic<std::uint64_t> flag{0};  ///< the round, once all else may be read
    std::atomic<std::uint64_t> fingerprint{0};
    std::uint32_t bytes = 0, at = 0;  ///< in the ring, where they have no room here
    alignas(32) std::byte small[carried];
  };
  struct alignas(64) header {
    std::atomic<std::uint64_t> passed{0};  ///< it has done with that round and all before
    alignas(64) line shown[lines];
    call what[lines];
  };
  // A second cache of 1 MiB in eight ways keeps lines 128 KiB apart in the same place:
  // the pages of two rounds stand apart.
  static constexpr std::size_t page_stride = page_bytes + 16384;
  static constexpr std::size_t footprint() { return sizeof(header) + ring_bytes + page_stride + page_bytes; }

  std::byte* base = nullptr;

  /// By its owner, before anybody looks.
  void initialise() const { new (base) header; }

  std::atomic<std::uint64_t>& passed() const { return all().passed; }
  line& at(std::uint64_t round) const { return all().shown[round % lines]; }
  call& what(std::uint64_t round) const { return all().what[round % lines]; }

  /// Names the call of a round, by its owner: whoever has not passed the round whose
  /// line that was, but is not waited for either, sees first that it is gone.
  void name(std::uint64_t round, const envelope& e) const {
    rename(round, e.fingerprint, e.what->number);
    std::uint64_t words[sizeof(call) / 8];
    std::memcpy(words, e.what, sizeof words);
    for (std::size_t i = 1; i < std::size(words); ++i) word(round, i).store(words[i], std::memory_order_release);
  }
  /// The same where that line's call was as this one, but for its number.
  void rename(std::uint64_t round, std::uint64_t fingerprint, std::uint64_t number) const {
    line& its = at(round);
    its.flag.store(0, std::memory_order_relaxed);
    its.fingerprint.store(fingerprint, std::memory_order_release);
    word(round, 0).store(number, std::memory_order_release);
  }
  /// Whether a round shows another call than `fingerprint` does; false where it does
  /// not stand here any more.
  bool differs(std::uint64_t round, std::uint64_t fingerprint) const {
    const line& its = at(round);
    if (its.flag.load(std::memory_order_acquire) != round) return false;
    const bool other = its.fingerprint.load(std::memory_order_acquire) != fingerprint;
    return other && its.flag.load(std::memory_order_acquire) == round;
  }
  struct named {
    std::uint64_t fingerprint;
    call what;
  };
  /// What was named for a round, or nothing where another has its line.
  std::optional<named> named_for(std::uint64_t round) const {
    const auto stands = [&] { return at(round).flag.load(std::memory_order_acquire) == round; };
    if (!stands()) return std::nullopt;
    named found{.fingerprint = at(round).fingerprint.load(std::memory_order_acquire), .what = {}};
    std::uint64_t words[sizeof(call) / 8];
    for (std::size_t i = 0; i < std::size(words); ++i) words[i] = word(round, i).load(std::memory_order_acquire);
    std::memcpy(&found.what, words, sizeof words);
    return stands() ? std::optional(found) : std::nullopt;
  }
  /// What a line shows.
  std::byte* data(line& of) const { return of.bytes <= carried ? of.small : in_ring(of.at); }
  std::byte* in_ring(std::uint64_t at) const { return base + sizeof(header) + at % ring_bytes; }
  std::byte* page(std::uint64_t round) const { return base + sizeof(header) + ring_bytes + round % 2 * page_stride; }

 private:
  std::atomic_ref<std::uint64_t> word(std::uint64_t round, std::size_t i) const {
    return std::atomic_ref(reinterpret_cast<std::uint64_t*>(&what(round))[i]);
  }
  header& all() const { return *reinterpret_cast<header*>(base); }
};
static_assert(offsetof(board_memory::line, small) == 32 && sizeof(board_memory::line) == 64 && sizeof(call) % 64 == 0 && offsetof(call, number) == 0);

/// What the ranks of a host show each other at once: in each round every member
/// writes one flag and some bytes in a place of its own, and whoever wants to know
/// reads them there. A rank that shows something in round k + 1 has done with what
/// was shown in round k. Where all look at all, nobody need say more; where some
/// look at nobody they run ahead, as far as places last that all have passed.
///
/// A round costs a rank one copy and one flag, where a message to each of the
/// others costs p − 1 of both. Used by one thread at a time.
class billboard {
 public:
  /// `members`: their memories, initialised; `others`: the bells of all but this rank.
  billboard(int me, std::vector<board_memory> members, std::vector<doorbell*> others)
      : me_(static_cast<std::size_t>(me)), members_(std::move(members)), others_(std::move(others)), mine_(members_[me_]), size_(static_cast<int>(members_.size())) {
    for (std::size_t hops = 1; hops < members_.size(); ++hops) from_next_on_.push_back(members_[(me_ + hops) % members_.size()]);
  }

  int size() const { return size_; }
  int rank() const { return static_cast<int>(me_); }
  static constexpr std::size_t most_bytes() { return board_memory::longest; }

  /// Goes on to the next round, in which all look at all or not. This rank must have
  /// done with the one before.
  void begin(bool all_look = true) {
    ++round_;
    all_look_ = all_look;
  }

  /// Whether all have done with what stands where so many bytes would be shown now.
  /// Where it has to look how far they are, it looks at what they call as well.
  bool has_room(std::size_t bytes) {
    if (has_room_in(round_, bytes)) return true;
    look_how_far_others_are(round_ - 1);
    return has_room_in(round_, bytes);
  }
  /// The same of the next round, before it begins; false where somebody is astray.
  [[gnu::always_inline]] bool has_room_next(std::size_t bytes) {
    return has_room_in(round_ + 1, bytes) ? astray_ < 0 : finds_room_next(bytes);
  }

  /// Shows these parts, one after the other: at most `most_bytes()`, and there must
  /// be room for them.
  void show(std::initializer_list<bytes_view> parts, const envelope& e) { show(parts.begin(), parts.size(), e); }
  void show(const bytes_view* parts, std::size_t n, const envelope& e) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < n; ++i) bytes += parts[i].size();
    std::byte* to = begin_to_show(bytes, e);
    for (std::size_t i = 0; i < n; ++i) {
      copy_short(to, parts[i].data(), parts[i].size());
      to += parts[i].size();
    }
    end_to_show();
  }
  /// The same of one part, where every instruction counts.
  [[gnu::always_inline]] void show(bytes_view part, const envelope& e) {
    copy_short(begin_to_show(part.size(), e), part.data(), part.size());
    end_to_show();
  }
  /// Says that this rank has done with this round, to those who run ahead.
  void pass() {
    mine_.passed().store(round_, std::memory_order_release);
    told_ = round_;
    untold_bytes_ = 0;
  }
  /// The same of a rank that has looked at so many bytes, but only now and then: who runs
  /// ahead has that much less room, and is disturbed less often. Whether it was said.
  bool pass_soon(std::size_t bytes) {
    untold_bytes_ += rounded(bytes);
    if (round_ - told_ < most_untold && untold_bytes_ < most_untold_bytes) return false;
    pass();
    return true;
  }
  /// To be called after either: wakes whoever sleeps for it.
  [[gnu::always_inline]] void ring() const { doorbell::ring(others_); }

  /// What a member shows in this rank's round, or nothing where it has not come to
  /// it. Valid until this rank passes it, or begins the next.
  std::optional<piece> seen(int member) const {
    const board_memory& theirs = members_[static_cast<std::size_t>(member)];
    board_memory::line& shown = theirs.at(round_);
    if (shown.flag.load(std::memory_order_acquire) != round_) return std::nullopt;
    return piece{.data = theirs.data(shown), .bytes = shown.bytes, .from = {.fingerprint = shown.fingerprint.load(std::memory_order_relaxed), .what = &theirs.what(round_)}};
  }
  /// Where that is, of a member that has been seen.
  const std::byte* shown_by(int member) const {
    const board_memory& theirs = members_[static_cast<std::size_t>(member)];
    return theirs.data(theirs.at(round_));
  }

  /// Whether a member shows that call in the round after this rank's.
  bool shows_next(int member, std::uint64_t fingerprint) const { return shows_in(round_ + 1, members_[static_cast<std::size_t>(member)], fingerprint); }
  /// Whether all others show that call in this rank's round; of these, from the next one
  /// on in turn, the first `seen` have been seen, and no longer need be looked at.
  [[gnu::always_inline]] bool all_show(std::uint64_t fingerprint, std::size_t& seen) const {
    for (; seen < from_next_on_.size(); ++seen)
      if (!shows_in(round_, from_next_on_[seen], fingerprint)) return false;
    return true;
  }
  /// Has what a member shows some rounds later come here meanwhile, if it is as long as
  /// what it shows now. Of one that runs ahead: of another, it would be in its way.
  void prefetch(int member) const {
    const board_memory& theirs = members_[static_cast<std::size_t>(member)];
    const board_memory::line& now = theirs.at(round_);
    __builtin_prefetch(&theirs.at(round_ + reads_ahead));
    const std::uint64_t bytes = rounded(now.bytes);
    if (bytes > most_prefetched) return;
    for (std::uint64_t i = 0; i < bytes; i += 64) __builtin_prefetch(theirs.in_ring(now.at + reads_ahead * bytes + i));
  }
  /// What a member that has been seen shows.
  bytes_view part_of(int member) const {
    const board_memory& theirs = members_[static_cast<std::size_t>(member)];
    board_memory::line& shown = theirs.at(round_);
    return {theirs.data(shown), shown.bytes};
  }

  /// To be called once all others have been seen in this round, so that they have
  /// done with the one before; or one who needed room for it, and so knew of all.
  void saw_all() { all_passed(round_ - 1); }
  void saw_one() {
    if (round_ > board_memory::lines) all_passed(round_ - board_memory::lines);
  }

  /// What a member shows in the round after this rank's, or nothing.
  std::optional<board_memory::named> seen_ahead(int member) const {
    return members_[static_cast<std::size_t>(member)].named_for(round_ + 1);
  }

  /// A member that was found to have shown another call than this rank, or −1.
  int astray() const { return astray_; }
  /// To be called by whoever shows and looks at nobody, in each of its rounds: looks now and
  /// then whether others showed the same in a round that is not long ago. Cost: in one of
  /// sixteen rounds a line of each.
  [[gnu::always_inline]] void look_aside() {
    if (aside_ > 0 || round_ >= next_aside_) look_aside_now();
  }

  /// The calls in which this rank and a member first showed different fingerprints,
  /// of the rounds that both still show.
  struct parting {
    call mine, theirs;
  };
  std::optional<parting> first_parting(int member) const {
    for (std::uint64_t r = round_ < board_memory::lines ? 1 : round_ - board_memory::lines + 1; r <= round_; ++r)
      if (const auto found = differ(member, r)) return found;
    return std::nullopt;
  }

  /// A page that a round shows besides that, `board_memory::page_bytes` of it: to be
  /// written before `begin` where `pages_are_free()`; and of a member that has been seen.
  std::byte* next_page() const { return members_[me_].page(round_ + 1); }
  const std::byte* page_of(int member) const { return members_[static_cast<std::size_t>(member)].page(round_); }
  /// Whether all have done with what the page of the next round showed two rounds ago:
  /// the last one was seen by all. The same on all ranks.
  bool pages_are_free() const { return all_look_; }

 private:
  // Where the bytes go that others see once that has ended.
  [[gnu::always_inline]] std::byte* begin_to_show(std::size_t bytes, const envelope& e) {
    const board_memory memory = mine_;
    const std::size_t slot = round_ % board_memory::lines;
    std::uint64_t& shape = shapes_[slot];
    if (e.shape != 0 && e.shape == shape) memory.rename(round_, e.fingerprint, e.what->number);
    else memory.name(round_, e);
    shape = e.shape;
    board_memory::line& mine = memory.at(round_);
    mine.bytes = static_cast<std::uint32_t>(bytes);
    if (bytes <= board_memory::carried) {
      starts_[slot] = used_;
      return mine.small;
    }
    const std::uint64_t at = next_place(bytes);
    starts_[slot] = at;
    used_ = at + rounded(bytes);
    mine.at = static_cast<std::uint32_t>(at % board_memory::ring_bytes);
    return memory.in_ring(mine.at);
  }
  [[gnu::always_inline]] void end_to_show() {
    board_memory::line& mine = mine_.at(round_);
    mine.flag.store(round_, std::memory_order_release);
    // Others have those in their caches, and nobody looks at them yet: what follows would
    // wait for one line of the ring after the other.
    prefetch_to_write(&mine_.at(round_ + writes_ahead));
    if (all_look_ || mine.bytes <= board_memory::carried || mine.bytes > most_prefetched) return;
    const std::uint64_t bytes = rounded(mine.bytes);
    for (std::uint64_t i = 0; i < bytes; i += 64) prefetch_to_write(mine_.in_ring(mine.at + writes_ahead * bytes + i));
  }

  [[gnu::noinline]] void look_aside_now() {
    if (aside_ > 0) {
      for (int m = 0; m < size(); ++m)
        if (m != rank() && differ(m, aside_)) astray_ = m;
      aside_ = 0;
    } else {
      next_aside_ = round_ + board_memory::lines / 4;
      aside_ = round_ > behind ? round_ - behind : 0;
      for (const board_memory& member : members_)
        if (aside_ > 0) __builtin_prefetch(&member.at(aside_));
    }
  }

  static bool shows_in(std::uint64_t round, const board_memory& theirs, std::uint64_t fingerprint) {
    const board_memory::line& shown = theirs.at(round);
    return shown.flag.load(std::memory_order_acquire) == round && shown.fingerprint.load(std::memory_order_relaxed) == fingerprint;
  }

  // Where so many bytes go in the ring, counted on around it: in one piece.
  std::uint64_t next_place(std::size_t bytes) const {
    if (bytes <= board_memory::carried) return used_;
    const std::uint64_t left = board_memory::ring_bytes - used_ % board_memory::ring_bytes;
    return rounded(bytes) <= left ? used_ : used_ + left;
  }
  static std::uint64_t rounded(std::size_t bytes) { return bytes <= board_memory::carried ? 0 : (bytes + 63) / 64 * 64; }

  static constexpr std::uint64_t writes_ahead = 2, reads_ahead = 4, most_prefetched = 1024;

  // What may be passed and not told: far less than there is room for. Of the bytes, with
  // what is shown next, what is lost at the ring's end, and what a last round showed in
  // which all look at all: of that one, all are known to have passed only the one before.
  static constexpr std::uint64_t most_untold = board_memory::lines / 8;
  static constexpr std::size_t most_untold_bytes = board_memory::ring_bytes / 8;
  static constexpr std::uint64_t behind = 2;  // rounds: others may not have come to the last
  static_assert(most_untold_bytes + 3 * board_memory::longest <= board_memory::ring_bytes);

  // Whether all have done with what stands where so many bytes would be shown in a
  // round, so far as is known: with its line, and with those bytes of the ring.
  [[gnu::always_inline]] bool has_room_in(std::uint64_t round, std::size_t bytes) const {
    if (round > passed_ + board_memory::lines) return false;
    const std::uint64_t first = passed_ + 1;  // that somebody may still read
    return bytes <= board_memory::carried || first >= round ||
           next_place(bytes) + rounded(bytes) <= starts_[first % board_memory::lines] + board_memory::ring_bytes;
  }
  [[gnu::noinline]] bool finds_room_next(std::size_t bytes) {
    look_how_far_others_are(round_);
    return astray_ < 0 && has_room_in(round_ + 1, bytes);
  }
  // `done`: the last round that this rank has shown something in.
  void look_how_far_others_are(std::uint64_t done) {
    std::uint64_t least = round_;
    for (std::size_t m = 0; m < members_.size(); ++m) {
      if (m == me_) continue;
      const std::uint64_t theirs = members_[m].passed().load(std::memory_order_acquire);
      if (theirs < least) least = theirs;
      if (differ(static_cast<int>(m), theirs < done ? theirs : done)) astray_ = static_cast<int>(m);
    }
    all_passed(least);
  }

  // What both called in a round, where they still show that and it is not the same.
  std::optional<parting> differ(int member, std::uint64_t round) const {
    const board_memory::line& ours = members_[me_].at(round);
    if (round == 0 || ours.flag.load(std::memory_order_relaxed) != round) return std::nullopt;
    if (!members_[static_cast<std::size_t>(member)].differs(round, ours.fingerprint.load(std::memory_order_relaxed))) return std::nullopt;
    const auto mine = members_[me_].named_for(round), theirs = members_[static_cast<std::size_t>(member)].named_for(round);
    if (!mine || !theirs || mine->fingerprint == theirs->fingerprint) return std::nullopt;
    return parting{mine->what, theirs->what};
  }

  void all_passed(std::uint64_t round) {
    if (round > passed_) passed_ = round;
  }

  std::size_t me_;
  std::vector<board_memory> members_;
  std::vector<doorbell*> others_;
  board_memory mine_;
  std::vector<board_memory> from_next_on_;  // the others: ranks do not all look at one first
  int size_;
  std::uint64_t round_ = 0, passed_ = 0;  // the latter: as far as is known of all others
  std::uint64_t used_ = 0;                // bytes of the ring
  bool all_look_ = true;                  // in this round
  std::uint64_t told_ = 0;                // to the others: as far as this rank has passed
  std::size_t untold_bytes_ = 0;
  int astray_ = -1;
  std::uint64_t aside_ = 0, next_aside_ = 1;  // the round that is looked at next, or none; when one is chosen again
  std::array<std::uint64_t, board_memory::lines> starts_{};  // by round: in the ring
  std::array<std::uint64_t, board_memory::lines> shapes_{};  // by round: of the call that its line names
};

}  // namespace tutti
