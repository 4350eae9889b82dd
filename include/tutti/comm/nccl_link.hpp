#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <concepts>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/device_agreement.hpp>
#include <tutti/comm/nccl_support.hpp>
#include <tutti/device/nccl_library.hpp>

namespace tutti::detail {

/// A device that can be told to NCCL: what tells it from all others, on other hosts too,
/// a stream as the runtime has it, and something that makes it the current one for a scope.
template <class Device>
concept known_to_nccl = requires(const Device& device, const typename Device::order& order) {
  { device.identity() } -> std::same_as<std::array<unsigned char, 16>>;
  { device.native(order) } -> std::same_as<void*>;
  device.made_current();
};

/// Collectives by NCCL. Either all ranks of a communicator have it or none: each needs
/// a device of its own and the same version. Whatever NCCL refuses on one rank ends it on all.
template <class Device>
class nccl_link {
 public:
  using order = typename Device::order;

  /// Collective; ends with the same answer to `why_not` on every rank. `setting` as
  /// `nccl_library` takes it. Costs a few small all-gathers, and what NCCL takes to begin.
  nccl_link(const Device& device, communicator& c, const std::string& setting) : device_(device) {
    if constexpr (known_to_nccl<Device>) {
      presence mine;
      auto all_can = [&](auto body) {
        if (const auto why = agree(c, named(c, refused_by(body)))) why_not_ = why->why;
        return why_not_.empty();
      };
      if (!all_can([&] {
            library_ = nccl_library(setting);
            mine = {.version = library_.version(), .device = device_.identity()};
            last_ = device_.make_event();
          }))
        return;
      std::vector<presence> all(static_cast<std::size_t>(c.size()));
      all_gather(c, span<const presence>(&mine, 1), all);
      why_not_ = why_apart(c, all);
      if (!why_not_.empty()) return;
      nccl::unique_id id{};
      if (!all_can([&] {
            if (c.rank() == 0) library_.check(library_.call().ncclGetUniqueId(&id), "ncclGetUniqueId");
          }))
        return;
      broadcast(c, span<nccl::unique_id>(&id, 1), 0);
      const bool joined = all_can([&] {
        [[maybe_unused]] const auto here = device_.made_current();
        nccl::handle made = nullptr;
        library_.check(library_.call().ncclCommInitRank(&made, c.size(), id, c.rank()), "ncclCommInitRank");
        handle_ = made;
      });
      if (!joined) abort(why_not_);
    } else {
      why_not_ = "NCCL knows no such devices";
    }
  }
  nccl_link(const nccl_link&) = delete;
  nccl_link& operator=(const nccl_link&) = delete;
  /// Waits for nobody: what is not done yet is given up.
  ~nccl_link() { abort("it has ended"); }

  /// Why these ranks do not have it; empty where they do.
  const std::string& why_not() const { return why_not_; }
  /// NCCL's number, such as 21803; 0 where this rank found none.
  int version() const { return library_.version(); }

  /// Takes the memory that the call needs: for an all_to_all in place its input once more.
  template <class T, class Op>
  void prepare(const device_call<T, Op>& call) {
    if (call.what != collective::all_to_all || !call.in_place() || scratch_.size() >= call.bytes_in()) return;
    device_.finish(last_);
    scratch_ = device_.take(call.bytes_in());
  }

  /// Collective: returns on all ranks once all have given it to their streams, or throws
  /// `device` on all, in the words of the first whose NCCL refused; NCCL is aborted then, so
  /// that no stream waits for what will not come, and `why_not` says so. Of a call that is
  /// prepared and for which `why_not_by_nccl` says nothing.
  template <class T, class Op>
  void run(communicator& c, const device_call<T, Op>& call, const order& in_order) {
    const auto refused = named(c, refused_by([&] { issue(c, call, in_order); }));
    std::vector<std::uint8_t> all(static_cast<std::size_t>(c.size()));
    const std::uint8_t mine = refused.has_value();
    all_gather(c, span<const std::uint8_t>(&mine, 1), all);
    const int first = static_cast<int>(std::find(all.begin(), all.end(), 1) - all.begin());
    if (first == c.size()) return;
    const auto heard = first_refusal(c, refused, [&](int r) { return r == first; });
    abort(heard->why);
    throw error(heard->code, heard->why, c.world_rank(first));
  }

  /// Collective: waits until this rank's calls are done.
  void close(communicator& c) {
    if (!handle_) return;
    const auto refused = named(c, refused_by([&] {
      device_.finish(last_);
      if constexpr (known_to_nccl<Device>) {
        [[maybe_unused]] const auto here = device_.made_current();
        const nccl::handle ended = std::exchange(handle_, nullptr);
        library_.check(library_.call().ncclCommDestroy(ended), "ncclCommDestroy");
      }
    }));
    scratch_ = {};
    why_not_ = "NCCL's communicator was closed";
    if (const auto first = agree(c, refused)) throw error(first->code, first->why);
  }

  /// What its calls have not done yet is given up, and streams wait for it no longer.
  void abort(const std::string& why) {
    if (!handle_) return;
    why_not_ = "NCCL was aborted: " + why;
    if constexpr (known_to_nccl<Device>) {
      try {
        [[maybe_unused]] const auto here = device_.made_current();
        library_.call().ncclCommAbort(std::exchange(handle_, nullptr));
      } catch (const std::exception&) {
        // Its device has gone, and what was to be given up with it.
      }
    }
  }

 private:
  struct presence {
    int version = 0;
    std::array<unsigned char, 16> device{};
  };

  static std::optional<device_refusal> named(const communicator& c, std::optional<device_refusal> refused) {
    if (refused) refused->why = format("rank %d: %s", c.world_rank(), refused->why.c_str());
    return refused;
  }

  static std::string why_apart(const communicator& c, const std::vector<presence>& all) {
    for (std::size_t r = 1; r < all.size(); ++r)
      if (all[r].version != all[0].version)
        return format("rank %d has NCCL %s and rank %d has %s; all need the same", c.world_rank(0), nccl::version_text(all[0].version).c_str(),
                      c.world_rank(static_cast<int>(r)), nccl::version_text(all[r].version).c_str());
    for (std::size_t r = 1; r < all.size(); ++r)
      for (std::size_t before = 0; before < r; ++before)
        if (all[before].device == all[r].device)
          return format("ranks %d and %d share a device, and NCCL wants one for each rank", c.world_rank(static_cast<int>(before)),
                        c.world_rank(static_cast<int>(r)));
    return {};
  }

  template <class T, class Op>
  void issue(const communicator& c, const device_call<T, Op>& call, const order& in_order) {
    if constexpr (known_to_nccl<Device>) {
      [[maybe_unused]] const auto here = device_.made_current();
      const nccl::functions& by = library_.call();
      nccl::result late = nccl::result::success;
      library_.check(by.ncclCommGetAsyncError(handle_, &late), "ncclCommGetAsyncError");
      library_.check(late, "ncclCommGetAsyncError, of an earlier call");
      void* const in = device_.native(in_order);
      // The output of a rank that gets nothing is not looked at.
      const std::size_t bytes = call.count * sizeof(T);
      constexpr nccl::element as_bytes = nccl::element::int8;
      switch (call.what) {
        case collective::all_gather: library_.check(by.ncclAllGather(call.input, call.output, bytes, as_bytes, handle_, in), "ncclAllGather"); break;
        case collective::broadcast:
          library_.check(by.ncclBroadcast(call.input ? call.input : call.output, call.output, bytes, as_bytes, call.root, handle_, in), "ncclBroadcast");
          break;
        case collective::gather:
        case collective::scatter:
        case collective::all_to_all: exchange(c, call, in_order); break;
        default:
          if constexpr (nccl_element<T>() && nccl_reduction<Op>()) {
            constexpr nccl::element type = *nccl_element<T>();
            constexpr nccl::reduction op = *nccl_reduction<Op>();
            if (call.what == collective::all_reduce)
              library_.check(by.ncclAllReduce(call.input, call.output, call.count, type, op, handle_, in), "ncclAllReduce");
            else if (call.what == collective::reduce_scatter)
              library_.check(by.ncclReduceScatter(call.input, call.output, call.count, type, op, handle_, in), "ncclReduceScatter");
            else if (call.what == collective::reduce)
              library_.check(by.ncclReduce(call.input, call.output, call.count, type, op, call.root, handle_, in), "ncclReduce");
          }
      }
      device_.record(last_, in_order);
    }
  }

  // Blocks between pairs, as one group; a rank's own by a copy.
  template <class T, class Op>
  void exchange(const communicator& c, const device_call<T, Op>& call, const order& in_order) {
    const nccl::functions& by = library_.call();
    void* const in = device_.native(in_order);
    const std::size_t bytes = call.count * sizeof(T);
    const std::byte* input = reinterpret_cast<const std::byte*>(call.input);
    std::byte* const output = reinterpret_cast<std::byte*>(call.output);
    if (call.what == collective::all_to_all && call.in_place()) {
      device_.wait(in_order, last_);  // an earlier call, maybe on another stream, may have its input there
      device_.copy(scratch_.data(), input, call.bytes_in(), in_order);
      input = scratch_.data();
    }
    const bool one_root = call.what != collective::all_to_all, root = call.root == c.rank();
    const auto from = [&](int r) { return input + (call.input_blocks > 1 ? static_cast<std::size_t>(r) * bytes : 0); };
    const auto into = [&](int r) { return output + (call.output_blocks > 1 ? static_cast<std::size_t>(r) * bytes : 0); };
    const bool sends_to_all = call.what != collective::gather, gets_from_all = call.what != collective::scatter;
    nccl::result answer = by.ncclGroupStart();
    library_.check(answer, "ncclGroupStart");
    const char* failed = nullptr;
    for (int r = 0; r < c.size() && !failed; ++r) {
      if (r == c.rank()) continue;
      const bool other_root = call.root == r;
      if (!one_root || (sends_to_all ? root : other_root))
        if ((answer = by.ncclSend(from(r), bytes, nccl::element::int8, r, handle_, in)) != nccl::result::success) failed = "ncclSend";
      if (!failed && (!one_root || (gets_from_all ? root : other_root)))
        if ((answer = by.ncclRecv(into(r), bytes, nccl::element::int8, r, handle_, in)) != nccl::result::success) failed = "ncclRecv";
    }
    const nccl::result end = by.ncclGroupEnd();
    if (failed) library_.check(answer, failed);
    library_.check(end, "ncclGroupEnd");
    if ((!one_root || root) && from(c.rank()) != into(c.rank())) device_.copy(into(c.rank()), from(c.rank()), bytes, in_order);
  }

  Device device_;
  nccl_library library_{};
  nccl::handle handle_ = nullptr;
  std::string why_not_{};
  typename Device::event last_{};
  typename Device::taken scratch_{};
};

}  // namespace tutti::detail
