#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <tutti/comm/operation.hpp>

namespace tutti {

/// A send or a receive under way. `what` says which, for people: `root` is its
/// tag. Kept and used again by its communicator.
struct posted_message : operation {
  bool sends = false;
  int peer = -1;            ///< rank in the communicator
  int tag = 0;
  std::uint64_t shape = 0;  ///< of tag, count, type and kind of memory: the same on both sides
  std::byte* data = nullptr;  ///< only read where it is sent
  memory_kind memory = memory_kind::host;
  std::size_t bytes = 0, moved = 0;
  std::uint64_t issued = 0; ///< number on its communicator, on this rank
  std::uint64_t number = 0; ///< of the message on its channel
  std::uint64_t until = 0;  ///< of the bytes that the channel took, the end of its own
  bool lent = false;        ///< some of it was read in its sender's memory
  bool published = false;   ///< its peers know that it waits
  posted_message* behind = nullptr;  ///< in whatever line it stands
};

/// Messages in order.
class message_line {
 public:
  posted_message* first() const { return first_; }
  bool empty() const { return !first_; }

  void push(posted_message& m) {
    m.behind = nullptr;
    (last_ ? last_->behind : first_) = &m;
    last_ = &m;
  }
  posted_message& pop() {
    posted_message& m = *first_;
    first_ = m.behind;
    if (!first_) last_ = nullptr;
    return m;
  }
  /// Takes the first one of which `is(m)` holds out of the line; null where
  /// there is none.
  template <class Is>
  posted_message* take(Is is) {
    posted_message* before = nullptr;
    for (posted_message* m = first_; m; before = m, m = m->behind) {
      if (!is(*m)) continue;
      (before ? before->behind : first_) = m->behind;
      if (last_ == m) last_ = before;
      return m;
    }
    return nullptr;
  }
  template <class F>
  void each(F f) const {
    for (posted_message *m = first_, *next; m; m = next) {
      next = m->behind;  // `f` may put it into another line
      f(*m);
    }
  }

 private:
  posted_message* first_ = nullptr;
  posted_message* last_ = nullptr;
};

}  // namespace tutti
