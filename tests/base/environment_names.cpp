#include <tutti/base/environment_names.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("the distance between names") {
  CHECK(detail::edits_between("", "") == 0);
  CHECK(detail::edits_between("abc", "") == 3);
  CHECK(detail::edits_between("", "ab") == 2);
  CHECK(detail::edits_between("link", "lnik") == 2);
  CHECK(detail::edits_between("TUTTI_LINKS", "TUTTI_LINK") == 1);
  CHECK(detail::edits_between("kitten", "sitting") == 3);
  CHECK(detail::edits_between("sitting", "kitten") == 3);
}

TEST_CASE("names that begin as Tutti's do and are none are told apart, with the nearest that is") {
  const char* fine[] = {"PATH=/bin", "TUTTI_LINK=window", "TUTTI_TEST_SEED=3", "MY_TUTTI_LINK=1", "TUTTI=1", nullptr};
  CHECK(detail::unknown_names(fine).empty());
  CHECK(detail::unknown_names(nullptr).empty());
  const char* wrong[] = {"TUTTI_DEADLIEN=3", "TUTTI_LOGS", "TUTTI_ALGORITHM=ring", "TUTTI_JOINTIMEOUT=", nullptr};
  CHECK(detail::unknown_names(wrong) ==
        std::vector<std::string>{
            "TUTTI_DEADLIEN in the environment is no name that Tutti knows; the nearest is TUTTI_DEADLINE",
            "TUTTI_LOGS in the environment is no name that Tutti knows; the nearest is TUTTI_LOG",
            "TUTTI_JOINTIMEOUT in the environment is no name that Tutti knows; the nearest is TUTTI_JOIN_TIMEOUT"});
  const char* far[] = {"TUTTI_=1", "TUTTI_FOO=1", "TUTTI_COLOUR", "TUTTI_LNIK=1", nullptr};
  CHECK(detail::unknown_names(far) ==
        std::vector<std::string>{"TUTTI_ in the environment is no name that Tutti knows", "TUTTI_FOO in the environment is no name that Tutti knows",
                                 "TUTTI_COLOUR in the environment is no name that Tutti knows",
                                 "TUTTI_LNIK in the environment is no name that Tutti knows; the nearest is TUTTI_LINK"});
  for (std::string_view known : environment_names) {
    const std::string with_value = std::string(known) + "=1";
    const char* one[] = {with_value.c_str(), nullptr};
    CHECK(detail::unknown_names(one).empty());
  }
}
