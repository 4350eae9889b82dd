#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include <tutti/comm/call_shape.hpp>
#include <tutti/comm/kept_functor.hpp>
#include <tutti/comm/message_call.hpp>

namespace tutti {

/// Calls that are made one by one and issued as one. What they have grown to is
/// kept for the next ones.
class collected_calls {
 public:
  /// A call with all that it needs once its caller's arguments are gone.
  struct call {
    call_shape shape;
    call_memories memories;
    kept_functor functor;
    std::vector<std::size_t> counts;
  };
  using list = std::vector<std::unique_ptr<call>>;

  bool open() const { return open_; }
  void begin() {
    clear();
    open_ = true;
  }
  void end() { open_ = false; }

  void add(const call_shape& shape, const call_memories& m) {
    if (size_ == calls_.size()) calls_.push_back(std::make_unique<call>());
    call& c = *calls_[size_];
    c.shape = shape;
    c.memories = m;
    if (m.keep) c.memories.fold.op = m.keep(c.functor, m.fold.op);
    c.counts.assign(shape.counts.begin(), shape.counts.end());
    c.shape.counts = c.counts;
    shapes_.resize(size_);
    shapes_.push_back(c.shape);
    ++size_;
  }
  void add(span<const message_call> messages) { messages_.insert(messages_.end(), messages.begin(), messages.end()); }

  const std::vector<call_shape>& shapes() const { return shapes_; }
  const call_memories& memories(std::size_t i) const { return calls_[i]->memories; }
  const std::vector<message_call>& messages() const { return messages_; }

  /// Exchanges the calls for a list that is used no more.
  void give(list& to) {
    to.swap(calls_);
    clear();
  }
  void clear() {
    for (std::size_t i = 0; i < size_ && i < calls_.size(); ++i) calls_[i]->functor.clear();
    size_ = 0;
    shapes_.clear();
    messages_.clear();
  }

 private:
  list calls_;
  std::size_t size_ = 0;
  std::vector<call_shape> shapes_;
  std::vector<message_call> messages_;
  bool open_ = false;
};

}  // namespace tutti
