#include <tutti/transport/cards.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("what was appended is read again, in order, wherever it lies") {
  std::vector<std::byte> bytes;
  append(bytes, 'x');  // so that what follows is not aligned
  append(bytes, arena_card{.place = {.segment = 3, .offset = 4096}, .address = 0x7f00deadbeefu, .key_bytes = 2});
  append(bytes, std::vector<std::byte>{std::byte{8}, std::byte{9}});
  append(bytes, std::vector<std::byte>{});
  append(bytes, 2.5);
  card_reader from(bytes);
  CHECK(from.value<char>() == 'x');
  const auto card = from.value<arena_card>();
  CHECK(card.place.segment == 3);
  CHECK(card.place.offset == 4096);
  CHECK(card.address == 0x7f00deadbeefu);
  CHECK(from.bytes(card.key_bytes) == std::vector<std::byte>{std::byte{8}, std::byte{9}});
  CHECK(from.bytes(0).empty());
  CHECK(from.value<double>() == 2.5);
  CHECK(from.bytes(0).empty());
  CHECK_THROWS_WITH_AS(from.value<char>(), "a rank's connection data is too short", error);
}

TEST_CASE("less than was promised is an error, however much was promised") {
  const std::vector<std::byte> three(3);
  CHECK_THROWS_AS(card_reader(three).value<std::uint32_t>(), error);
  CHECK_THROWS_AS(card_reader(three).bytes(4), error);
  CHECK_THROWS_AS(card_reader(three).bytes(static_cast<std::size_t>(-1)), error);
  card_reader from(three);
  CHECK(from.bytes(2).size() == 2);
  CHECK_THROWS_AS(from.bytes(static_cast<std::size_t>(-1)), error);  // 2 more would wrap around to 1
  CHECK(from.bytes(1).size() == 1);  // an error has used nothing
}
