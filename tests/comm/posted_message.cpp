#include <tutti/comm/posted_message.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace tutti;

namespace {
std::vector<int> tags(const message_line& line) {
  std::vector<int> all;
  line.each([&](posted_message& m) { all.push_back(m.tag); });
  return all;
}
}  // namespace

TEST_CASE("a line keeps its order, from whichever place one is taken") {
  posted_message m[4];
  message_line line;
  CHECK(line.empty());
  for (int i = 0; i < 4; ++i) {
    m[i].tag = i;
    line.push(m[i]);
  }
  auto take = [&](int tag) { return line.take([&](const posted_message& x) { return x.tag == tag; }); };
  CHECK(take(9) == nullptr);
  CHECK(take(1) == &m[1]);
  CHECK(tags(line) == std::vector<int>{0, 2, 3});
  CHECK(take(3) == &m[3]);  // the last
  line.push(m[1]);
  CHECK(tags(line) == std::vector<int>{0, 2, 1});
  CHECK(&line.pop() == &m[0]);
  CHECK(take(2) == &m[2]);  // the first
  CHECK(&line.pop() == &m[1]);
  CHECK(line.empty());
  line.push(m[3]);
  CHECK(line.first() == &m[3]);
}

TEST_CASE("messages can be moved into another line while they are looked at") {
  posted_message m[3];
  message_line from, to;
  for (int i = 0; i < 3; ++i) {
    m[i].tag = i;
    from.push(m[i]);
  }
  from.each([&](posted_message& x) { to.push(x); });
  CHECK(tags(to) == std::vector<int>{0, 1, 2});
}
