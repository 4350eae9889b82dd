#pragma once
#include <cstring>

#include <tutti/comm/posted_message.hpp>
#include <tutti/comm/unexpected.hpp>

namespace tutti {

/// The messages of a rank to itself: matched as those between ranks are, and
/// copied once, or twice where a short one is sent before it is asked for.
class own_messages {
 public:
  /// See `message_channel`, and so for all else.
  void open() { unexpected_.open(); }

  template <class Owner>
  void post(posted_message& m, Owner& owner) {
    if (stopped_) return (m.sends ? sends_ : receives_).push(m);
    if (m.sends) send(m, owner);
    else receive(m, owner);
  }

  bool idle() const { return sends_.empty() && receives_.empty(); }

  template <class F>
  void each(F f) const {
    sends_.each(f);
    receives_.each(f);
  }

  void clear() {
    sends_ = receives_ = {};
    stopped_ = true;
  }

 private:
  template <class Owner>
  void send(posted_message& m, Owner& owner) {
    posted_message* to = nullptr;
    receives_.each([&](posted_message& r) {
      if (!to && r.tag == m.tag) to = &r;
    });
    if (to) {
      if (!agree(*to, m.shape, m.what, owner)) return sends_.push(m);
      receives_.take([&](const posted_message& r) { return &r == to; });
      copy(to->data, m.data, m.bytes);
      owner.done(*to);
      return owner.done(m);
    }
    // A receive looks at what is stored first, so that nothing of a tag is while a send waits.
    bool behind = false;
    sends_.each([&](const posted_message& s) { behind |= s.tag == m.tag; });
    if (behind || m.bytes >= least_loan || stored_ == unexpected_messages::most_stored) return sends_.push(m);
    auto& a = unexpected_.add(m.what, m.shape, 0, true);
    a.complete = true;
    ++stored_;
    copy(a.data, m.data, m.bytes);
    owner.done(m);
  }

  template <class Owner>
  void receive(posted_message& m, Owner& owner) {
    if (auto* a = unexpected_.find(m.tag)) {
      if (!agree(m, a->shape, a->what, owner)) return receives_.push(m);
      copy(m.data, a->data, m.bytes);
      unexpected_.remove(*a);
      --stored_;
      return owner.done(m);
    }
    posted_message* from = nullptr;
    sends_.each([&](posted_message& s) {
      if (!from && s.tag == m.tag) from = &s;
    });
    if (!from || !agree(m, from->shape, from->what, owner)) return receives_.push(m);
    sends_.take([&](const posted_message& s) { return &s == from; });
    copy(m.data, from->data, m.bytes);
    owner.done(*from);
    owner.done(m);
  }

  template <class Owner>
  bool agree(posted_message& mine, std::uint64_t shape, const call& theirs, Owner& owner) {
    if (mine.shape == shape) return true;
    stopped_ = true;
    owner.differ(mine, theirs);
    return false;
  }

  static void copy(std::byte* to, const std::byte* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }

  message_line sends_, receives_;
  unexpected_messages unexpected_;
  std::uint32_t stored_ = 0;
  bool stopped_ = false;
};

}  // namespace tutti
