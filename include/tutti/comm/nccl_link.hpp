#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/base/environment.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/comm/device_agreement.hpp>
#include <tutti/comm/device_blocks.hpp>
#include <tutti/comm/device_wait.hpp>
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
///
/// NCCL's own calls do not block: where they wait for peers, ranks ask it in rounds of small
/// all-gathers of Tutti's, in which a rank that is lost or that failed is heard of. Once a
/// call has returned, its stream waits for the other ranks' with nobody looking: who gets to
/// hear of a verdict, from its next call or from a wait that looks for one, must `give_up`.
template <class Device>
class nccl_link final : device_wait {
 public:
  using order = typename Device::order;

  /// Collective; ends with the same answer to `why_not` on every rank. `setting` as
  /// `nccl_library` takes it. Costs a few small all-gathers, and what NCCL takes to begin.
  nccl_link(const Device& device, communicator& c, const std::string& setting) : device_(device), waits_(c.home().device_waits()) {
    if constexpr (known_to_nccl<Device>) {
      try {
        join(c, setting);
      } catch (...) {
        give_up("it was never begun");
        throw;
      }
    } else {
      why_not_ = "NCCL knows no such devices";
    }
    waits_.add(*this);
  }
  nccl_link(const nccl_link&) = delete;
  nccl_link& operator=(const nccl_link&) = delete;
  /// Waits for nobody: what is not done yet is given up.
  ~nccl_link() {
    waits_.remove(*this);
    give_up("it has ended");
  }

  /// Why these ranks do not have it; empty where they do.
  const std::string& why_not() const { return why_not_; }
  /// NCCL's number, such as 21803; 0 where this rank found none.
  int version() const { return library_.version(); }

  /// Takes the memory that the call needs: for an all_to_all in place its input once more.
  template <class T, class Op>
  void prepare(communicator& c, const device_call<T, Op>& call) {
    if (call.what != collective::all_to_all || !call.in_place() || scratch_.size() >= call.bytes_in()) return;
    finish_watched(device_, c, last_);
    scratch_ = device_.take(call.bytes_in());
  }

  /// Collective: returns on all ranks once all have given it to their streams, or throws
  /// `device` on all, in the words of the first whose NCCL refused; NCCL is aborted then, so
  /// that no stream waits for what will not come, and `why_not` says so. Of a call that is
  /// prepared and for which `why_not_by_nccl` says nothing.
  template <class T, class Op>
  void run(communicator& c, const device_call<T, Op>& call, const order& in_order) {
    give(c, in_order, [&] { return issue(c, call, in_order); });
  }
  /// As `run`, of blocks between pairs.
  void exchange(communicator& c, const block_moves& moves, const order& in_order) {
    give(c, in_order, [&] { return send_blocks(moves, c.rank(), in_order); });
  }

  /// Throws what NCCL says of an earlier call that went wrong since.
  void check() const override {
    if (!handle_) return;
    nccl::result late = nccl::result::success;
    library_.check(library_.call().ncclCommGetAsyncError(handle_, &late), "ncclCommGetAsyncError");
    library_.check(late, "ncclCommGetAsyncError, of an earlier call");
  }

  /// Collective: waits until all ranks' calls are done, and gives NCCL's communicator back.
  /// What cannot be done on one rank is given up on all, and is what all return.
  std::optional<device_refusal> close(communicator& c) {
    if (!handle_) return {};
    std::optional<device_refusal> refused;
    const auto all_do = [&](auto body) {
      if (!refused) refused = agree_once_done(c, [&] {
        [[maybe_unused]] const auto here = made_current();
        return body();
      });
    };
    all_do([&] {
      check();
      if (!device_.is_done(last_)) return false;
      device_.finish(last_);
      return true;
    });
    bool ending = false;
    all_do([&] {
      if (!std::exchange(ending, true)) library_.check_begun(library_.call().ncclCommFinalize(handle_), "ncclCommFinalize");
      return is_settled("ncclCommFinalize");
    });
    // From here on no rank needs another.
    all_do([&] {
      library_.check_begun(library_.call().ncclCommDestroy(std::exchange(handle_, nullptr)), "ncclCommDestroy");
      return true;
    });
    give_up("it was closed");
    scratch_ = {};
    why_not_ = "NCCL's communicator was closed";
    return refused;
  }

  /// What its calls have not done yet is given up, and streams wait for it no longer.
  void give_up(const std::string& why) override {
    if (why_not_.empty()) why_not_ = "NCCL was aborted: " + why;
    if (!handle_) return;
    try {
      [[maybe_unused]] const auto here = made_current();
      library_.call().ncclCommAbort(std::exchange(handle_, nullptr));
    } catch (const std::exception&) {
      // Its device has gone, and what was to be given up with it.
    }
  }
  // Aborting one frees memory, for which it waits for the device, which waits for the next.
  void begin_together() override {
    together_ = handle_ != nullptr;
    if (together_) library_.call().ncclGroupStart();
  }
  void end_together() override {
    if (std::exchange(together_, false)) library_.call().ncclGroupEnd();
  }

 private:
  struct presence {
    int version = 0;
    std::array<unsigned char, 16> device{};
  };

  // `ask()` returns what NCCL was asked.
  template <class Ask>
  void give(communicator& c, const order& in_order, Ask ask) {
    const char* asked = nullptr;
    const auto refused = agree_once_done(c, [&] {
      [[maybe_unused]] const auto here = made_current();
      if (!asked) {
        check();
        asked = ask();
      }
      if (!is_settled(asked)) return false;
      device_.record(last_, in_order);
      return true;
    });
    if (!refused) return;
    give_up(refused->why);
    throw error(refused->code, refused->why, refused->rank);
  }

  auto made_current() const {
    if constexpr (known_to_nccl<Device>) return device_.made_current();
    else return 0;
  }

  void join(communicator& c, const std::string& setting) {
    presence mine;
    const auto all_can = [&](auto body) {
      const auto refused = agree_once_done(c, [&] { return body(), true; });
      if (refused) why_not_ = refused->why;
      return !refused;
    };
    if (!all_can([&] {
          library_ = nccl_library(setting);
          need_calls_that_return();
          mine = {.version = library_.version(), .device = device_.identity()};
          last_ = device_.make_event();
        }))
      return;
    std::vector<presence> all(static_cast<std::size_t>(c.size()));
    all_gather(c, span<const presence>(&mine, 1), all);
    why_not_ = why_apart(c, all);
    if (!why_not_.empty()) return;
    // A rank that cannot even make its device the current one says so before others join.
    nccl::unique_id id{};
    using current = decltype(device_.made_current());
    std::unique_ptr<const current> here;
    if (!all_can([&] {
          here.reset(new const current(device_.made_current()));
          if (c.rank() == 0) library_.check(library_.call().ncclGetUniqueId(&id), "ncclGetUniqueId");
        }))
      return;
    broadcast(c, span<nccl::unique_id>(&id, 1), 0);
    bool joining = false;
    const auto refused = agree_once_done(c, [&] {
      nccl::settings not_blocking;
      if (!std::exchange(joining, true))
        library_.check_begun(library_.call().ncclCommInitRankConfig(&handle_, c.size(), id, c.rank(), &not_blocking), "ncclCommInitRankConfig");
      return is_settled("ncclCommInitRankConfig");
    });
    if (!refused) return;
    why_not_ = refused->why;
    give_up(why_not_);
  }

  // Its environment outdoes what it is told.
  static void need_calls_that_return() {
    const char* const blocking = environment("NCCL_COMM_BLOCKING");
    if (blocking && std::strcmp(blocking, "0") != 0)
      throw error(errc::not_supported, format("NCCL_COMM_BLOCKING is '%s': NCCL's calls would wait for ranks with nobody looking whether these are there; "
                                              "unset it", blocking));
  }

  // Whether what NCCL was asked is no longer under way; throws what it says against it.
  bool is_settled(const char* asked) const {
    nccl::result state = nccl::result::success;
    library_.check(library_.call().ncclCommGetAsyncError(handle_, &state), "ncclCommGetAsyncError");
    if (state == nccl::result::in_progress) return false;
    library_.check(state, asked);
    return true;
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

  // Returns what NCCL was asked, which may be under way.
  template <class T, class Op>
  const char* issue(const communicator& c, const device_call<T, Op>& call, const order& in_order) {
    if constexpr (known_to_nccl<Device>) {
      const nccl::functions& by = library_.call();
      const auto asked = [&](nccl::result answer, const char* function) {
        library_.check_begun(answer, function);
        return function;
      };
      void* const in = device_.native(in_order);
      // The output of a rank that gets nothing is not looked at.
      const std::size_t bytes = call.count * sizeof(T);
      constexpr nccl::element as_bytes = nccl::element::int8;
      switch (call.what) {
        case collective::all_gather: return asked(by.ncclAllGather(call.input, call.output, bytes, as_bytes, handle_, in), "ncclAllGather");
        case collective::broadcast:
          return asked(by.ncclBroadcast(call.input ? call.input : call.output, call.output, bytes, as_bytes, call.root, handle_, in), "ncclBroadcast");
        case collective::gather:
        case collective::scatter:
        case collective::all_to_all: return exchange_blocks(c, call, in_order);
        default:
          if constexpr (nccl_element<T>() && nccl_reduction<Op>()) {
            constexpr nccl::element type = *nccl_element<T>();
            constexpr nccl::reduction op = *nccl_reduction<Op>();
            if (call.what == collective::all_reduce) return asked(by.ncclAllReduce(call.input, call.output, call.count, type, op, handle_, in), "ncclAllReduce");
            if (call.what == collective::reduce_scatter)
              return asked(by.ncclReduceScatter(call.input, call.output, call.count, type, op, handle_, in), "ncclReduceScatter");
            if (call.what == collective::reduce)
              return asked(by.ncclReduce(call.input, call.output, call.count, type, op, call.root, handle_, in), "ncclReduce");
          }
      }
    }
    return "nothing";
  }

  // What has a block for, or from, each rank.
  template <class T, class Op>
  const char* exchange_blocks(const communicator& c, const device_call<T, Op>& call, const order& in_order) {
    const std::size_t bytes = call.count * sizeof(T), none = 0;
    block_moves moves{.bytes = block_lengths(c.size()), .from = reinterpret_cast<const std::byte*>(call.input), .into = reinterpret_cast<std::byte*>(call.output)};
    for (int r = 0; r < c.size(); ++r) {
      for (int s = 0; s < c.size(); ++s)
        if (call.what == collective::all_to_all || call.root == (call.what == collective::gather ? s : r)) moves.bytes.of(r, s) = bytes;
      moves.from_at.push_back(call.input_blocks > 1 ? static_cast<std::size_t>(r) * bytes : none);
      moves.into_at.push_back(call.output_blocks > 1 ? static_cast<std::size_t>(r) * bytes : none);
    }
    if (call.what == collective::all_to_all && call.in_place()) {
      device_.wait(in_order, last_);  // an earlier call, maybe on another stream, may have its input there
      device_.copy(scratch_.data(), moves.from, call.bytes_in(), in_order);
      moves.from = scratch_.data();
    }
    return send_blocks(moves, c.rank(), in_order);
  }

  // As one group; a rank's own by a copy.
  const char* send_blocks(const block_moves& moves, int me, const order& in_order) {
    if constexpr (known_to_nccl<Device>) {
      const nccl::functions& by = library_.call();
      void* const in = device_.native(in_order);
      copy_own(device_, moves, me, in_order);
      const auto begun = [](nccl::result answer) { return answer == nccl::result::success || answer == nccl::result::in_progress; };
      nccl::result answer = by.ncclGroupStart();
      library_.check(answer, "ncclGroupStart");
      const char* failed = nullptr;
      for (int r = 0; r < moves.bytes.ranks() && !failed; ++r) {
        if (r == me) continue;
        if (const std::size_t sent = moves.bytes.of(me, r); sent > 0)
          if (!begun(answer = by.ncclSend(moves.source(r), sent, nccl::element::int8, r, handle_, in))) failed = "ncclSend";
        if (const std::size_t got = moves.bytes.of(r, me); !failed && got > 0)
          if (!begun(answer = by.ncclRecv(moves.target(r), got, nccl::element::int8, r, handle_, in))) failed = "ncclRecv";
      }
      const nccl::result end = by.ncclGroupEnd();
      if (failed) library_.check(answer, failed);
      library_.check_begun(end, "ncclGroupEnd");
    }
    return "ncclGroupEnd";
  }

  Device device_;
  device_waits& waits_;
  nccl_library library_{};
  nccl::handle handle_ = nullptr;
  std::string why_not_{};
  bool together_ = false;
  typename Device::event last_{};
  typename Device::taken scratch_{};
};

}  // namespace tutti::detail
