#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tutti/comm/communicator.hpp>
#include <tutti/comm/device_agreement.hpp>
#include <tutti/comm/device_cost.hpp>
#include <tutti/comm/device_staging.hpp>
#include <tutti/comm/device_wait.hpp>
#include <tutti/comm/device_windows.hpp>
#include <tutti/comm/nccl_link.hpp>
#include <tutti/comm/tuning.hpp>

namespace tutti {

struct device_options {
  /// Of device memory, which the other ranks of this host map; the smallest of all
  /// ranks' counts.
  std::size_t window_bytes = std::size_t{64} << 20;
  /// Of pinned memory, twice for each direction; grows where one element of every
  /// rank is more. The smallest of all ranks' counts.
  std::size_t piece_bytes = std::size_t{4} << 20;
  /// Go through the host though devices could read each other.
  bool staged = false;
  /// The library, as `TUTTI_NCCL` names it: a file, or `off`. Empty: what `TUTTI_NCCL`
  /// says, else `libnccl.so.2`. Where one rank has `off`, none uses it.
  std::string nccl{};
  /// NCCL for all that it has, not only where it is cheaper, and also where it gives other
  /// results than Tutti's own ways do: sums of half and bfloat16, which it does not promise to
  /// add up in float, and minima and maxima of floats, in which it may pass over a NaN. Without
  /// this, none of these goes by it. Rank 0's counts.
  bool prefer_nccl = false;
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
  /// is not there, and `not_supported` where NCCL is preferred and not there.
  device_communicator(communicator& c, const Device& device, const device_options& options = {}) : device_(device), host_(c.duplicate()) {
    std::uint64_t least[] = {options.window_bytes, options.piece_bytes};
    all_reduce(host_, span<std::uint64_t>(least, 2), minimum{});
    const auto refused = detail::agree(host_, detail::refused_by([&] { staging_.emplace(device_, least[1]); }));
    if (refused) throw error(refused->code, refused->why);
    windows_.emplace(device_, host_, least[0], options.staged);
    why_staged_ = windows_->why_not();
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

  /// Why data goes through the host: because the devices cannot read each other's
  /// memory. Empty where they do.
  const std::string& why_staged() const { return why_staged_; }
  /// Why nothing goes by NCCL; empty where what it has may.
  const std::string& why_not_nccl() const { return nccl_ ? nccl_->why_not() : closed(); }

  /// By what a call of so many elements (of a block, where there are blocks) goes: the
  /// cheapest by `device_costs`, which `TUTTI_TUNING` holds; rank 0's count. A call that
  /// names its algorithm, or has no elements, goes by Tutti's own, as does one in which NCCL
  /// may give another result (`prefer_nccl`, which also says which). Equal on all ranks.
  template <class T, class Op>
  device_way way_of(collective what, std::size_t count, algorithm how = algorithm::automatic) const {
    const device_way own = why_staged_.empty() ? device_way::windows : device_way::staging;
    if (how != algorithm::automatic || count == 0 || !why_not_nccl().empty() || detail::why_not_by_nccl<T, Op>(what)) return own;
    if (decided_.prefer_nccl) return device_way::nccl;
    if (detail::why_not_unasked<T, Op>(what)) return own;
    const auto seconds = [&](device_way way) {
      return seconds_of(cost_of(decided_.costs, way), traffic_of(way, what, count * sizeof(T), size()));
    };
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
      if (!windows_) throw error(errc::invalid_argument, who + ": the device communicator was closed", host_.world_rank());
      check();
      device_.need_order(who.c_str(), in_order);
      device_.need_memory(who.c_str(), call.input, call.bytes_in());
      device_.need_memory(who.c_str(), call.output, call.bytes_out());
      graph = device_.recorded_into(in_order);
      if (graph != 0 && !why_staged().empty())
        throw error(errc::not_supported, who + " is recorded into a graph, and data goes through the host (" + why_staged() + ")", host_.world_rank());
      // After each call by NCCL the ranks tell each other how it went, which no graph can hold.
      if (graph != 0) way = device_way::windows;
      together = way == device_way::windows && windows_->folds_together(chosen);
      if (together) windows_->come(host_, in_order, graph);
      else if (way == device_way::nccl) nccl_->prepare(host_, chosen);
      else if (way == device_way::windows) windows_->prepare(host_, chosen, graph);
      else staging_->prepare(host_, chosen);
    });
    or_without_nccl([&] {
      const std::vector<detail::device_signature> all = detail::agree_on_call(host_, chosen, refused, graph);
      // All ranks hear what NCCL refuses, so that they may go on without it.
      if (way == device_way::nccl) return nccl_->run(host_, chosen, in_order);
      for_all([&] {
        if (together) windows_->fold(host_, chosen, all, in_order, graph);
        else if (way == device_way::windows) windows_->run(host_, chosen, in_order, graph);
        else staging_->run(host_, chosen, in_order);
      });
    });
  }
  template <class T, class Op>
  void run(const device_call<T, Op>& call, const order& in_order) {
    run(call, in_order, [] {});
  }

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
        detail::finish_watched(device_, host_, *waited_, [&] {
          if (nccl_) nccl_->check();
        });
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
        windows_->finish(host_);
      }));
      if (!refused) refused = unfinished;
      for_all([&] { windows_->close(host_); });
    });
    nccl_.reset();
    windows_.reset();
    staging_.reset();
    if (refused) throw error(refused->code, refused->why, refused->rank);
  }

  communicator& host_side() { return host_; }

 private:
  // What rank 0 decides.
  struct decided {
    device_costs costs{};
    bool prefer_nccl = false;
  };

  static const std::string& closed() {
    static const std::string why = "the device communicator was closed";
    return why;
  }

  // Once the session has ended, streams must not wait for NCCL any more.
  template <class Body>
  void or_without_nccl(Body body) {
    try {
      body();
    } catch (...) {
      if (const auto ended = detail::verdict_on(host_); ended && nccl_) nccl_->abort(ended->text);
      throw;
    }
  }

  // The others are past the point where they could be told in time.
  template <class Body>
  void for_all(Body body) {
    try {
      body();
    } catch (const error& e) {
      if (e.code() == errc::device) host_.home().abandon(e.what());
      throw;
    }
  }

  Device device_;
  communicator host_;
  std::optional<detail::device_staging<Device>> staging_{};
  std::optional<detail::device_windows<Device>> windows_{};
  std::string why_staged_{};
  decided decided_{};
  std::optional<typename Device::event> waited_{};
  // Goes first: what a device frees waits for streams, which may wait for NCCL.
  std::optional<detail::nccl_link<Device>> nccl_{};
};

}  // namespace tutti
