#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tutti/comm/communicator.hpp>
#include <tutti/comm/device_agreement.hpp>
#include <tutti/comm/device_cost.hpp>
#include <tutti/comm/device_messages.hpp>
#include <tutti/comm/device_scratch.hpp>
#include <tutti/comm/device_staging.hpp>
#include <tutti/comm/device_wait.hpp>
#include <tutti/comm/device_windows.hpp>
#include <tutti/comm/nccl_link.hpp>
#include <tutti/comm/tuning.hpp>

namespace tutti {

struct device_options {
  /// Of device memory, which the other ranks of this host map, or from which and to which
  /// messages go; the smallest of all ranks' counts.
  std::size_t window_bytes = std::size_t{64} << 20;
  /// Of pinned memory, twice for each direction; grows where one element of every
  /// rank is more. The smallest of all ranks' counts.
  std::size_t piece_bytes = std::size_t{4} << 20;
  /// Go through the host though devices could read each other, or messages move their memory.
  bool staged = false;
  /// The library, as `TUTTI_NCCL` names it: a file, or `off`. Empty: what `TUTTI_NCCL`
  /// says, else `libnccl.so.2`. Where one rank has `off`, none uses it.
  std::string nccl{};
  /// NCCL for all that it has, not only where it is cheaper, and also where it gives other
  /// results than Tutti's own ways do: sums of half and bfloat16, which it does not promise to
  /// add up in float, and minima and maxima of floats, in which it may pass over a NaN. Without
  /// this, none of these goes by it. Rank 0's counts.
  bool prefer_nccl = false;
  /// Messages for all that does not go by NCCL, though devices could read each other's memory
  /// or the host were cheaper: to measure them. Where one rank has it, all do.
  bool prefer_messages = false;
};

/// Ranks that communicate what is in the memory of devices, one each; several
/// may have the same. Its collectives are the free functions of
/// comm/device_collectives.hpp. Used by one thread at a time. Must not outlive the
/// communicator that it was made from. `close` it, or let it stay until the streams
/// of all ranks have done what its calls gave them.
///
/// A rank that is lost is heard of in calls, and in `wait` and `close`; then NCCL is aborted.
/// Nobody looks between them: where a call went by NCCL, its stream waits for the others'
/// for ever if one of them is lost once the call has returned. Wait for such a stream by
/// `wait`, or call anything here before the runtime's own wait, which does not return then.
///
/// What a graph does when it is replayed uses the same memory as calls without a graph, and
/// is not ordered with them, nor is it seen when it ends: launch it in the order of a stream
/// that comes after the calls before it on all ranks, and have the stream of each rank's next
/// call wait, by an event say, for all of that launch.
template <class Device>
class device_communicator {
 public:
  using device_type = Device;
  using order = typename Device::order;
  using space = typename Device::space;

  /// Collective. Throws `device`, on all ranks alike, where the device or its memory
  /// is not there, and `not_supported` where NCCL, or messages, are preferred and not there.
  device_communicator(communicator& c, const Device& device, const device_options& options = {}) : device_(device), host_(c.duplicate()) {
    std::uint64_t least[] = {options.window_bytes, options.piece_bytes, !options.prefer_messages};
    all_reduce(host_, span<std::uint64_t>(least, 3), minimum{});
    sends_all_ = least[2] == 0;
    const auto refused = detail::agree(host_, detail::refused_by([&] { staging_.emplace(device_, least[1]); }));
    if (refused) throw error(refused->code, refused->why);
    windows_.emplace(device_, host_, least[0], options.staged || sends_all_);
    scratch_.emplace(device_, least[0]);
    why_staged_ = windows_->why_not();
    messages_.emplace(device_, host_, least[0], options.staged ? "asked to" : why_staged_.empty() ? "devices read each other's memory" : "");
    why_not_messages_ = messages_->why_not();
    if (sends_all_ && !why_not_messages_.empty())
      throw error(errc::not_supported, format("a device communicator is to prefer messages, and cannot: %s", why_not_messages_.c_str()));
    decided d;
    d.prefer_nccl = options.prefer_nccl;
    const auto unread = detail::agree(host_, detail::refused_by([&] {
      if (const char* file = host_.rank() == 0 ? environment("TUTTI_TUNING") : nullptr) d.costs = read_tuning(file).on_devices;
    }));
    if (unread) throw error(unread->code, unread->why);
    broadcast(host_, span<decided>(&d, 1), 0);
    decided_ = d;
    nccl_.emplace(device_, host_, options.staged ? "off" : options.nccl);
    if (d.prefer_nccl && !why_not_nccl().empty())
      throw error(errc::not_supported, format("a device communicator is to prefer NCCL, and cannot: %s", why_not_nccl().c_str()));
  }

  int rank() const { return host_.rank(); }
  int size() const { return host_.size(); }

  /// Why the devices do not read each other's memory, so that data goes by messages or
  /// through the host. Empty where they do.
  const std::string& why_staged() const { return why_staged_; }
  /// Why no messages move the devices' memory, between hosts or within one: then all that
  /// neither windows nor NCCL move goes through pinned memory. Empty where they may, which
  /// `way_of` tells of each call.
  const std::string& why_not_messages() const { return why_not_messages_; }
  /// Whether all goes through the host.
  bool stages_all() const { return !why_staged_.empty() && !why_not_messages_.empty() && !why_not_nccl().empty(); }
  /// Why nothing goes by NCCL; empty where what it has may.
  const std::string& why_not_nccl() const { return nccl_ ? nccl_->why_not() : closed(); }

  /// By what a call of so many elements (of a block, where there are blocks) goes: by windows
  /// where those are, else by messages or pinned memory, or by NCCL; the cheapest by
  /// `device_costs`, which `TUTTI_TUNING` holds; rank 0's count. A call that names its
  /// algorithm, or has no elements, goes by Tutti's own, as does one in which NCCL may give
  /// another result (`prefer_nccl`, which also says which). Equal on all ranks.
  template <class T, class Op>
  device_way way_of(collective what, std::size_t count, algorithm how = algorithm::automatic) const {
    const auto seconds = [&](device_way way) {
      return seconds_of(cost_of(decided_.costs, way), traffic_of(way, what, count * sizeof(T), size()));
    };
    const bool sent = why_not_messages_.empty() && (sends_all_ || seconds(device_way::messages) < seconds(device_way::staging));
    const device_way own = why_staged_.empty() ? device_way::windows : sent ? device_way::messages : device_way::staging;
    if (how != algorithm::automatic || count == 0 || !why_not_nccl().empty() || detail::why_not_by_nccl<T, Op>(what)) return own;
    if (decided_.prefer_nccl) return device_way::nccl;
    if (detail::why_not_unasked<T, Op>(what)) return own;
    return seconds(device_way::nccl) < seconds(own) ? device_way::nccl : own;
  }

  /// What all collectives do: see `device_call`. `check` throws what speaks against
  /// the call on this rank, which then throws on every rank. What fails on one rank
  /// later ends the session.
  template <class T, class Op, class Check>
  void run(const device_call<T, Op>& call, const order& in_order, Check check) {
    const typename Device::range shown(name_of(call.what));
    device_call<T, Op> chosen = call;
    device_way way = way_of<T, Op>(call.what, call.count, call.algorithm);
    std::uint64_t graph = 0;
    bool together = false;
    const auto refused = detail::refused_by([&] {
      const std::string who = format("rank %d: %s", host_.world_rank(), name_of(call.what));
      need_open(who);
      check();
      device_.need_order(who.c_str(), in_order);
      device_.need_memory(who.c_str(), call.input, call.bytes_in());
      device_.need_memory(who.c_str(), call.output, call.bytes_out());
      graph = device_.recorded_into(in_order);
      if (graph != 0 && !why_staged().empty())
        throw error(errc::not_supported, who + " is recorded into a graph, and data goes " + (why_not_messages_.empty() ? "by messages" : "through the host") + " (" +
                                           why_staged() + ")", host_.world_rank());
      // After each call by NCCL the ranks tell each other how it went, which no graph can hold.
      if (graph != 0) way = device_way::windows;
      together = way == device_way::windows && windows_->folds_together(chosen);
      if (together) windows_->come(host_, in_order, graph);
      else if (way == device_way::nccl) nccl_->prepare(host_, chosen);
      else if (way == device_way::windows) windows_->prepare(host_, chosen, graph);
      else if (way == device_way::messages) messages_->prepare(host_, chosen);
      else staging_->prepare(host_, chosen);
    });
    or_without_nccl([&] {
      const std::vector<detail::device_signature> all = detail::agree_on_call(host_, chosen, refused, graph);
      // All ranks hear what NCCL refuses, so that they may go on without it.
      if (way == device_way::nccl) return nccl_->run(host_, chosen, in_order);
      for_all([&] {
        if (together) windows_->fold(host_, chosen, all, in_order, graph);
        else if (way == device_way::windows) windows_->run(host_, chosen, in_order, graph);
        else if (way == device_way::messages) messages_->run(host_, chosen, in_order);
        else staging_->run(host_, chosen, in_order);
      });
    });
  }
  template <class T, class Op>
  void run(const device_call<T, Op>& call, const order& in_order) {
    run(call, in_order, [] {});
  }

  /// For a form with counts: throws what speaks against it on this rank, and where it is
  /// recorded into a graph; takes the memory that it may need.
  template <class T, class Op>
  void prepare(const detail::uneven_call<T, Op>& call, std::size_t bytes_in, std::size_t bytes_out, const order& in_order) {
    const std::string who = format("rank %d: %s", host_.world_rank(), call.name);
    need_open(who);
    device_.need_order(who.c_str(), in_order);
    device_.need_memory(who.c_str(), call.input, bytes_in);
    device_.need_memory(who.c_str(), call.output, bytes_out);
    if (device_.recorded_into(in_order) != 0) throw error(errc::not_supported, who + " cannot be recorded into a graph", host_.world_rank());
    if (!why_staged_.empty() && !sends_all_) staging_->prepare(host_, call);
  }
  /// By what it goes, by its longest block. What NCCL moves Tutti folds, by kernels.
  template <class T, class Op>
  device_way way_of(const detail::uneven_call<T, Op>& call, std::size_t longest) const {
    const device_way way = way_of<T, Op>(call.what, longest, call.options.algorithm);
    return way == device_way::nccl && reduces(call.what) && !Device::launches ? device_way::staging : way;
  }
  /// Of the whole call.
  template <class T, class Op>
  void stage(const detail::uneven_call<T, Op>& call, std::size_t longest, const order& in_order) {
    or_without_nccl([&] { for_all([&] { staging_->run(host_, call, longest, in_order); }); });
  }
  /// Blocks alone, not by the host; `then()` is given to the stream after them.
  template <class Then>
  void exchange(device_way way, const detail::block_moves& moves, const order& in_order, Then then) {
    if (way == device_way::windows) windows_->need_room(host_, moves);
    or_without_nccl([&] {
      if (way == device_way::nccl) nccl_->exchange(host_, moves, in_order);
      for_all([&] {
        if (way == device_way::windows) windows_->exchange(host_, moves, in_order);
        else if (way == device_way::messages) messages_->exchange(host_, moves, in_order);
        then();
      });
    });
  }
  template <class Body>
  void launch(const Body& body, std::size_t threads, const order& in_order) const {
    device_.launch(body, threads, in_order);
  }
  /// Where such a call puts what is to be folded, and what it would overwrite too soon.
  detail::device_scratch<Device>& scratch() { return *scratch_; }

  /// The host waits for what the stream was given so far, as long as all ranks are there.
  /// Throws the session's verdict where there is one, or where a rank is lost meanwhile, and
  /// `device` where NCCL or the device says that something went wrong, which ends the session;
  /// NCCL is aborted then. `invalid_argument` for a stream that is recorded into a graph.
  /// Not collective. A rank of another host is looked for by Tutti's
  /// monitor, one of this host by this call, a few times each 10 ms.
  void wait(const order& in_order) {
    or_without_nccl([&] {
      for_all([&] {
        device_.need_order("wait", in_order);
        if (device_.recorded_into(in_order) != 0)
          throw error(errc::invalid_argument, format("rank %d: wait: the stream is recorded into a graph, and does nothing until that is replayed", host_.world_rank()),
                      host_.world_rank());
        if (!waited_) waited_.emplace(device_.make_event());
        device_.record(*waited_, in_order);
        detail::finish_watched(device_, host_, *waited_);
      });
    });
  }

  /// Collective: waits until all ranks' calls are done with what ranks share, and gives that
  /// back, which must be unmapped everywhere before its owner frees it. Without it
  /// memory that another process has mapped stays until this one ends. Throws `device`, on
  /// all ranks in the same words, what went wrong on one of them; it is closed all the same,
  /// and the session goes on.
  void close() {
    if (!windows_) return;
    std::optional<detail::device_refusal> refused;
    or_without_nccl([&] {
      refused = nccl_->close(host_);
      const auto unfinished = detail::agree(host_, detail::refused_by([&] {
        staging_->finish(host_);
        scratch_->finish(host_);
        messages_->finish(host_);
        windows_->finish(host_);
      }));
      if (!refused) refused = unfinished;
      for_all([&] { windows_->close(host_); });
    });
    nccl_.reset();
    windows_.reset();
    messages_.reset();
    staging_.reset();
    scratch_.reset();
    if (refused) throw error(refused->code, refused->why, refused->rank);
  }

  communicator& host_side() { return host_; }

 private:
  // What rank 0 decides.
  struct decided {
    device_costs costs{};
    bool prefer_nccl = false;
  };

  void need_open(const std::string& who) const {
    if (!windows_) throw error(errc::invalid_argument, who + ": the device communicator was closed", host_.world_rank());
  }
  static const std::string& closed() {
    static const std::string why = "the device communicator was closed";
    return why;
  }

  // Once the session has ended, streams must not wait for NCCL any more.
  template <class Body>
  void or_without_nccl(Body body) {
    try {
      detail::or_give_up_waits(host_, body);
    } catch (...) {
      // Another thread may have made this one.
      if (const auto ended = detail::verdict_on(host_); ended && nccl_) nccl_->give_up(ended->text);
      throw;
    }
  }
  template <class Body>
  void for_all(Body body) {
    detail::for_all_ranks(host_, body);
  }

  Device device_;
  communicator host_;
  std::optional<detail::device_staging<Device>> staging_{};
  std::optional<detail::device_windows<Device>> windows_{};
  std::optional<detail::device_scratch<Device>> scratch_{};
  std::optional<detail::device_messages<Device>> messages_{};
  std::string why_staged_{}, why_not_messages_{};
  bool sends_all_ = false;
  decided decided_{};
  std::optional<typename Device::event> waited_{};
  // Goes first: what a device frees waits for streams, which may wait for NCCL.
  std::optional<detail::nccl_link<Device>> nccl_{};
};

}  // namespace tutti
