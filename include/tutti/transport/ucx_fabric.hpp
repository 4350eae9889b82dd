#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include <tutti/base/environment.hpp>
#include <tutti/base/log.hpp>
#include <tutti/base/packing.hpp>
#include <tutti/transport/lending.hpp>
#include <tutti/transport/link.hpp>
#include <tutti/transport/monitor.hpp>
#include <tutti/transport/near_survivors.hpp>
#include <tutti/transport/peers.hpp>
#include <tutti/transport/window.hpp>

namespace tutti {

/// Ranks that are processes: windows between those of one host, messages
/// between all others. Which of the two joins a pair is found out when they
/// connect; `TUTTI_LINK=message` (or `window`, which then must work) forces one.
///
/// Engines and their links may be made and destroyed by several threads at once;
/// `progress`, `sleep` and the links of an engine belong to the engine's thread.
class ucx_fabric final : public fabric {
 public:
  /// Collective over `members`, in ascending order, of a world of `size` ranks;
  /// `world` gives by rank of the world what each of them gave.
  ucx_fabric(exchange& world, int rank, int size, std::vector<int> members)
      : rank_(rank), size_(static_cast<std::size_t>(size)), members_(std::move(members)), homes_(gather_values(world, rank_home::mine())),
        context_(std::make_shared<ucx::context>(way_of_messages())), arena_(*context_), mapper_(*context_) {
    const char* forced = environment("TUTTI_LINK");
    if (forced && std::strcmp(forced, "window") != 0 && std::strcmp(forced, "message") != 0)
      throw error(errc::invalid_argument, format("TUTTI_LINK is '%s': it takes window or message", forced), rank);
    meet_neighbours(world, forced && std::strcmp(forced, "message") == 0);
    if (forced && std::strcmp(forced, "window") == 0)
      for (int r : members_)
        if (!near(rank, r))
          throw error(errc::link, format("TUTTI_LINK=window, but rank %d on %s cannot be reached through a window",
                                         r, homes_[static_cast<std::size_t>(r)].host), r);
    one_host_ = true;
    for (int a : members_)
      for (int b : members_) one_host_ &= near(a, b);
    board_ = one_host_ ? &controls_[static_cast<std::size_t>(members_[0])]->board : &own_board_;
    open_operation_ = &controls_[static_cast<std::size_t>(rank)]->open_operation;
    if (!one_host_) {
      monitor_ = std::make_unique<monitor>(world, rank, members_, own_board_);
      monitor_->follow(open_operation());
    }
    for (std::size_t r = 0; r < size_; ++r)
      if (windows_[r] && static_cast<int>(r) != rank) watch_.add(static_cast<int>(r), homes_[r].pid, &controls_[r]->left);
  }

  ~ucx_fabric() override {
    leave();
    memory_->close();
    borrowings_.reset();
    opened_ = {};
    mapping_endpoints_.clear();
  }

  inline std::unique_ptr<engine_transport> make_engine() override;
  verdict_board& board() override { return *board_; }

  // Who takes over from a writer that was lost says what that one would have said:
  // of those that survive.
  verdict given() override {
    return board_->read([this](int lost) {
      const std::uint64_t mine = open_operation().load(std::memory_order_relaxed);
      lowest_operations open;
      for (int r : members_)
        if (one_host_ && r != lost && !watch_.has_gone(r)) open.note(controls_[static_cast<std::size_t>(r)]->open_operation.load(std::memory_order_relaxed));
      return open.lowest(mine);
    });
  }

  void declare(const verdict& v) override {
    declared_.store(true, std::memory_order_relaxed);
    if (monitor_) monitor_->declare(v);
    else board_->declare(v, rank_);
  }

  void examine(std::uint64_t stuck_on, const link& over, const std::vector<int>& members) override {
    if (examining_.test_and_set(std::memory_order_acquire)) return;  // another engine is at it
    watch_.look([&](process_watch::finding f) {
      const auto r = static_cast<std::size_t>(f.rank);
      const bool dead = f.is == process_watch::condition::ended;
      if (dead && controls_[r] && controls_[r]->left.load(std::memory_order_acquire)) return;
      // Where this board is everybody's, nobody goes on while this rank looks.
      const auto mine = one_host_ ? board_->announce(rank_) : verdict_board::announcement{};
      if (one_host_ && !mine) return;
      verdict v{.code = dead ? errc::rank_died : errc::rank_stopped, .rank = f.rank,
                .operation = lowest_open(stuck_on, over, members, f.rank)};
      std::string what = format("rank %d (process %d on %s) %s", f.rank, f.pid, homes_[r].host, dead ? "died" : "is stopped and does not run");
      // Among several hosts the operation is for who has heard all of them.
      if (one_host_)
        what += format("; operation %llu%s could not be completed", static_cast<unsigned long long>(operation_number(v.operation)),
                       of_communicator(communicator_of(v.operation), members).c_str());
      v.say(what);
      if (one_host_) board_->write(mine, v);
      else declare(v);
    });
    for (std::size_t p = 0; p < members.size(); ++p) report_broken(stuck_on, over, static_cast<int>(p), members);
    examining_.clear(std::memory_order_release);
  }

  /// How many of the members are on this rank's machine.
  int neighbours() const {
    return how_many([&](const rank_home& other) { return other.same_machine(home()); });
  }
  /// How many may run on a core on which this rank may run.
  int sharing_cores() const {
    return how_many([&](const rank_home& other) { return other.shares_cores(home()); });
  }

  std::shared_ptr<memory_source> memory() override { return memory_; }
  borrower& borrowed() { return *borrowings_; }

  std::unique_ptr<survivors> gather_survivors(double patience) override {
    const int condemned = given().condemned();
    if (!one_host_) return monitor_->gather_survivors(condemned, patience);
    std::vector<survivor_desk*> desks(size_);
    for (int r : members_) desks[static_cast<std::size_t>(r)] = &controls_[static_cast<std::size_t>(r)]->desk;
    return std::make_unique<near_survivors>(controls_[static_cast<std::size_t>(members_[0])]->survivors, std::move(desks), rank_,
                                            condemned, patience, [this] { return lost_neighbours(); });
  }

  std::string why_not_moved(memory_kind kind) const override {
    return context_->moves(kind) ? "" : "UCX does not move the memory of CUDA devices here: it was built without that, or finds no device";
  }

  void leave() override {
    controls_[static_cast<std::size_t>(rank_)]->left.store(1, std::memory_order_release);
    if (monitor_) monitor_->leave();
  }

  std::string describe() const override {
    std::size_t near = 0;
    for (char w : windows_) near += w != 0;
    return format("UCX: windows to %zu ranks of this host, messages to %zu others", near - 1, members_.size() - near);
  }

 private:
  /// What a rank shows to the others of its host for as long as the session lasts.
  struct control {
    verdict_board board;
    std::atomic<std::uint32_t> left{0};
    lending_board lends;
    survivor_board survivors;  // the lowest rank's counts
    survivor_desk desk;
    alignas(64) std::atomic<std::uint64_t> open_operation{1};  // written with every operation: a line of its own
  };

  std::vector<int> lost_neighbours() {
    std::vector<int> lost;
    while (examining_.test_and_set(std::memory_order_acquire)) ::sched_yield();
    watch_.look([&](process_watch::finding f) { lost.push_back(f.rank); });
    examining_.clear(std::memory_order_release);
    for (int r : members_)
      if (controls_[static_cast<std::size_t>(r)]->left.load(std::memory_order_acquire)) lost.push_back(r);
    return lost;
  }

  // A card and a key behind it.
  void append_card(std::vector<std::byte>& to, arena_place place) const {
    const ucx::shared_memory& segment = arena_.segment(place.segment);
    const std::vector<std::byte> key = segment.key();
    append(to, arena_card{place, reinterpret_cast<std::uint64_t>(segment.data()), static_cast<std::uint32_t>(key.size())});
    append(to, key);
  }
  std::byte* open_card(const process_watch& watch, std::size_t peer, unpacking& from) {
    const auto card = from.value<arena_card>();
    const bytes_view key = from.bytes(card.key_bytes);
    const std::lock_guard held(opening_);
    return opened_.open(watch, peer, mapping_endpoints_[peer]->get(), card.place, card.address, key);
  }
  // Of a neighbour whose window is open; null where it is ending.
  std::byte* open_another(std::size_t peer, unpacking& from) {
    const auto address = unpacking(from).value<arena_card>().address;
    std::byte* opened = open_card(watch_, peer, from);
    if (!opened && watch_.still_has(static_cast<int>(peer), address))
      throw error(errc::link, format("rank %zu opened a window at first and does not open another", peer), static_cast<int>(peer));
    return opened;
  }

  // A connection that ended though its rank neither died nor left. What happened
  // to a rank is heard sooner than this waits. Messages join several hosts: who has
  // heard all of them says which operation could not be completed.
  void report_broken(std::uint64_t stuck_on, const link& over, int peer, const std::vector<int>& members) {
    const int member = members[static_cast<std::size_t>(peer)];
    const double since = over.broken_since(peer);
    if (over.kind(peer) != link_kind::message || since == 0 || now() - since < lost_patience) return;
    const rank_status* s = over.status_of(peer);
    if (s && s->left.load(std::memory_order_acquire)) return;  // which is a reason of its own, where it left too early
    verdict v{.code = errc::link, .names_operation = false, .rank = member, .operation = stuck_on};
    v.say(format("the connection between rank %d and rank %d on %s has ended", rank_, member, homes_[static_cast<std::size_t>(member)].host));
    declare(v);
  }

  // The lowest operation that some survivor has not completed, as far as this
  // rank can see the others.
  static std::uint64_t lowest_open(std::uint64_t mine, const link& over, const std::vector<int>& members, int gone) {
    for (std::size_t p = 0; p < members.size(); ++p) {
      const rank_status* s = members[p] == gone ? nullptr : over.status_of(static_cast<int>(p));
      if (!s || over.kind(static_cast<int>(p)) == link_kind::message) continue;
      const std::uint64_t next = operation_id(communicator_of(mine), s->completed.load(std::memory_order_relaxed) + 1);
      mine = next < mine ? next : mine;
    }
    return mine;
  }

  void meet_neighbours(exchange& world, bool messages_only) {
    const auto me = static_cast<std::size_t>(rank_);
    arena_place place = arena_.allocate(sizeof(control));
    control* mine = new (arena_.at(place)) control;
    controls_.assign(size_, nullptr);
    controls_[me] = mine;
    std::vector<std::byte> card;
    append_card(card, place);
    const std::vector<std::byte> address = mapper_.address();
    append(card, address);
    const contributions cards = world.all_gather(card);

    mapping_endpoints_.resize(size_);
    process_watch all_here;
    std::vector<std::byte> opened(size_);
    opened[me] = std::byte{1};
    for (std::size_t r = 0; r < size_; ++r) {
      if (r == me || messages_only || !homes_[r].same_host(homes_[me])) continue;
      unpacking from(cards[r]), behind = from;  // the key is the worker's address
      behind.bytes(behind.value<arena_card>().key_bytes);
      mapping_endpoints_[r] = std::make_unique<ucx::endpoint>(mapper_, behind.rest(), nullptr, nullptr);
      all_here.add(static_cast<int>(r), homes_[r].pid);
      controls_[r] = reinterpret_cast<control*>(open_card(all_here, r, from));
      opened[r] = std::byte{controls_[r] != nullptr};
    }
    memory_ = std::make_shared<lending_memory>(context_, mine->lends);
    std::vector<borrowings::neighbour> neighbours(size_);
    for (std::size_t r = 0; r < size_; ++r)
      if (r != me && controls_[r]) neighbours[r] = {&controls_[r]->lends, mapping_endpoints_[r]->get()};
    borrowings_ = std::make_unique<borrowings>(std::move(neighbours), watch_, opening_);
    const contributions all_opened = world.all_gather(opened);
    // Every rank knows of every pair, so that what follows from it is the same on all.
    all_windows_.resize(size_ * size_);
    for (int first : members_)
      for (int second : members_) {
        const auto a = static_cast<std::size_t>(first), b = static_cast<std::size_t>(second);
        all_windows_[a * size_ + b] = all_opened[a][b] != std::byte{0} && all_opened[b][a] != std::byte{0};
      }
    windows_.assign(all_windows_.begin() + static_cast<std::ptrdiff_t>(me * size_),
                    all_windows_.begin() + static_cast<std::ptrdiff_t>((me + 1) * size_));
  }

  static constexpr std::size_t channels_at = sizeof(rank_status);  // in an inbox

  // What a rank has for a billboard: none where it takes more than half of
  // what was allowed, and then the members have none.
  static std::size_t shown_bytes(link_use use, std::size_t most_bytes) {
    constexpr std::size_t all = board_memory::footprint();
    return use == link_use::collectives && most_bytes / 2 >= all ? all : 0;
  }

  static slot_shape shape_for(std::size_t peers, link_use use, std::size_t most_bytes, int rank) {
    const slot_shape longest{.slots = 4, .bytes = use == link_use::collectives ? 65536u : 16384u};
    const std::size_t besides = channels_at + shown_bytes(use, most_bytes), room = most_bytes > besides ? most_bytes - besides : 0;
    slot_shape shape = shape_within(room, longest, 64, peers);
    // What is short need not wait for a slot, where that leaves these as they are.
    for (slot_shape more = shape; more.heads < 32 && (more.heads *= 2, more.footprint() * peers <= room);) shape = more;
    while (shape.slots > 1 && shape.footprint() * peers > room) shape.heads = shape.slots /= 2;
    if (shape.footprint() * peers > room)
      throw error(errc::invalid_argument, format("rank %d allows a communicator of %zu ranks %zu bytes for its channels; it needs %zu",
                                                 rank, peers, most_bytes, besides + shape.footprint() * peers), rank);
    return shape;
  }

  class engine;
  class mixed_link;

  const rank_home& home() const { return homes_[static_cast<std::size_t>(rank_)]; }
  template <class Is>
  int how_many(Is is) const {
    return static_cast<int>(std::count_if(members_.begin(), members_.end(), [&](int r) { return is(homes_[static_cast<std::size_t>(r)]); }));
  }
  ucx::way way_of_messages() const {
    const bool near = how_many([&](const rank_home& other) { return other.same_network_space(home()); }) == static_cast<int>(members_.size());
    return !near && neighbours() == static_cast<int>(members_.size()) ? ucx::way::within_machine : ucx::way::any;
  }

  int rank_;
  std::size_t size_;          // of the world; members may be fewer
  std::vector<int> members_;  // ascending
  std::vector<rank_home> homes_;
  std::shared_ptr<ucx::context> context_;  // shared with buffers that outlive the session
  arena arena_;
  ucx::worker mapper_;
  std::vector<std::unique_ptr<ucx::endpoint>> mapping_endpoints_;
  opened_arenas opened_;
  std::shared_ptr<lending_memory> memory_;
  std::unique_ptr<borrowings> borrowings_;
  std::vector<control*> controls_;
  bool near(int a, int b) const { return all_windows_[static_cast<std::size_t>(a) * size_ + static_cast<std::size_t>(b)] != 0; }
  bool by_window(int a, int b, link_use use) const { return near(a, b) && (a == b || use != link_use::no_windows); }

  std::vector<char> windows_;      // by peer: whether a window joins them
  std::vector<char> all_windows_;  // by pair
  bool one_host_ = false;
  verdict_board own_board_;
  verdict_board* board_ = nullptr;
  std::atomic<bool> declared_{false};  // this rank has said why the session is over
  process_watch watch_;
  std::mutex opening_;  // of neighbours' memory, through the endpoints for it
  std::atomic_flag examining_ = ATOMIC_FLAG_INIT;
  std::unique_ptr<monitor> monitor_;
  std::atomic<std::uint32_t> next_communicator_{1};
  std::atomic<std::uint64_t> next_generation_{1};  // of channels
};

}  // namespace tutti

// A fabric makes engines: whoever includes one has the other.
#include <tutti/transport/ucx_engine.hpp>
