#include <tutti/comm/device_blocks.hpp>

#include <doctest/doctest.h>

#include <cstddef>

#include "host_device.hpp"

using namespace tutti;
using detail::block_lengths;
using detail::block_moves;

TEST_CASE("lengths are by sender and receiver, and the longest of all is known") {
  CHECK(block_lengths().longest() == 0);
  block_lengths of(3);
  CHECK(of.longest() == 0);
  of.of(0, 2) = 7, of.of(2, 0) = 5;
  CHECK(of.ranks() == 3);
  CHECK(of.of(0, 2) == 7);
  CHECK(of.of(2, 0) == 5);
  CHECK(of.of(2, 2) == 0);
  CHECK(of.longest() == 7);
}

TEST_CASE("blocks lie where they are said to, and the pieces of one are all of it") {
  std::byte from[20], into[20];
  block_moves moves{.bytes = block_lengths(2), .from = from, .into = into, .from_at = {0, 13}, .into_at = {4, 9}};
  moves.bytes.of(0, 1) = 7;
  CHECK(moves.source(1) == from + 13);
  CHECK(moves.target(1) == into + 9);
  CHECK(moves.piece(0, 1, 0, 3) == 3);
  CHECK(moves.piece(0, 1, 6, 3) == 1);
  CHECK(moves.piece(0, 1, 7, 3) == 0);
  CHECK(moves.piece(1, 0, 0, 3) == 0);
}

TEST_CASE("a rank's own block is copied, unless it is where it is to be") {
  const host_device::device device;
  host_device::stream one;
  std::byte from[4] = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}}, into[4] = {};
  block_moves moves{.bytes = block_lengths(1), .from = from, .into = into, .from_at = {1}, .into_at = {2}};
  moves.bytes.of(0, 0) = 2;
  detail::copy_own(device, moves, 0, &one);
  one.wait();
  CHECK(into[2] == from[1]);
  CHECK(into[3] == from[2]);
  CHECK(into[1] == std::byte{0});
  const std::size_t before = host_device::bytes_copied;
  moves.into = from, moves.into_at = {1};
  detail::copy_own(device, moves, 0, &one);
  CHECK(host_device::bytes_copied == before);
}
