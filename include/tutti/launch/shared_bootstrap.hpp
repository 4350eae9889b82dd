#pragma once
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/base/packing.hpp>
#include <tutti/launch/rank_list.hpp>
#include <tutti/transport/doorbell.hpp>

namespace tutti {

/// The memory through which processes forked by one parent, or threads of one
/// process, find each other. Made by the parent before it forks; anonymous, so
/// nothing is left behind however they end. Move-only.
class shared_board {
 public:
  /// Contributions pass in pieces of this many bytes.
  static constexpr std::size_t slot_bytes = 16384;

  explicit shared_board(int size) : size_(size) {
    bytes_ = sizeof(head) + count() * (sizeof(record) + 2 * slot_bytes);
    void* memory =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
      throw error(errc::launch, format("cannot map %zu bytes that %d ranks share: %s", bytes_, size,
                                       std::strerror(errno)));
    // Fresh pages are zero, which is where every field starts.
    head_ = ::new (memory) head;
    records_ = reinterpret_cast<record*>(head_ + 1);
    for (int r = 0; r < size; ++r) ::new (&records_[r]) record;
    slots_ = reinterpret_cast<std::byte*>(records_ + size);
  }
  shared_board(shared_board&& other) noexcept
      : size_(other.size_), bytes_(other.bytes_), head_(std::exchange(other.head_, nullptr)),
        records_(other.records_), slots_(other.slots_) {}
  shared_board& operator=(shared_board&&) = delete;
  ~shared_board() {
    if (head_) ::munmap(head_, bytes_);
  }

  int size() const { return size_; }

  /// The parent's word on a child that it has waited for, or that of a thread
  /// (`pid` 0); wakes whoever waits for it. `status` is what `waitpid` said.
  void report_end(int rank, int pid, int status) noexcept {
    record& r = records_[rank];
    r.pid.store(pid, std::memory_order_relaxed);
    r.status.store(status, std::memory_order_relaxed);
    r.ended.store(1, std::memory_order_release);
    if (status != 0) blame(rank, rank);
    announce();
  }

  /// A rank's own word that it gives up, and by whose fault; the first counts.
  void report_failure(int rank, int culprit, const char* why) noexcept {
    record& r = records_[rank];
    std::strncpy(r.why, why, sizeof r.why - 1);
    r.consequence.store(culprit >= 0 && culprit != rank, std::memory_order_relaxed);
    r.failed.store(1, std::memory_order_release);
    blame(culprit >= 0 && culprit < size_ ? culprit : rank, rank);
    announce();
  }

  /// Whether a rank gave up for another's sake: its end is then no first failure.
  bool gave_up_for_another(int rank) const noexcept {
    return records_[rank].failed.load(std::memory_order_acquire) &&
           records_[rank].consequence.load(std::memory_order_relaxed);
  }

  /// One piece from every rank to every rank; `length` is the whole of what
  /// `rank` gives in this call, of which `piece` is a part. Throws where a
  /// rank ended or gave up, or at the deadline.
  void exchange(int rank, std::uint64_t round, std::uint64_t length, bytes_view piece, double timeout) {
    record& mine = records_[rank];
    if (!piece.empty()) std::memcpy(slot(rank, round), piece.data(), piece.size());
    mine.length[round & 1] = length;
    mine.round.store(round, std::memory_order_release);
    // Two slots a rank: whoever writes round k+2 knows from round k+1 that all have read round k.
    std::uint64_t complete = round * count();
    if (head_->arrivals.fetch_add(1, std::memory_order_acq_rel) + 1 == complete) announce();
    double deadline = now() + timeout;
    for (;;) {
      std::uint32_t seen = head_->event.load(std::memory_order_acquire);
      if (head_->arrivals.load(std::memory_order_acquire) >= complete) return;
      throw_if_lost(round);
      double left = deadline - now();
      if (left <= 0) throw_late(round, timeout);
      futex_wait(head_->event, seen, left);
    }
  }

  std::uint64_t length_of(int rank, std::uint64_t round) const { return records_[rank].length[round & 1]; }
  const std::byte* piece_of(int rank, std::uint64_t round) const { return slot(rank, round); }

 private:
  struct alignas(64) head {  // the records stand behind it
    std::atomic<std::uint32_t> event;     // a futex: changes whenever a waiter should look again
    std::atomic<std::uint32_t> failure;   // the rank at fault plus one, and 16 bits up who said so
    std::atomic<std::uint64_t> arrivals;  // of all ranks in all rounds
  };
  struct alignas(64) record {
    std::atomic<std::uint64_t> round;
    std::uint64_t length[2];
    std::atomic<std::uint32_t> failed, ended, consequence;
    std::atomic<int> pid, status;
    char why[512];
  };
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

  std::size_t count() const { return static_cast<std::size_t>(size_); }
  std::byte* slot(int rank, std::uint64_t round) const {
    return slots_ + (2 * static_cast<std::size_t>(rank) + (round & 1)) * slot_bytes;
  }

  void announce() noexcept {
    head_->event.fetch_add(1, std::memory_order_acq_rel);
    futex_wake(head_->event);
  }

  void blame(int culprit, int reporter) noexcept {
    std::uint32_t nobody = 0;
    head_->failure.compare_exchange_strong(
        nobody, static_cast<std::uint32_t>(culprit + 1) | static_cast<std::uint32_t>(reporter) << 16,
        std::memory_order_acq_rel);
  }

  void throw_if_lost(std::uint64_t round) const {
    if (std::uint32_t first = head_->failure.load(std::memory_order_acquire)) {
      int culprit = static_cast<int>(first & 0xffffu) - 1, reporter = static_cast<int>(first >> 16);
      const record& r = records_[culprit];
      if (!r.failed.load(std::memory_order_acquire) && r.ended.load(std::memory_order_acquire) && r.status.load() != 0)
        throw error(errc::rank_died, format("rank %d (pid %d) %s", culprit, r.pid.load(),
                                            describe_end(r.status.load()).c_str()), culprit);
      throw error(errc::rank_failed, format("rank %d gave up: %s", reporter, records_[reporter].why), culprit);
    }
    // Whoever left in good order is missed only by those who still wait for it.
    for (int r = 0; r < size_; ++r)
      if (records_[r].round.load(std::memory_order_acquire) < round &&
          records_[r].ended.load(std::memory_order_acquire))
        throw error(errc::rank_failed, format("rank %d%s left%s while others waited for it", r,
                                              records_[r].pid == 0 ? "" : format(" (pid %d)", records_[r].pid.load()).c_str(),
                                              records_[r].pid == 0 ? "" : " with exit code 0"), r);
  }

  [[noreturn]] void throw_late(std::uint64_t round, double timeout) const {
    std::vector<int> missing;
    for (int r = 0; r < size_; ++r)
      if (records_[r].round.load(std::memory_order_acquire) < round) missing.push_back(r);
    throw error_of_missing(missing, size_, timeout);
  }

  int size_;
  std::size_t bytes_ = 0;
  head* head_ = nullptr;
  record* records_ = nullptr;
  std::byte* slots_ = nullptr;
};

/// One rank's end of a `shared_board`. Contributions of any length: 16 KiB of
/// each rank pass at a time, with one wait for all a piece.
class shared_bootstrap {
 public:
  shared_bootstrap(shared_board& board, int rank, double timeout = 300)
      : board_(&board), rank_(rank), timeout_(timeout) {}

  int rank() const { return rank_; }
  int size() const { return board_->size(); }

  /// Throws `rank_died` or `rank_failed`, which name the rank at fault, or
  /// `deadline`, which names all that are missing.
  contributions all_gather(bytes_view mine) {
    return gather_in_pieces(static_cast<std::size_t>(size()), mine, shared_board::slot_bytes, [&](bytes_view piece, auto take) {
      board_->exchange(rank_, ++round_, mine.size(), piece, timeout_);
      for (int r = 0; r < size(); ++r) take(r, board_->length_of(r, round_), board_->piece_of(r, round_));
    });
  }

  void fail(const char* why, int culprit = -1) noexcept { board_->report_failure(rank_, culprit, why); }

 private:
  shared_board* board_;
  int rank_;
  double timeout_;
  std::uint64_t round_ = 0;
};

}  // namespace tutti
