#include <tutti/base/packing.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

using namespace tutti;

namespace {

struct card {
  std::uint32_t segment;
  std::uint64_t offset, length;
};
std::vector<std::byte> copy(bytes_view bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

TEST_CASE("what was appended is read again, in order, wherever it lies") {
  const std::vector<std::byte> key{std::byte{8}, std::byte{9}};
  std::vector<std::byte> bytes;
  append(bytes, 'x');  // so that what follows is not aligned
  append(bytes, card{.segment = 3, .offset = 0x7f00deadbeefu, .length = 2});
  append(bytes, key);
  append(bytes, bytes_view());
  append(bytes, 2.5);
  unpacking from(bytes);
  CHECK(from.value<char>() == 'x');
  const auto c = from.value<card>();
  CHECK(c.segment == 3);
  CHECK(c.offset == 0x7f00deadbeefu);
  CHECK(copy(from.bytes(c.length)) == key);
  CHECK(from.bytes(0).empty());
  CHECK(from.rest().size() == sizeof(double));
  CHECK(from.value<double>() == 2.5);
  CHECK(from.bytes(0).empty());
  CHECK_THROWS_WITH_AS(from.value<char>(), "a rank's connection data is too short", error);
}

TEST_CASE("less than was promised is an error, however much was promised") {
  const std::vector<std::byte> three(3);
  CHECK_THROWS_AS(unpacking(three).value<std::uint32_t>(), error);
  CHECK_THROWS_AS(unpacking(three).bytes(4), error);
  CHECK_THROWS_AS(unpacking(three).bytes(static_cast<std::size_t>(-1)), error);
  unpacking from(three);
  CHECK(from.bytes(2).size() == 2);
  CHECK_THROWS_AS(from.bytes(static_cast<std::size_t>(-1)), error);
  CHECK(from.bytes(1).size() == 1);  // an error has used nothing
}

TEST_CASE("what all ranks said is packed and unpacked, and nothing else is taken for it") {
  const std::vector<std::vector<std::byte>> all{std::vector<std::byte>(3, std::byte{1}), {}, std::vector<std::byte>(9, std::byte{2})};
  const std::vector<std::byte> packed = pack(all);
  CHECK(packed.size() == 3 * 8 + 12);
  std::vector<std::vector<std::byte>> again(3);
  CHECK(unpack(packed, again));
  CHECK(again == all);
  for (std::size_t most : {std::size_t{0}, std::size_t{23}, packed.size() - 1}) CHECK_FALSE(unpack({packed.data(), most}, again));
  again.resize(5);
  CHECK_FALSE(unpack(packed, again));  // of fewer ranks
  std::vector<std::byte> wild = packed;
  wild[7] = std::byte{0xff};
  again.resize(3);
  CHECK_FALSE(unpack(wild, again));
}

TEST_CASE("what is longer than a piece is gathered piece by piece, and nothing in one round") {
  for (const std::vector<std::string>& texts : {std::vector<std::string>{"", "", ""}, {"abcdefg", "", "xyz"}, {"abc", "a", "abcdef"}}) {
    std::size_t rounds = 0;
    const std::string& mine = texts[0];
    const auto all = gather_in_pieces(texts.size(), bytes_view(reinterpret_cast<const std::byte*>(mine.data()), mine.size()), 3,
                                      [&](bytes_view piece, auto take) {
      const std::string here = mine.substr(std::min(mine.size(), 3 * rounds), 3);
      CHECK(std::string(reinterpret_cast<const char*>(piece.data()), piece.size()) == here);
      for (std::size_t r = 0; r < texts.size(); ++r)
        take(static_cast<int>(r), texts[r].size(), reinterpret_cast<const std::byte*>(texts[r].data()) + 3 * rounds);
      ++rounds;
    });
    std::size_t longest = 0;
    for (std::size_t r = 0; r < texts.size(); ++r) {
      CHECK(std::string(reinterpret_cast<const char*>(all[r].data()), all[r].size()) == texts[r]);
      longest = std::max(longest, texts[r].size());
    }
    CHECK(rounds == std::max<std::size_t>(1, (longest + 2) / 3));
  }
}
