#include <tutti/transport/link_kind.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace tutti;

TEST_CASE("every kind of link has a name of its own") {
  std::set<std::string> names;
  for (link_kind kind : {link_kind::self, link_kind::loopback, link_kind::window, link_kind::message, link_kind::simulated, link_kind::device})
    names.insert(name_of(kind));
  CHECK(names == std::set<std::string>{"self", "loopback", "window", "message", "simulated", "device"});
  CHECK(std::string(name_of(link_kind::window)) == "window");
  CHECK(std::string(name_of(link_kind::simulated)) == "simulated");
}
