#include <tutti/device/gpu.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include <tutti/device/transfer.hpp>

using namespace tutti;

TEST_CASE("a device reaches memory of this process as it is, and knows whether others could") {
  const gpu device(0);
  CHECK(device.device() == 0);
  gpu::taken arena = device.take(4096);
  const device_event events[4] = {device.make_event(true), device.make_event(true), device.make_event(), device.make_event()};
  const gpu::card card = device.card_of(arena.data(), events);
  MESSAGE("other processes can reach it: ", card.named, " ", card.why_not);
  const gpu::peer peer = device.reach(card);
  CHECK(peer.base() == arena.data());
  device_stream stream(0);
  device.record(events[1], on(stream));
  device.wait_for_peer(on(stream), peer, 1);
  std::vector<std::byte> bytes(4096, std::byte{7}), back(4096);
  device.copy(arena.data(), bytes.data(), bytes.size(), on(stream));
  transfer(back, arena, on(stream));
  stream.wait();
  CHECK(back == bytes);
  CHECK(device.identity() == gpu(0).identity());
  CHECK(device.identity() != std::array<unsigned char, 16>{});
  CHECK(device.native(on(stream)) == stream.native());
  static_assert(gpu::launches == (TUTTI_ON_CUDA != 0));
}
