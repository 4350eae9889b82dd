#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <tutti/comm/posted_message.hpp>
#include <tutti/comm/unexpected.hpp>
#include <tutti/transport/port.hpp>

namespace tutti {

/// The messages between this rank and one other, both ways. What is short
/// travels at once, and waits with its receiver until it is asked for. What is
/// long, or comes when too much waits there already, is announced; it travels
/// once the receiver has found the memory for it, and then through whatever the
/// link has: lent memory is read in place. As no more is under way than the
/// receiver has room for, it always takes what comes, and messages with one tag
/// never wait for those with another.
class message_channel {
 public:
  /// How a piece of the stream is to be taken, in the lower bits of its
  /// fingerprint; above them stands the message's shape.
  enum class frame : std::uint64_t {
    word,          ///< beside messages: what the receiver has matched, and which it is ready for
    message,       ///< all of a short message, or the next part of it
    announcement,  ///< of a message whose data comes later
    data,          ///< the next part of the announced message that was asked for first
  };
  static constexpr std::uint64_t frame_bits = 3;

  message_channel(send_port& out, recv_port& in) : out_(&out), in_(&in) {}

  /// Takes its memory; to be called before `post`.
  void open() { unexpected_.open(); }

  /// `owner.done(m)` once a message has ended,
  /// `owner.differ(mine, theirs)` where the two ends disagree on a message; then
  /// nothing moves any more.
  template <class Owner>
  void post(posted_message& m, Owner& owner) {
    ++open_;
    if (m.sends) waiting_.push(m);
    else receive(m, owner);
  }

  /// True where anything moved.
  template <class Owner>
  bool progress(Owner& owner) {
    const bool taken = take(owner);
    return give(owner) || taken;
  }

  bool idle() const { return open_ == 0; }
  bool broken() const { return in_->broken; }

  template <class F>
  void each(F f) const {
    if (sending_) f(*sending_);
    for (const message_line* l : {&waiting_, &announced_, &ready_, &leaving_, &receives_, &answers_, &promised_}) l->each(f);
    if (claimed_) f(*claimed_);
    else if (filled_) f(*filled_);
  }

  /// Forgets all messages.
  void clear() {
    waiting_ = announced_ = ready_ = leaving_ = receives_ = answers_ = promised_ = {};
    sending_ = filled_ = claimed_ = nullptr;
    stored_ = nullptr;
    open_ = 0;
    stopped_ = true;
  }

 private:
  static constexpr int pieces_a_look = 8;  // so that the other direction has its turn
  static constexpr std::uint64_t told_after = unexpected_messages::most_stored / 2;

  static frame frame_of(std::uint64_t mark) { return static_cast<frame>(mark & frame_bits); }
  static std::uint64_t with(std::uint64_t shape, frame f) { return shape | static_cast<std::uint64_t>(f); }

  template <class Owner>
  void finish(posted_message& m, Owner& owner) {
    --open_;
    owner.done(m);
  }
  template <class Owner>
  void differ(posted_message& mine, const call& theirs, Owner& owner) {
    stopped_ = true;
    owner.differ(mine, theirs);
  }

  // ---- receiving

  template <class Owner>
  void receive(posted_message& m, Owner& owner) {
    unexpected_messages::arrival* a = unexpected_.find(m.tag);
    if (!a || stopped_) return receives_.push(m);
    if (a->shape != m.shape) {
      receives_.push(m);
      return differ(m, a->what, owner);
    }
    if (!a->complete) {
      claimed_ = &m;
      a->what.root = -1;  // nobody else's
      return;
    }
    if (a->data) {
      copy(m.data, a->data, m.bytes);
      m.moved = m.bytes;
      forget(*a);
      return finish(m, owner);
    }
    m.number = a->number;
    forget(*a);
    answers_.push(m);
  }

  void forget(unexpected_messages::arrival& a) {
    unexpected_.remove(a);
    ++matched_;
  }

  static void copy(std::byte* to, const std::byte* from, std::size_t bytes) {
    if (bytes > 0 && to != from) std::memcpy(to, from, bytes);
  }

  // The receive that a message belongs to: the first with its tag.
  template <class Owner>
  posted_message* match(std::uint64_t shape, const call& what, Owner& owner) {
    posted_message* astray = nullptr;
    posted_message* found = receives_.take([&](posted_message& m) {
      if (astray) return false;
      if (m.shape == shape) return true;
      if (m.tag == what.root) astray = &m;
      return false;
    });
    if (astray) differ(*astray, what, owner);
    return found;
  }

  template <class Owner>
  bool take(Owner& owner) {
    bool moved = false;
    for (int pieces = 0; pieces < pieces_a_look && !stopped_; ++pieces) {
      const envelope* next = in_->peek();
      if (!next || !take(*next, owner)) break;
      moved = true;
    }
    return moved;
  }

  template <class Owner>
  bool take(const envelope& next, Owner& owner) {
    in_->expected = next.fingerprint;
    in_->place_is = memory_kind::host;
    const std::uint64_t shape = next.fingerprint & ~frame_bits;
    switch (frame_of(next.fingerprint)) {
      case frame::word: return take_word(*next.what);
      case frame::message: return take_message(shape, *next.what, owner);
      case frame::announcement: return take_announcement(shape, *next.what, owner);
      case frame::data: return take_data(owner);
    }
    return false;
  }

  bool take_word(const call& said) {
    const std::uint64_t wanted = said.number;
    matched_there_ = said.count;
    if (!in_->receive(nullptr, 0)) return false;
    in_->consume(0);
    if (wanted > 0)
      if (posted_message* m = announced_.take([&](const posted_message& s) { return s.number == wanted - 1; })) ready_.push(*m);
    return true;
  }

  template <class Owner>
  bool take_message(std::uint64_t shape, const call& what, Owner& owner) {
    if (!filled_ && !stored_) {
      filled_ = match(shape, what, owner);
      if (stopped_) return false;
      ++arrived_;
      if (filled_) {
        ++matched_;
      } else {
        unexpected_.open();
        stored_ = &unexpected_.add(what, shape, arrived_ - 1, true);
      }
      filling_ = 0;
    }
    std::byte* target = filled_ ? filled_->data : stored_->data;
    const std::size_t bytes = filled_ ? filled_->bytes : stored_->what.count * stored_->what.element;
    const piece* p = in_->receive(target + filling_, bytes - filling_);
    if (!p) return false;
    const std::size_t n = p->bytes < bytes - filling_ ? p->bytes : bytes - filling_;
    copy(target + filling_, p->data, n);
    filling_ += n;
    in_->consume(n);
    if (filling_ < bytes) return true;
    if (filled_) {
      finish(*std::exchange(filled_, nullptr), owner);
    } else {
      stored_->complete = true;
      if (posted_message* m = std::exchange(claimed_, nullptr)) {
        copy(m->data, stored_->data, bytes);
        forget(*stored_);
        finish(*m, owner);
      }
      stored_ = nullptr;
    }
    return true;
  }

  template <class Owner>
  bool take_announcement(std::uint64_t shape, const call& what, Owner& owner) {
    posted_message* m = match(shape, what, owner);
    if (stopped_) return false;
    if (m) {
      m->number = arrived_;
      ++matched_;
      answers_.push(*m);
    } else {
      unexpected_.open();
      unexpected_.add(what, shape, arrived_, false);
    }
    ++arrived_;
    if (in_->receive(nullptr, 0)) in_->consume(0);
    return true;
  }

  template <class Owner>
  bool take_data(Owner& owner) {
    posted_message& m = *promised_.first();
    std::byte* target = m.data + m.moved;
    const std::size_t room = m.bytes - m.moved;
    in_->place_is = m.memory;
    const piece* p = in_->receive(target, room);
    if (!p) return false;
    const std::size_t n = p->bytes < room ? p->bytes : room;
    m.lent |= p->lent;
    if (m.memory != memory_kind::host && p->data != target) throw error(errc::link, format("what goes to memory of kind %s came to the host", name_of(m.memory)));
    copy(target, p->data, n);
    in_->consume(n);
    m.moved += n;
    if (m.moved == m.bytes) finish(promised_.pop(), owner);
    return true;
  }

  // ---- sending

  template <class Owner>
  bool give(Owner& owner) {
    bool moved = false;
    if (out_->in_flight > 0) out_->settle();
    while (!leaving_.empty() && leaving_.first()->until <= taken_ - out_->in_flight) {
      moved = true;
      finish(leaving_.pop(), owner);
    }
    while (!stopped_ && (!answers_.empty() || matched_ - told_ >= told_after)) {
      if (!say(answers_.first())) return moved;
      if (!answers_.empty()) promised_.push(answers_.pop());
      moved = true;
    }
    for (int pieces = 0; pieces < pieces_a_look && !stopped_ && send_piece(owner); ++pieces) moved = true;
    return moved;
  }

  // No two words have the same fingerprint: links describe a piece where that
  // changes.
  bool say(const posted_message* ready_for) {
    call word{};
    word.number = ready_for ? ready_for->number + 1 : 0;
    word.count = matched_;
    const envelope e{.fingerprint = with((words_ + 1) * (frame_bits + 1), frame::word), .what = &word};
    if (out_->send(nullptr, 0, e) == send_port::full) return false;
    ++words_;
    told_ = matched_;
    return true;
  }

  template <class Owner>
  bool send_piece(Owner& owner) {
    if (!sending_ && !next_to_send()) return false;
    if (!sending_) return true;  // announced
    posted_message& m = *sending_;
    const envelope e{.fingerprint = with(m.shape, sending_as_), .what = &m.what, .memory = m.memory};
    const std::ptrdiff_t n = out_->send(m.data + m.moved, m.bytes - m.moved, e);
    if (n == send_port::full) return false;
    m.moved += static_cast<std::size_t>(n);
    taken_ += static_cast<std::uint64_t>(n);
    if (out_->counted) out_->counted->add(static_cast<std::uint64_t>(n));
    if (m.moved < m.bytes) return true;
    m.until = taken_;
    sending_ = nullptr;
    if (out_->in_flight == 0) finish(m, owner);
    else leaving_.push(m);
    return true;
  }

  // Chooses what is sent next, or announces a message; false where neither can be.
  bool next_to_send() {
    if (!ready_.empty()) {
      sending_ = &ready_.pop();
      sending_as_ = frame::data;
      return true;
    }
    const std::uint64_t unmatched = sent_ - matched_there_;
    if (waiting_.empty() || unmatched >= unexpected_messages::most) return false;
    posted_message& m = *waiting_.first();
    // What is not the host's cannot be kept by the host either.
    if (m.memory == memory_kind::host && m.bytes < least_loan && unmatched < unexpected_messages::most_stored) {
      sending_ = &m;
      sending_as_ = frame::message;
    } else {
      const envelope e{.fingerprint = with(m.shape, frame::announcement), .what = &m.what};
      if (out_->send(nullptr, 0, e) == send_port::full) return false;
      m.number = sent_;
    }
    ++sent_;
    waiting_.pop();
    if (!sending_) announced_.push(m);
    return true;
  }

  send_port* out_;
  recv_port* in_;
  std::size_t open_ = 0;
  bool stopped_ = false;

  message_line waiting_, announced_, ready_, leaving_;
  posted_message* sending_ = nullptr;
  frame sending_as_ = frame::message;
  std::uint64_t sent_ = 0, matched_there_ = 0;  // messages
  std::uint64_t taken_ = 0;                     // bytes, by the port
  std::uint64_t words_ = 0;

  message_line receives_, answers_, promised_;
  unexpected_messages unexpected_;
  posted_message* filled_ = nullptr;   // by the short message that is arriving,
  unexpected_messages::arrival* stored_ = nullptr;  // or where it is kept,
  posted_message* claimed_ = nullptr;  // by whom
  std::size_t filling_ = 0;            // bytes of it
  std::uint64_t arrived_ = 0, matched_ = 0, told_ = 0;  // messages
};

}  // namespace tutti
