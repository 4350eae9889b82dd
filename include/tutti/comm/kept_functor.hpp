#pragma once
#include <cstddef>
#include <new>
#include <type_traits>

namespace tutti {

/// A copy of a functor, kept until an asynchronous operation is done.
class kept_functor {
 public:
  kept_functor() = default;
  kept_functor(const kept_functor&) = delete;
  kept_functor& operator=(const kept_functor&) = delete;
  ~kept_functor() { clear(); }

  template <class Op>
  const Op* keep(const Op& op) {
    clear();
    Op* copy;
    if constexpr (sizeof(Op) <= sizeof small_ && alignof(Op) <= alignof(std::max_align_t)) {
      copy = new (small_) Op(op);
      if constexpr (!std::is_trivially_destructible_v<Op>) destroy_ = [](void* f) { static_cast<Op*>(f)->~Op(); };
    } else {
      copy = new Op(op);
      destroy_ = [](void* f) { delete static_cast<Op*>(f); };
    }
    functor_ = copy;
    return copy;
  }
  const void* kept() const { return functor_; }
  void clear() {
    if (!destroy_) return;
    destroy_(functor_);
    destroy_ = nullptr;
  }

 private:
  alignas(std::max_align_t) std::byte small_[64];
  void* functor_ = nullptr;
  void (*destroy_)(void*) = nullptr;
};

/// How a functor whose type is forgotten is copied.
using functor_keeper = const void* (*)(kept_functor& into, const void* functor);

template <class Op>
const void* keep_functor(kept_functor& into, const void* functor) {
  return into.keep(*static_cast<const Op*>(functor));
}

}  // namespace tutti
