#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <vector>

#include <poll.h>

#include <tutti/base/log.hpp>
#include <tutti/base/retained.hpp>
#include <tutti/schedule/team.hpp>
#include <tutti/transport/message.hpp>
#include <tutti/transport/ucx_fabric.hpp>

namespace tutti {

/// The channels of one communicator, of both kinds.
class ucx_fabric::mixed_link final : public link {
 public:
  inline mixed_link(engine& owner, int me, std::size_t peers);
  inline ~mixed_link() override;

  send_port& to(int peer) override { return *senders_[static_cast<std::size_t>(peer)]; }
  recv_port& from(int peer) override { return *receivers_[static_cast<std::size_t>(peer)]; }
  link_kind kind(int peer) const override { return kinds_[static_cast<std::size_t>(peer)]; }
  rank_status& status() override { return *status_; }
  const rank_status* status_of(int peer) const override { return statuses_[static_cast<std::size_t>(peer)]; }
  std::vector<int> hosts() const override { return hosts_; }
  std::size_t bytes() const override { return inbox_bytes_; }
  double broken_since(int peer) const override {
    const double* since = broken_since_[static_cast<std::size_t>(peer)];
    return since ? *since : 0;
  }
  inline bool lends() const override;
  inline loan lend(const std::byte* data, std::size_t bytes) const override;
  inline std::byte* borrowed(int peer, loan from) override;
  billboard* board() override { return board_.get(); }
  void tell(const call& what, std::uint64_t shape) override {
    for (std::size_t p = 0; p < senders_.size(); ++p)
      if (kinds_[p] == link_kind::message) sender(p).say(message_header::status, what, shape);
  }

 private:
  friend class engine;
  // Of a peer that messages join.
  message_sender& sender(std::size_t peer) const { return static_cast<message_sender&>(*senders_[peer]); }
  message_receiver& receiver(std::size_t peer) const { return static_cast<message_receiver&>(*receivers_[peer]); }

  engine& owner_;
  std::uint32_t number_ = 0;
  std::vector<int> hosts_;  // none where windows join all
  std::vector<int> members_;
  const lender* lender_ = nullptr;
  borrower* borrower_ = nullptr;
  arena_place place_{};
  std::size_t inbox_bytes_ = 0;
  rank_status* status_ = nullptr;
  std::vector<std::unique_ptr<send_port>> senders_;
  std::vector<std::unique_ptr<recv_port>> receivers_;
  std::vector<const rank_status*> statuses_;
  std::vector<link_kind> kinds_;
  std::vector<std::unique_ptr<rank_status>> remembered_;  // of peers on other hosts, from their goodbyes
  std::vector<memory_user> inbox_users_;
  std::unique_ptr<billboard> board_;
  std::vector<const double*> broken_since_;  // by peer; null where no message joins it
};

class ucx_fabric::engine final : public engine_transport {
 public:
  explicit engine(ucx_fabric& fabric) : fabric_(fabric) {
    bell_place_ = fabric.arena_.allocate(sizeof(doorbell));
    bell_ = new (fabric.arena_.at(bell_place_)) doorbell;
  }
  ~engine() override {
    ucx::endpoint::close(endpoints_, has_failed());
    endpoints_.clear();
    // UCX 1.13 ends the process where a worker is destroyed with an answer to a peer
    // waiting for its connection, which after a failure may never be made. (It has a
    // thread of UCX's, which sleeps.)
    if ((has_failed() || has_declared()) && worker_) detail::retain(kept_worker{fabric_.context_, std::move(worker_)});
    worker_.reset();
    fabric_.arena_.release(bell_place_, sizeof(doorbell));
  }

  std::unique_ptr<link> connect(const std::vector<int>& members, int me, exchange& with, link_use use, std::size_t most_bytes) override {
    const std::size_t n = members.size(), self = static_cast<std::size_t>(me);
    auto made = std::make_unique<mixed_link>(*this, me, n);
    made->members_ = members;
    made->lender_ = fabric_.memory_.get();
    made->borrower_ = fabric_.borrowings_.get();
    const slot_shape shape = shape_for(n, use, most_bytes, fabric_.rank_);
    const std::size_t shown_bytes = fabric_.shown_bytes(use, most_bytes);
    bool any_message = false;  // of this rank's
    for (int member : members) any_message |= !fabric_.by_window(fabric_.rank_, member, use);
    made->hosts_ = hosts_by(static_cast<int>(n), [&](int a, int b) {
      return fabric_.by_window(members[static_cast<std::size_t>(a)], members[static_cast<std::size_t>(b)], use);
    });

    // Its own inbox, initialised before anybody hears of it.
    const std::size_t places_at = channels_at + n * shape.footprint();
    made->inbox_bytes_ = places_at + shown_bytes;
    made->place_ = fabric_.arena_.allocate(made->inbox_bytes_);
    std::byte* inbox = make_inbox(made->place_, n, shape, shown_bytes > 0);
    made->status_ = reinterpret_cast<rank_status*>(inbox);

    std::vector<std::byte> card;
    append(card, fabric_.next_communicator_.load());
    append(card, shape);
    append(card, shown_bytes);
    fabric_.append_card(card, made->place_);
    fabric_.append_card(card, bell_place_);
    const contributions cards = with.all_gather(card);
    std::vector<unpacking> readers;
    std::vector<slot_shape> shapes;  // of each rank's own inbox
    bool all_show = n > 1;
    for (const auto& bytes : cards) {
      readers.emplace_back(bytes);
      const auto number = readers.back().value<std::uint32_t>();
      if (number > made->number_) made->number_ = number;
      shapes.push_back(readers.back().value<slot_shape>());
      all_show &= readers.back().value<std::size_t>() > 0;
    }
    // Two that are made at once may get one number: they are of different engines.
    for (std::uint32_t next = fabric_.next_communicator_;
         next <= made->number_ && !fabric_.next_communicator_.compare_exchange_weak(next, made->number_ + 1);) {
    }

    std::vector<board_memory> shown(n, {inbox + places_at});
    std::vector<doorbell*> bells;
    for (std::size_t p = 0; p < n; ++p) {
      if (p == self) continue;
      const auto member = static_cast<std::size_t>(members[p]);
      if (!fabric_.by_window(fabric_.rank_, members[p], use)) continue;
      std::byte* theirs = fabric_.open_another(member, readers[p]);
      auto* bell = reinterpret_cast<doorbell*>(fabric_.open_another(member, readers[p]));
      if (!theirs || !bell) {  // it is ending; until somebody finds that, what stands for it never answers
        theirs = make_inbox(fabric_.arena_.allocate(channels_at + n * shapes[p].footprint() + board_memory::footprint()), n, shapes[p], true);
        reinterpret_cast<rank_status*>(theirs)->left = fabric_.controls_[member]->left.load(std::memory_order_acquire);
        bell = bell_;
      }
      made->kinds_[p] = link_kind::window;
      shown[p] = {theirs + channels_at + n * shapes[p].footprint()};
      bells.push_back(bell);
      made->statuses_[p] = reinterpret_cast<rank_status*>(theirs);
      const slot_memory outgoing = slot_memory::one_of(theirs + channels_at, n, self, shapes[p]);
      made->senders_[p] = std::make_unique<slot_sender>(outgoing, *bell, fabric_.memory_.get());
      made->inbox_users_.push_back({made->statuses_[p], &outgoing.credit(), outgoing.credit().generation.load(std::memory_order_acquire)});
      made->receivers_[p] = std::make_unique<slot_receiver>(
          slot_memory::one_of(inbox + channels_at, n, p, shape), *bell, fabric_.borrowings_.get(), members[p]);
    }

    if (all_show && made->hosts_.empty()) made->board_ = std::make_unique<billboard>(me, std::move(shown), std::move(bells));
    if (any_message) start_worker();
    // A rank all of whose peers are near takes part with nothing to say.
    if (!made->hosts_.empty()) {
      links_.push_back(made.get());
      for (std::size_t p = 0; p < n; ++p)
        if (made->kinds_[p] == link_kind::message) made->receivers_[p] = std::make_unique<message_receiver>(worker_->get());
      const std::vector<std::byte> address = any_message ? worker_->address() : std::vector<std::byte>{};
      const contributions addresses = with.all_gather(address);
      for (std::size_t p = 0; p < n; ++p)
        if (made->kinds_[p] == link_kind::message) {
          const peer& to = connect_to(members[p], addresses[p]);
          auto out = std::make_unique<message_sender>(to.endpoint, made->number_, static_cast<std::uint32_t>(me), eager_);
          made->receiver(p).tell_through(*out);
          made->senders_[p] = std::move(out);
          made->broken_since_[p] = &to.broken_since;
          made->remembered_[p] = std::make_unique<rank_status>();
          made->statuses_[p] = made->remembered_[p].get();
        }
    }
    return made;
  }

  bool progress() override { return worker_ && ucp_worker_progress(worker_->get()) > 0; }
  bool asks_the_system() const override { return worker_ != nullptr; }

  void sleep(double seconds, bool (*look)(void*), void* context) override {
    if (!worker_) {
      bell_->sleep(seconds, [&] { return look(context); });
      return;
    }
    // Messages wake through a descriptor, neighbours' windows cannot: with both,
    // the descriptor is watched in short stretches.
    if (ucp_worker_arm(worker_->get()) != UCS_OK || look(context)) return;
    pollfd fd{.fd = descriptor_, .events = POLLIN, .revents = 0};
    const double most = windows_too_ && seconds > 0.0005 ? 0.0005 : seconds;
    timespec t{.tv_sec = static_cast<time_t>(most), .tv_nsec = static_cast<long>((most - static_cast<double>(static_cast<time_t>(most))) * 1e9)};
    ::ppoll(&fd, 1, &t, nullptr);
  }

  void wake() override {
    bell_->wake();
    if (worker_) ucp_worker_signal(worker_->get());
  }

  void abandon() override {
    if (!worker_ || abandoned_) return;
    abandoned_ = true;
    for (mixed_link* l : links_)
      for (std::size_t p = 0; p < l->senders_.size(); ++p)
        if (l->kinds_[p] == link_kind::message && l->senders_[p]) {
          l->sender(p).give_up();
          l->receiver(p).withdraw();
        }
    // Closed by force, whatever is under way ends with an error and lets go.
    ucx::endpoint::close(endpoints_, true);
  }

  bool has_failed() const { return fabric_.board_->any(); }
  bool has_declared() const { return fabric_.declared_.load(std::memory_order_relaxed); }

  void forget(mixed_link& gone) {
    std::erase(links_, &gone);
    if (gone.status_) fabric_.arena_.release(gone.place_, gone.inbox_bytes_, std::move(gone.inbox_users_));
  }

  /// Waits until what was said has gone out, but not longer than a second.
  void flush(const mixed_link& of) {
    for (double limit = now() + 1.0; now() < limit;) {
      bool idle = true;
      for (std::size_t p = 0; p < of.senders_.size(); ++p)
        if (of.kinds_[p] == link_kind::message && of.senders_[p]) idle &= of.sender(p).idle();
      if (idle) return;
      progress();
    }
  }

 private:
  // This rank's status, and channels from n ranks behind it that nobody has used;
  // behind these places of a billboard, where it `shows`.
  std::byte* make_inbox(arena_place place, std::size_t n, slot_shape shape, bool shows) {
    std::byte* inbox = fabric_.arena_.at(place);
    new (inbox) rank_status;
    const std::uint64_t generation = fabric_.next_generation_++;
    std::byte* channels = inbox + channels_at;
    for (std::size_t p = 0; p < n; ++p) slot_memory::one_of(channels, n, p, shape).initialise(generation);
    if (shows) board_memory{channels + n * shape.footprint()}.initialise();
    return inbox;
  }

  void start_worker() {
    if (worker_) return;
    worker_ = std::make_unique<ucx::worker>(*fabric_.context_);
    eager_ = ucx::only_tcp();
    ucx::check(ucp_worker_get_efd(worker_->get(), &descriptor_), "asking for a worker's descriptor");
    std::size_t near = 0;
    for (char w : fabric_.windows_) near += w != 0;
    windows_too_ = near > 1;
    ucp_am_handler_param_t handler{};
    handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
    handler.id = message_sender::active_message;
    handler.arg = this;
    handler.cb = [](void* self, const void* header, std::size_t header_bytes, void* data, std::size_t bytes,
                    const ucp_am_recv_param_t* param) {
      return static_cast<engine*>(self)->arrived(header, header_bytes, data, bytes, *param);
    };
    ucx::check(ucp_worker_set_am_recv_handler(worker_->get(), &handler), "setting the message handler");
  }

  // Called through UCX, which knows no exceptions.
  ucs_status_t arrived(const void* bytes, std::size_t header_bytes, void* data, std::size_t length,
                       const ucp_am_recv_param_t& param) noexcept {
    try {
      return take(bytes, header_bytes, data, length, param);
    } catch (const std::exception& e) {
      verdict v{.code = errc::link, .names_operation = false, .rank = fabric_.rank_, .operation = fabric_.open_operation().load(std::memory_order_relaxed)};
      v.say(format("rank %d could not take a message: %s", fabric_.rank_, e.what()));
      fabric_.declare(v);
      return UCS_OK;
    }
  }

  ucs_status_t take(const void* bytes, std::size_t header_bytes, void* data, std::size_t length,
                    const ucp_am_recv_param_t& param) {
    message_header header;
    if (header_bytes != sizeof header) return UCS_OK;
    std::memcpy(&header, bytes, sizeof header);
    for (mixed_link* l : links_) {
      if (l->number_ != header.communicator || header.source >= l->kinds_.size()) continue;
      if (l->kinds_[header.source] != link_kind::message) continue;
      if (header.sequence == message_header::goodbye || header.sequence == message_header::status) {
        if (rank_status* s = l->remembered_[header.source].get()) {
          const bool goodbye = header.sequence == message_header::goodbye;
          if (goodbye) s->entered = header.what.number;
          else s->enter(header.what, header.fingerprint, header.what.number);
          s->completed = goodbye ? header.what.number : header.what.number - 1;
          s->left = goodbye;
        }
        return UCS_OK;
      }
      if (header.sequence == message_header::credit) {
        l->sender(header.source).allow(header.fingerprint);
        return UCS_OK;
      }
      return l->receiver(header.source).arrived(header, data, length, param);
    }
    // What a peer says beside the stream may come after this rank has closed its
    // own end, and after a failure so may the stream: no reason to alarm anyone.
    if (header.sequence != message_header::goodbye && header.sequence != message_header::status)
      log(log_level::info, format("a message for communicator %u, which is not here", header.communicator));
    return UCS_OK;
  }

  struct kept_worker {
    std::shared_ptr<ucx::context> of;
    std::unique_ptr<ucx::worker> worker;
  };

  // One of a member's engines: a communicator that has a thread there has another
  // than those that have none.
  struct peer {
    engine* owner;
    int member;
    std::vector<std::byte> address;
    double broken_since = 0;  // when the connection ended; 0: it has not
    ucp_ep_h endpoint = nullptr;
  };

  const peer& connect_to(int member, const std::vector<std::byte>& address) {
    for (const auto& known : peers_)
      if (known->endpoint && known->member == member && known->address == address) return *known;
    peers_.push_back(std::make_unique<peer>(peer{.owner = this, .member = member, .address = address}));
    peer& made = *peers_.back();
    try {
      endpoints_.push_back(std::make_unique<ucx::endpoint>(
          *worker_, address,
          [](void* context, ucp_ep_h, ucs_status_t status) {
            peer& p = *static_cast<peer*>(context);
            p.owner->lost(p, status);
          },
          &made));
    } catch (const error& e) {
      throw error(e.code(), format("no way to rank %d on %s: %s", member,
                                   fabric_.homes_[static_cast<std::size_t>(member)].host, e.what()), member);
    }
    made.endpoint = endpoints_.back()->get();
    return made;
  }

  // A connection has broken. Whether its rank has died or has left is for the
  // monitor to say.
  void lost(peer& p, ucs_status_t status) {
    log(log_level::info, format("the connection to rank %d has ended: %s", p.member, ucs_status_string(status)));
    p.broken_since = now();
    if (fabric_.monitor_) fabric_.monitor_->suspect(p.member);
  }

  ucx_fabric& fabric_;
  arena_place bell_place_{};
  doorbell* bell_ = nullptr;
  std::unique_ptr<ucx::worker> worker_;
  int descriptor_ = -1;
  bool windows_too_ = false;
  bool eager_ = false;
  bool abandoned_ = false;
  std::vector<std::unique_ptr<peer>> peers_;
  std::vector<std::unique_ptr<ucx::endpoint>> endpoints_;
  std::vector<mixed_link*> links_;
};

inline std::unique_ptr<engine_transport> ucx_fabric::make_engine() { return std::make_unique<engine>(*this); }

inline ucx_fabric::mixed_link::mixed_link(engine& owner, int me, std::size_t peers)
    : owner_(owner), senders_(peers), receivers_(peers), statuses_(peers), kinds_(peers, link_kind::message),
      remembered_(peers), broken_since_(peers) {
  kinds_[static_cast<std::size_t>(me)] = link_kind::self;
}

inline bool ucx_fabric::mixed_link::lends() const { return hosts_.empty(); }
inline loan ucx_fabric::mixed_link::lend(const std::byte* data, std::size_t bytes) const {
  return lender_->lend(data, bytes);
}
inline std::byte* ucx_fabric::mixed_link::borrowed(int peer, loan from) {
  return borrower_->find(members_[static_cast<std::size_t>(peer)], from);
}

inline ucx_fabric::mixed_link::~mixed_link() {
  // Nor does it survive an answer that cannot go out since the peer has gone.
  if (owner_.has_failed()) owner_.abandon();
  owner_.flush(*this);
  // A goodbye would be heard sooner than what this rank has said to the monitor.
  if (owner_.has_declared()) {
    owner_.forget(*this);
    return;
  }
  if (status_) status_->left.store(1, std::memory_order_release);
  call last;
  if (status_) last.number = status_->completed;
  for (std::size_t p = 0; p < senders_.size(); ++p)
    if (kinds_[p] == link_kind::message && senders_[p])
      sender(p).say(message_header::goodbye, last, 0);
  owner_.flush(*this);
  owner_.forget(*this);
}

}  // namespace tutti
