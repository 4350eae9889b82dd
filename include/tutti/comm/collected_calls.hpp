#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include <tutti/comm/call_shape.hpp>
#include <tutti/comm/kept_functor.hpp>
#include <tutti/comm/message_call.hpp>
#include <tutti/transport/call.hpp>

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
    /// Where what travels as one comes from, and where it goes; at first the call itself.
    struct piece {
      const void* input;
      void* output;
      std::size_t bytes;
    };
    std::vector<piece> pieces;

    static void gather(void* staging, const void* self) {
      auto* to = static_cast<std::byte*>(staging);
      for (const piece& p : static_cast<const call*>(self)->pieces) {
        if (p.bytes > 0) std::memcpy(to, p.input, p.bytes);
        to += p.bytes;
      }
    }
    static void scatter(const void* result, const void* self) {
      const auto* from = static_cast<const std::byte*>(result);
      for (const piece& p : static_cast<const call*>(self)->pieces) {
        if (p.bytes > 0) std::memcpy(p.output, from, p.bytes);
        from += p.bytes;
      }
    }
  };
  using list = std::vector<std::unique_ptr<call>>;

  bool open() const { return open_; }
  void begin() {
    clear();
    open_ = true;
  }
  void end() { open_ = false; }

  void add(const call_shape& shape, const call_memories& m) {
    if (size_ > 0 && joins(*calls_[size_ - 1], shape, m)) return join(*calls_[size_ - 1], shape, m);
    if (size_ == calls_.size()) calls_.push_back(std::make_unique<call>());
    call& c = *calls_[size_];
    c.shape = shape;
    c.memories = m;
    if (m.keep) c.memories.fold.op = m.keep(c.functor, m.fold.op);
    c.counts.assign(shape.counts.begin(), shape.counts.end());
    c.shape.counts = c.counts;
    c.pieces.assign(1, {m.input, m.output, shape.count * shape.element});
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
  // What is as long costs more to copy than to send alone.
  static constexpr std::size_t longest_copied = std::size_t{16} << 10;

  // All-reduces only: what goes one way does not wait for anybody's answer, and
  // would be copied for nothing.
  static bool joins(const call& last, const call_shape& shape, const call_memories& m) {
    call_shape as_last = last.shape;
    as_last.count = shape.count;
    as_last.staging = as_last.pieces = 0;
    const bool untouched = last.pieces.size() > 1 || (!last.memories.before && !last.memories.after);
    return shape.what == collective::all_reduce && shape.is(as_last) && shape.count * shape.element <= longest_copied &&
           last.pieces.back().bytes <= longest_copied && !m.before && !m.after && untouched && m.stateless &&
           m.fold.apply == last.memories.fold.apply;
  }

  void join(call& last, const call_shape& shape, const call_memories& m) {
    if (last.pieces.size() == 1) last.shape.pieces = detail::mix(0, last.shape.count);
    last.shape.pieces = detail::mix(last.shape.pieces, shape.count);
    last.pieces.push_back({m.input, m.output, shape.count * shape.element});
    last.shape.count += shape.count;
    last.shape.staging = last.shape.count * last.shape.element;
    shapes_.back() = last.shape;
    last.memories.before = call::gather;
    last.memories.after = call::scatter;
    last.memories.context = &last;
  }

  list calls_;
  std::size_t size_ = 0;
  std::vector<call_shape> shapes_;
  std::vector<message_call> messages_;
  bool open_ = false;
};

}  // namespace tutti
