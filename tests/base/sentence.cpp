#include <tutti/base/sentence.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

using namespace tutti;

TEST_CASE("a sentence is a pattern and its words, made by the compiler as well") {
  static_assert(sentence("'{}' has {} of {}, or {}", {"a", std::size_t{7}, -3, sentence("b")}).view() == "'a' has 7 of -3, or b");
  CHECK(sentence(SIZE_MAX).text() == "18446744073709551615");
  CHECK(sentence(0).text() == "0");
  CHECK(sentence(1.0).text() == "1");
  CHECK(sentence(-1.25).text() == "-1.25");
  CHECK(sentence(0.003).text() == "0.003");
  CHECK(sentence().empty());
  const std::string all(500, 'x');
  CHECK(sentence(all).text() == all.substr(0, sentence::capacity));
}

TEST_CASE("what is refused throws its sentence, and is kept where a constant is made") {
  sentence kept;
  CHECK_THROWS_WITH_AS(refuse(kept, "no {}", {"axis"}), "no axis", error);
  constexpr sentence first = [] {
    sentence s;
    refuse(s, "first of {}", {2});
    refuse(s, "second");
    return s;
  }();
  CHECK(first.text() == "first of 2");
  CHECK_THROWS_WITH_AS(need_accepted(first), "first of 2", error);
}

TEST_CASE("for the compiler, a sentence is cut between words") {
  using detail::piece_of;
  static_assert(possible<[] { return sentence(); }>);
  const std::string words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
  std::string together;
  for (std::size_t i = 0; !piece_of(words, i).empty(); ++i) {
    CHECK(piece_of(words, i).size() <= TUTTI_SHOWN_CHARACTERS);
    together += (i > 0 ? " " : "") + std::string(piece_of(words, i));
  }
  CHECK(together == words);
  CHECK(detail::pieces_of(words) == (TUTTI_SHOWN_CHARACTERS < words.size() ? 4 : 1));
}
