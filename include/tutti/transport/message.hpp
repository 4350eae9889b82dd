#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <tutti/base/retained.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/transport/link.hpp>
#include <tutti/transport/ucx.hpp>

namespace tutti {

/// What stands before every message.
struct message_header {
  std::uint32_t communicator = 0;
  std::uint32_t source = 0;    ///< rank in the communicator
  std::uint64_t sequence = 0;  ///< of the piece on its channel, or a word beside the stream
  std::uint64_t fingerprint = 0;
  call what{};

  static constexpr std::uint64_t goodbye = static_cast<std::uint64_t>(-1), status = static_cast<std::uint64_t>(-2),
                                 credit = static_cast<std::uint64_t>(-3);
};

/// A receiver keeps what arrives before its turn. So that this is bounded, it
/// tells the sender now and then how much it has used so far, and the sender
/// keeps within so much of that; every piece counts for a little more than its bytes.
struct message_credit {
  static constexpr std::uint64_t limit = std::uint64_t{2} << 20, told_after = limit / 4;
  static constexpr std::uint64_t charge(std::size_t bytes) { return bytes + 1024; }
};

/// The sending end of a channel of active messages. Does not copy: up to
/// `window` pieces are under way at a time. Eager ones go out whole, at once:
/// over tcp, where fetching is slow.
class message_sender final : public send_port {
 public:
  static constexpr std::size_t window = 4;
  static constexpr std::size_t piece_bytes = std::size_t{256} << 10;
  /// Of an eager one: with what stands before it, it fills what tcp passes on as one.
  static constexpr std::size_t eager_bytes = 65000;
  /// Of what the receiver fetches from memory that is not the host's: it keeps none of it, and
  /// what a fetch costs besides its bytes is more than within a host.
  static constexpr std::size_t fetched_bytes = std::size_t{1} << 20;
  static constexpr unsigned active_message = 1;

  message_sender(ucp_ep_h endpoint, std::uint32_t communicator, std::uint32_t me, bool eager)
      : endpoint_(endpoint), most_(eager ? eager_bytes : piece_bytes), flags_(eager ? std::uint32_t{UCP_AM_SEND_FLAG_EAGER} : 0),
        state_(std::make_unique<state>()) {
    state_->port = this;
    for (letter& l : state_->letters) {
      l.of = state_.get();
      l.header.communicator = communicator;
      l.header.source = me;
    }
  }
  message_sender(const message_sender&) = delete;
  message_sender& operator=(const message_sender&) = delete;
  ~message_sender() override {
    // UCX may still read what is under way, and will say when it is done: all of
    // that is kept rather than freed.
    state_->port = nullptr;
    if (under_way()) detail::retain(std::move(state_));
  }

  std::ptrdiff_t send(const std::byte* data, std::size_t bytes, const envelope& e) override {
    state& s = *state_;
    if (s.first_free - s.first_open == window || s.failed || charged_ - used_ >= message_credit::limit) return full;
    if (const std::size_t most = e.memory == memory_kind::host ? most_ : fetched_bytes; bytes > most) {
      bytes = most;
      if (e.element < bytes) bytes -= bytes % e.element;
    }
    charged_ += message_credit::charge(bytes);
    letter& l = s.letters[s.first_free % window];
    l.header.fingerprint = e.fingerprint;
    l.header.what = *e.what;
    post(l, s.sequence, data, bytes, e.memory);
    return static_cast<std::ptrdiff_t>(bytes);
  }

  /// How much of what was sent the receiver has used, as it tells.
  void allow(std::uint64_t used) { used_ = used > used_ ? used : used_; }

  /// A word beside the stream: in which call this rank waits (`status`), how much
  /// of the other direction it has used (`credit`) or, as the last of all, which
  /// operation it has completed (`goodbye`). False where there is no room at
  /// present.
  bool say(std::uint64_t word, const call& what, std::uint64_t shape) {
    state& s = *state_;
    if (s.failed || s.first_free - s.first_open == window) return false;
    letter& l = s.letters[s.first_free % window];
    l.header.what = what;
    l.header.fingerprint = shape;
    const std::uint64_t next = s.sequence;
    post(l, word, nullptr, 0);
    s.sequence = next;
    return true;
  }

  bool idle() const { return state_->failed || !under_way(); }
  bool under_way() const { return state_->first_open != state_->first_free; }

  bool failed() const { return state_->failed; }

  /// The endpoint is gone.
  void give_up() { state_->failed = true; }

 private:
  struct state;
  struct letter {
    state* of = nullptr;
    message_header header{};
    std::size_t bytes = 0;
    bool under_way = false;
  };
  struct state {
    letter letters[window];
    std::uint64_t first_open = 0, first_free = 0;
    std::uint64_t sequence = 0;  // of the next piece; words beside the stream have none
    bool failed = false;
    message_sender* port = nullptr;  // null once that has gone
  };

  // What is not the host's is only announced, so that the receiver says to which memory it goes.
  void post(letter& l, std::uint64_t sequence, const std::byte* data, std::size_t bytes, memory_kind memory = memory_kind::host) {
    ++state_->first_free;
    ++state_->sequence;
    l.header.sequence = sequence;
    l.bytes = bytes;
    l.under_way = true;
    in_flight += bytes;
    ucp_request_param_t params{};
    params.op_attr_mask =
        UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_MEMORY_TYPE | UCP_OP_ATTR_FIELD_FLAGS;
    params.flags = memory == memory_kind::host ? flags_ : std::uint32_t{UCP_AM_SEND_FLAG_RNDV};
    params.memory_type = ucx::type_of(memory);
    params.user_data = &l;
    params.cb.send = [](void* request, ucs_status_t status, void* user) {
      letter& done = *static_cast<letter*>(user);
      if (status != UCS_OK) done.of->failed = true;
      finished(done);
      ucp_request_free(request);
    };
    ucs_status_ptr_t request =
        ucp_am_send_nbx(endpoint_, active_message, &l.header, sizeof l.header, data, bytes, &params);
    if (UCS_PTR_IS_ERR(request)) state_->failed = true;
    if (!UCS_PTR_IS_PTR(request)) finished(l);
  }

  static void finished(letter& l) {
    l.under_way = false;
    state& s = *l.of;
    while (s.first_open < s.first_free && !s.letters[s.first_open % window].under_way) {
      const std::size_t bytes = s.letters[s.first_open++ % window].bytes;
      if (s.port) s.port->in_flight -= bytes;
    }
  }

  ucp_ep_h endpoint_;
  std::size_t most_;  // bytes of a piece
  std::uint32_t flags_;
  std::uint64_t charged_ = 0, used_ = 0;
  std::unique_ptr<state> state_;
};

/// The receiving end. Messages may overtake each other; their sequence numbers
/// put them in order again. What UCX has received already is used where it
/// lies; what is still with the sender is fetched to its place.
class message_receiver final : public recv_port {
 public:
  explicit message_receiver(ucp_worker_h worker) : worker_(worker) {}
  message_receiver(const message_receiver&) = delete;
  message_receiver& operator=(const message_receiver&) = delete;
  ~message_receiver() override {
    for (letter& l : letters_)
      if (l.here) give_back(l);
  }

  /// The way back, on which the peer hears how much was used.
  void tell_through(message_sender& back) { back_ = &back; }

  const piece* receive(std::byte* place, std::size_t room) override {
    tell();
    if (open_) return &piece_;
    std::uint64_t sequence = next_;
    offer_ = {};
    for (std::size_t ahead = 0; ahead < message_sender::window; ++ahead, ++sequence) {
      letter* l = find(sequence);
      if (!l && place && place_is == memory_kind::host) offer_ = {.sequence = sequence, .place = place, .room = room};
      if (!l || l->header.fingerprint != expected) break;
      if (l->where == whereabouts::at_sender) {
        // One that reaches beyond the place is fetched beside it, once it is its turn.
        const bool fits = !place || l->bytes <= room;
        if (!fits && ahead > 0) break;
        fetch(*l, fits ? place : nullptr);
      }
      if (place) {
        if (l->bytes > room) break;
        place += l->bytes;
        room -= l->bytes;
      }
    }
    letter* first = find(next_);
    if (!first) return nullptr;
    if (first->lost) {
      broken = true;
      return nullptr;
    }
    const bool strange = first->header.fingerprint != expected;
    if ((first->where == whereabouts::at_sender && !strange) || first->fetching) return nullptr;
    piece_ = {.data = first->data, .bytes = first->bytes, .from = {.fingerprint = first->header.fingerprint, .what = &what_}};
    what_ = first->header.what;  // letters move when others arrive
    open_ = !strange;
    return &piece_;
  }

  const envelope* peek() override {
    const letter* first = find(next_);
    if (!first) return nullptr;
    seen_ = {.fingerprint = first->header.fingerprint, .what = &first->header.what};
    return &seen_;
  }

  void consume(std::size_t bytes) override {
    piece_.data += bytes;
    piece_.bytes -= bytes;
    if (piece_.bytes > 0) return;
    open_ = false;
    letter& used = at(next_);
    used_ += message_credit::charge(used.bytes);
    give_back(used);
    used.here = false;
    ++next_;
    tell();
  }

  /// The places that were offered may be gone.
  void withdraw() { offer_ = {}; }

  /// A message has come; UCS_INPROGRESS where its data is kept.
  ucs_status_t arrived(const message_header& header, void* data, std::size_t bytes,
                       const ucp_am_recv_param_t& param) {
    make_room(header.sequence);
    letter& l = at(header.sequence);
    l = {.header = header, .bytes = bytes, .here = true};
    if (param.recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) {
      l.where = whereabouts::at_sender;
      l.held = data;
      return UCS_INPROGRESS;
    }
    if (offer_.place && offer_.sequence == header.sequence && header.fingerprint == expected && bytes <= offer_.room) {
      l.data = offer_.place;
      if (bytes > 0) std::memcpy(l.data, data, bytes);
      offer_ = {.sequence = header.sequence + 1, .place = offer_.place + bytes, .room = offer_.room - bytes};
      return UCS_OK;
    }
    if (param.recv_attr & UCP_AM_RECV_ATTR_FLAG_DATA) {
      l.where = whereabouts::held;
      l.held = data;
      l.data = static_cast<std::byte*>(data);
      return UCS_INPROGRESS;
    }
    l.own = spare(bytes);
    if (bytes > 0) std::memcpy(l.own.data(), data, bytes);
    l.data = l.own.data();
    return UCS_OK;
  }

 private:
  enum class whereabouts : std::uint8_t { own, held, at_sender };
  struct letter {
    message_header header{};
    std::size_t bytes = 0;
    bool here = false;
    whereabouts where = whereabouts::own;
    void* held = nullptr;  // by UCX, to be given back or fetched
    std::byte* data = nullptr;
    buffer<std::byte> own{};
    void* fetching = nullptr;
    bool lost = false;
  };
  /// Where the next message to come may be put at once.
  struct place_offer {
    std::uint64_t sequence = 0;
    std::byte* place = nullptr;
    std::size_t room = 0;
  };

  // Where there is no room now there will be once the next piece is wanted.
  void tell() {
    if (back_ && used_ - told_ >= message_credit::told_after && back_->say(message_header::credit, {}, used_)) told_ = used_;
  }

  letter& at(std::uint64_t sequence) { return letters_[sequence % letters_.size()]; }

  // Those from `next_` on have a place each.
  void make_room(std::uint64_t sequence) {
    std::size_t size = letters_.size();
    if (sequence - next_ < size) return;
    while (sequence - next_ >= size) size *= 2;
    std::vector<letter> larger(size);
    for (letter& l : letters_)
      if (l.here) larger[l.header.sequence % size] = std::move(l);
    letters_ = std::move(larger);
  }

  letter* find(std::uint64_t sequence) {
    letter& l = at(sequence);
    if (!l.here || l.header.sequence != sequence) return nullptr;
    if (l.fetching) {
      const ucs_status_t status = ucp_request_check_status(l.fetching);
      if (status == UCS_INPROGRESS) return &l;
      l.lost = status != UCS_OK;
      ucp_request_free(std::exchange(l.fetching, nullptr));
    }
    return &l;
  }

  void fetch(letter& l, std::byte* place) {
    if (!place) l.own = spare(l.bytes);
    l.data = place ? place : l.own.data();
    l.where = whereabouts::own;
    ucp_request_param_t params{};
    params.op_attr_mask = UCP_OP_ATTR_FIELD_MEMORY_TYPE;
    params.memory_type = ucx::type_of(place ? place_is : memory_kind::host);
    ucs_status_ptr_t request = ucp_am_recv_data_nbx(worker_, std::exchange(l.held, nullptr), l.data, l.bytes, &params);
    if (UCS_PTR_IS_PTR(request)) l.fetching = request;
    else l.lost = UCS_PTR_STATUS(request) != UCS_OK;
  }

  void give_back(letter& l) {
    if (l.fetching) {
      // UCX may still write to it: the bytes are kept rather than given to others.
      if (ucp_request_check_status(l.fetching) == UCS_INPROGRESS) detail::retain(std::move(l.own));
      ucp_request_free(l.fetching);
    }
    if (l.held) ucp_am_data_release(worker_, l.held);
    l.held = l.fetching = nullptr;
    if (l.own.size() > 0 && spares_.size() < 2 * message_sender::window) spares_.push_back(std::move(l.own));
  }

  buffer<std::byte> spare(std::size_t bytes) {
    for (buffer<std::byte>& b : spares_)
      if (b.size() >= bytes) {
        buffer<std::byte> found = std::move(b);
        b = std::move(spares_.back());
        spares_.pop_back();
        return found;
      }
    return buffer<std::byte>(bytes < 4096 ? 4096 : bytes);
  }

  ucp_worker_h worker_;
  message_sender* back_ = nullptr;
  std::vector<letter> letters_ = std::vector<letter>(8);  // by sequence, modulo their number
  std::vector<buffer<std::byte>> spares_;
  std::uint64_t next_ = 0;
  std::uint64_t used_ = 0, told_ = 0;
  place_offer offer_{};
  piece piece_{};
  call what_{};
  envelope seen_{};
  bool open_ = false;
};

}  // namespace tutti
