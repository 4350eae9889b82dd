#pragma once
#include <utility>

#include <tutti/base/error.hpp>
#include <tutti/comm/request.hpp>

namespace tutti {

/// A call that is made once and started often: of any function that starts one,
/// as in `persistent step([&] { return all_reduce_async(world, gradient); })`.
/// How a call of that shape is done is kept by its communicator in any case, so
/// starting it again costs what the call does, and allocates nothing.
template <class Start>
class persistent {
 public:
  explicit persistent(Start start) : start_(std::move(start)) {}

  /// Throws `invalid_argument` where the last one has not been waited for.
  void start() {
    if (under_way_) throw error(errc::invalid_argument, "a persistent call was started again before it was waited for");
    request_ = start_();
    under_way_ = true;
  }
  /// As a request's. Returns at once where nothing was started.
  void wait() {
    under_way_ = false;
    request_.wait();
  }
  bool test() {
    under_way_ = false;
    under_way_ = !request_.test();
    return !under_way_;
  }

 private:
  Start start_;
  request request_;
  bool under_way_ = false;
};

}  // namespace tutti
