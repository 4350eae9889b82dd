#include <tutti/base/error.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>

namespace {

using tutti::errc;

TEST_CASE("an error carries its kind, its sentence, who and which operation") {
  try {
    throw tutti::error(errc::rank_died, "rank 3 died in operation 7", 3, 7);
  } catch (const std::runtime_error& caught) {
    auto& e = dynamic_cast<const tutti::error&>(caught);
    CHECK(e.code() == errc::rank_died);
    CHECK(e.rank() == 3);
    CHECK(e.operation() == 7);
    CHECK(std::string(e.what()) == "rank 3 died in operation 7");
  }
  tutti::error nobody(errc::data, "x");
  CHECK(nobody.rank() == -1);
  CHECK(nobody.operation() == 0);
}

TEST_CASE("every kind has a name of its own") {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(errc::device); ++i)
    names.insert(tutti::name_of(static_cast<errc>(i)));
  CHECK(names.size() == static_cast<std::size_t>(errc::device) + 1);
  CHECK(names.count("unknown") == 0);
  CHECK(std::string(tutti::name_of(static_cast<errc>(200))) == "unknown");
}

TEST_CASE("format is printf into a string of any length") {
  CHECK(tutti::format("%d of %s, %5.2f", 3, "four", 1.5) == "3 of four,  1.50");
  CHECK(tutti::format("%s", "").empty());
  std::string longer(100000, 'x');
  CHECK(tutti::format("<%s>", longer.c_str()) == "<" + longer + ">");
}

}  // namespace
