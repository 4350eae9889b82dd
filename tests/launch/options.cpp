#include <tutti/launch/options.hpp>

#include <cstdlib>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {

/// A command line, and what `parse_launch_options` made of it.
struct parsed {
  std::vector<std::string> words;
  tutti::launch_options options;

  explicit parsed(std::vector<std::string> given) {
    std::vector<char*> argv;
    for (std::string& w : given) argv.push_back(w.data());
    argv.push_back(nullptr);
    int argc = static_cast<int>(given.size());
    options = tutti::parse_launch_options(argc, argv.data());
    CHECK(argv[static_cast<std::size_t>(argc)] == nullptr);
    for (int i = 0; i < argc; ++i) words.push_back(argv[static_cast<std::size_t>(i)]);
  }
};

using list = std::vector<std::string>;

}  // namespace

TEST_CASE("launch options: taken out of the command line, the rest kept in order") {
  parsed p({"x", "a", "--ranks", "4", "--b", "--tag-output", "--survive", "c"});
  CHECK(p.options.ranks == 4);
  CHECK(p.options.survive);
  CHECK(p.options.tag_output);
  CHECK(p.words == list{"x", "a", "--b", "c"});

  parsed joined({"x", "--ranks=4096"});
  CHECK(joined.options.ranks == 4096);
  CHECK(joined.words == list{"x"});

  parsed none({"x", "--", "--ranks", "4"});
  CHECK(none.options.ranks == 0);
  CHECK(!none.options.tag_output);
  CHECK(!none.options.survive);
  CHECK(none.words == list{"x", "--", "--ranks", "4"});

  CHECK(parsed({}).words.empty());
}

TEST_CASE("launch options: bad numbers of ranks are refused, and named") {
  for (const char* bad : {"x", "0", "-1", "4097", "2x", "", "99999999999999999999"}) {
    CAPTURE(bad);
    std::string text = "--ranks: '" + std::string(bad) + "' is not a number from 1 to 4096";
    CHECK_THROWS_WITH_AS(parsed({"x", "--ranks", bad}), text.c_str(), tutti::error);
    CHECK_THROWS_WITH_AS(parsed({"x", "--ranks=" + std::string(bad)}), text.c_str(), tutti::error);
  }
  CHECK_THROWS_WITH_AS(parsed({"x", "--ranks"}), "--ranks: needs a number from 1 to 4096", tutti::error);
}

TEST_CASE("launch options: from the environment") {
  ::setenv("TUTTI_TAG_OUTPUT", "1", 1);
  ::setenv("TUTTI_GRACE", "0.5", 1);
  ::setenv("TUTTI_DEADLINE", "7", 1);
  parsed p({"x"});
  CHECK(p.options.tag_output);
  CHECK(p.options.grace == 0.5);
  CHECK(p.options.timeout == 7);
  ::setenv("TUTTI_TAG_OUTPUT", "yes", 1);
  CHECK_THROWS_WITH_AS(parsed({"x"}), "TUTTI_TAG_OUTPUT is 'yes': it takes 0 or 1", tutti::error);
  ::unsetenv("TUTTI_TAG_OUTPUT");
  ::setenv("TUTTI_GRACE", "soon", 1);
  CHECK_THROWS_WITH_AS(parsed({"x"}), "TUTTI_GRACE is 'soon': it takes a number from 0 to 1e+06", tutti::error);
  ::unsetenv("TUTTI_GRACE");
  ::unsetenv("TUTTI_DEADLINE");
}
