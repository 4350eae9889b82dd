#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <tutti/comm/communicator.hpp>
#include <tutti/comm/device_agreement.hpp>
#include <tutti/comm/device_staging.hpp>
#include <tutti/comm/device_windows.hpp>

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
};

/// Ranks that communicate what is in the memory of devices, one each; several
/// may have the same. Its collectives are the free functions of
/// comm/device_collectives.hpp. Used by one thread at a time. Must not outlive the
/// communicator that it was made from. `close` it, or let it stay until the streams
/// of all ranks have done what its calls gave them.
template <class Device>
class device_communicator {
 public:
  using device_type = Device;
  using order = typename Device::order;
  using space = typename Device::space;

  /// Collective. Throws `device`, on all ranks alike, where the device or its memory
  /// is not there.
  device_communicator(communicator& c, const Device& device, const device_options& options = {}) : device_(device), host_(c.duplicate()) {
    std::uint64_t least[] = {options.window_bytes, options.piece_bytes};
    all_reduce(host_, span<std::uint64_t>(least, 2), minimum{});
    const auto refused = detail::agree(host_, detail::refused_by([&] { staging_.emplace(device_, least[1]); }));
    if (refused) throw error(refused->code, refused->why);
    windows_.emplace(device_, host_, least[0], options.staged);
    why_staged_ = windows_->why_not();
  }

  int rank() const { return host_.rank(); }
  int size() const { return host_.size(); }

  /// Why data goes through the host: because the devices cannot read each other's
  /// memory. Empty where they do.
  const std::string& why_staged() const { return why_staged_; }

  /// What all collectives do: see `device_call`. `check` throws what speaks against
  /// the call on this rank, which then throws on every rank. What fails on one rank
  /// later ends the session.
  template <class T, class Op, class Check>
  void run(const device_call<T, Op>& call, const order& in_order, Check check) {
    const typename Device::range shown(name_of(call.what));
    device_call<T, Op> chosen = call;
    const auto refused = detail::refused_by([&] {
      const std::string who = format("rank %d: %s", host_.world_rank(), name_of(call.what));
      if (!windows_) throw error(errc::invalid_argument, who + ": the device communicator was closed", host_.world_rank());
      check();
      device_.need_order(who.c_str(), in_order);
      device_.need_memory(who.c_str(), call.input, call.bytes_in());
      device_.need_memory(who.c_str(), call.output, call.bytes_out());
      if (why_staged().empty()) windows_->prepare(host_, chosen);
      else staging_->prepare(host_, chosen);
    });
    detail::agree_on_call(host_, chosen, refused);
    for_all([&] {
      if (why_staged().empty()) windows_->run(host_, chosen, in_order);
      else staging_->run(host_, chosen, in_order);
    });
  }
  template <class T, class Op>
  void run(const device_call<T, Op>& call, const order& in_order) {
    run(call, in_order, [] {});
  }

  /// Collective: waits until the calls of all ranks are done, and gives back what they
  /// share, which must be unmapped everywhere before its owner frees it. Without it
  /// memory that another process has mapped stays until this one ends.
  void close() {
    if (!windows_) return;
    for_all([&] {
      staging_->finish();
      windows_->close(host_);
    });
    windows_.reset();
    staging_.reset();
  }

  communicator& host_side() { return host_; }

 private:
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
};

}  // namespace tutti
