#pragma once
#include <memory>
#include <utility>

#include <tutti/base/bootstrap.hpp>

namespace tutti {

/// A bootstrap that can tell the others why this rank gives up, and whose
/// fault that is (−1: its own).
template <class T>
concept failing_bootstrap = bootstrap<T> && requires(T& b, const char* why, int culprit) { b.fail(why, culprit); };

/// Any model of bootstrap, behind one type: what `run` gives to its body.
/// Move-only; owns what it was made from.
class any_bootstrap {
 public:
  any_bootstrap() : any_bootstrap(solo_bootstrap{}) {}

  template <class Bootstrap>
    requires(bootstrap<Bootstrap> && !std::is_same_v<Bootstrap, any_bootstrap>)
  explicit any_bootstrap(Bootstrap held) : held_(std::make_unique<model<Bootstrap>>(std::move(held))) {}

  int rank() const { return held_->rank(); }
  int size() const { return held_->size(); }
  contributions all_gather(bytes_view mine) { return held_->all_gather(mine); }

  /// Says to the other ranks that this one gives up, as far as its bootstrap
  /// can: whoever waits for it then gets `why` at once, not at the deadline.
  void fail(const char* why, int culprit = -1) noexcept { held_->fail(why, culprit); }

 private:
  struct interface {
    virtual ~interface() = default;
    virtual int rank() const = 0;
    virtual int size() const = 0;
    virtual contributions all_gather(bytes_view mine) = 0;
    virtual void fail(const char* why, int culprit) noexcept = 0;
  };

  template <class Bootstrap>
  struct model final : interface {
    mutable Bootstrap held;
    explicit model(Bootstrap&& b) : held(std::move(b)) {}
    int rank() const override { return held.rank(); }
    int size() const override { return held.size(); }
    contributions all_gather(bytes_view mine) override { return held.all_gather(mine); }
    void fail(const char* why, int culprit) noexcept override {
      if constexpr (failing_bootstrap<Bootstrap>) held.fail(why, culprit);
      else static_cast<void>(why), static_cast<void>(culprit);
    }
  };

  std::unique_ptr<interface> held_;
};

}  // namespace tutti
