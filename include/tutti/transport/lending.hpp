#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include <tutti/device/buffer.hpp>
#include <tutti/transport/loan.hpp>
#include <tutti/transport/peers.hpp>
#include <tutti/transport/ucx.hpp>
#include <tutti/transport/window.hpp>

namespace tutti {

/// Where a rank tells the others of its host how to open what it may lend.
/// Written by one, read by all; a card does not change once it counts.
struct lending_board {
  static constexpr std::uint32_t most = 64;
  struct card {
    std::uint64_t address;  ///< at its owner
    std::uint32_t key_bytes;
    std::byte key[244];
  };
  std::atomic<std::uint32_t> count{0};
  card cards[most];
};

/// Memory for buffers and scratch that the ranks of a host read in place: it is
/// exposed on the board, and the others attach to it. Segments of shared memory,
/// each at least as large as all before it together up to 64 MiB; none is given
/// back before the session and every buffer are gone. Any thread may ask for
/// memory, one at a time uses the board.
class lending_memory final : public memory_source, public lender {
 public:
  lending_memory(std::shared_ptr<ucx::context> context, lending_board& board)
      : context_(std::move(context)), board_(&board) {}

  void* allocate(std::size_t bytes) override {
    bytes = rounded(bytes);
    const std::lock_guard held(mutex_);
    // Room for as many holes as there can be: giving back must not allocate.
    free_.reserve(live_ + segments_.size() + 3);
    for (;;) {
      for (std::size_t f = 0; f < free_.size(); ++f)
        if (free_[f].bytes >= bytes) {
          std::byte* found = free_[f].data;
          free_[f].data += bytes;
          free_[f].bytes -= bytes;
          ++live_;
          if (free_[f].bytes == 0) free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(f));
          return found;
        }
      grow(bytes);
    }
  }

  void release(void* data, std::size_t bytes) noexcept override {
    const std::lock_guard held(mutex_);
    const hole given{static_cast<std::byte*>(data), rounded(bytes)};
    std::size_t at = 0;
    while (at < free_.size() && free_[at].data < given.data) ++at;
    free_.insert(free_.begin() + static_cast<std::ptrdiff_t>(at), given);
    --live_;
    if (at + 1 < free_.size() && joins(free_[at], free_[at + 1])) merge(at);
    if (at > 0 && joins(free_[at - 1], free_[at])) merge(at - 1);
  }

  loan lend(const std::byte* data, std::size_t bytes) const override {
    const std::uint32_t known = published_.load(std::memory_order_acquire);
    for (std::uint32_t s = 0; s < known; ++s)
      if (data >= ranges_[s].begin && data + bytes <= ranges_[s].end)
        return (loan{s} + 1) << segment_shift | static_cast<loan>(data - ranges_[s].begin);
    return 0;
  }

  /// Nothing that is allocated from here on can be lent: the session is over.
  void close() {
    const std::lock_guard held(mutex_);
    board_ = nullptr;
  }

  static constexpr int segment_shift = 48;

 private:
  struct hole {
    std::byte* data;
    std::size_t bytes;
  };
  struct range {
    const std::byte* begin = nullptr;
    const std::byte* end = nullptr;
  };

  static constexpr std::size_t page = 4096, most_growth = std::size_t{64} << 20;
  static std::size_t rounded(std::size_t bytes) { return (bytes + page - 1) / page * page; }

  // Holes of two segments are never one, even where these lie side by side.
  bool joins(const hole& a, const hole& b) const {
    if (a.data + a.bytes != b.data) return false;
    for (const ucx::shared_memory& s : segments_)
      if (b.data == s.data()) return false;
    return true;
  }
  void merge(std::size_t at) {
    free_[at].bytes += free_[at + 1].bytes;
    free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }

  void grow(std::size_t bytes) {
    std::size_t size = total_ < most_growth ? total_ : most_growth;
    if (size < bytes) size = bytes;
    try {
      segments_.emplace_back(*context_, size);
    } catch (const error&) {
      throw std::bad_alloc();
    }
    const ucx::shared_memory& made = segments_.back();
    std::memset(made.data(), 0, made.size());  // so that whoever uses it first need not wait for the system
    total_ += made.size();
    std::size_t at = 0;
    while (at < free_.size() && free_[at].data < made.data()) ++at;
    free_.insert(free_.begin() + static_cast<std::ptrdiff_t>(at), hole{made.data(), made.size()});
    publish(made);
  }

  // What finds no place on the board is copied like any other memory.
  void publish(const ucx::shared_memory& made) {
    const std::uint32_t number = published_.load(std::memory_order_relaxed);
    const std::vector<std::byte> key = made.key();
    if (!board_ || number == lending_board::most || key.size() > sizeof board_->cards[0].key) return;
    lending_board::card& card = board_->cards[number];
    card.address = reinterpret_cast<std::uint64_t>(made.data());
    card.key_bytes = static_cast<std::uint32_t>(key.size());
    std::memcpy(card.key, key.data(), key.size());
    board_->count.store(number + 1, std::memory_order_release);
    ranges_[number] = {made.data(), made.data() + made.size()};
    published_.store(number + 1, std::memory_order_release);
  }

  std::shared_ptr<ucx::context> context_;
  std::mutex mutex_;
  lending_board* board_;
  std::deque<ucx::shared_memory> segments_;
  std::vector<hole> free_;  // by address
  std::size_t live_ = 0;    // allocations
  std::size_t total_ = std::size_t{1} << 20;
  range ranges_[lending_board::most];
  std::atomic<std::uint32_t> published_{0};
};

/// What the ranks of this host have lent, as far as this one has attached to it.
/// Any thread may look.
class borrowings final : public borrower {
 public:
  struct neighbour {
    const lending_board* board = nullptr;  ///< null: not a neighbour
    ucp_ep_h endpoint = nullptr;           ///< for opening only
  };

  /// `watch` knows who has ended, and `opening` is held by whoever opens anything
  /// through the same endpoints.
  borrowings(std::vector<neighbour> ranks, const process_watch& watch, std::mutex& opening)
      : ranks_(std::move(ranks)), watch_(watch), opening_(opening),
        bases_(std::make_unique<std::atomic<std::byte*>[]>(ranks_.size() * lending_board::most)),
        opened_(std::make_unique<ucx::opened_memory[]>(ranks_.size() * lending_board::most)) {}

  std::byte* find(int peer, loan from) override {
    const std::size_t segment = static_cast<std::size_t>(from >> lending_memory::segment_shift) - 1;
    const std::uint64_t offset = from & ((std::uint64_t{1} << lending_memory::segment_shift) - 1);
    const std::size_t place = static_cast<std::size_t>(peer) * lending_board::most + segment;
    std::byte* base = bases_[place].load(std::memory_order_acquire);
    if (!base) base = open(peer, segment, place);
    return base ? base + offset : nullptr;
  }

 private:
  std::byte* open(int peer, std::size_t segment, std::size_t place) {
    const std::lock_guard held(opening_);
    if (std::byte* known = bases_[place].load(std::memory_order_relaxed)) return known;
    const neighbour& n = ranks_[static_cast<std::size_t>(peer)];
    if (!n.board || segment >= n.board->count.load(std::memory_order_acquire))
      throw error(errc::link, format("rank %d lent memory that it had not published", peer), peer);
    const lending_board::card& card = n.board->cards[segment];
    opened_[place] = open_of(watch_, peer, n.endpoint, card.key, card.address);
    std::byte* base = opened_[place].data();
    if (!base && watch_.still_has(peer, card.address))
      throw error(errc::link, format("memory that rank %d lent cannot be opened here", peer), peer);
    bases_[place].store(base, std::memory_order_release);
    return base;
  }

  std::vector<neighbour> ranks_;
  const process_watch& watch_;
  std::mutex& opening_;
  std::unique_ptr<std::atomic<std::byte*>[]> bases_;    // by rank and segment
  std::unique_ptr<ucx::opened_memory[]> opened_;        // the same
};

}  // namespace tutti
