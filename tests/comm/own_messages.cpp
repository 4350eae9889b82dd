#include <tutti/comm/own_messages.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using namespace tutti;

namespace {

struct owner {
  std::vector<int> ended;  // tags
  int differed = 0;
  void done(posted_message& m) { ended.push_back(m.tag); }
  void differ(posted_message&, const call&) { ++differed; }
};

struct one : posted_message {
  one(bool is_send, int its_tag, std::vector<int>& v) {
    sends = is_send;
    tag = its_tag;
    data = reinterpret_cast<std::byte*>(v.data());
    bytes = v.size() * sizeof(int);
    what = {.count = v.size(), .element = sizeof(int), .root = its_tag};
    shape = (static_cast<std::uint64_t>(its_tag) << 40 | v.size() << 2) + 4;
  }
};

}  // namespace

TEST_CASE("a message of a rank to itself, sent before it is received or after") {
  for (std::size_t n : {std::size_t{0}, std::size_t{3}, std::size_t{100000}})
    for (bool receive_first : {false, true}) {
      CAPTURE(n);
      own_messages box;
      box.open();
      owner o;
      std::vector<int> data(n, 4), got(n);
      one s(true, 1, data), r(false, 1, got);
      box.post(receive_first ? r : s, o);
      CHECK(o.ended.size() == (!receive_first && n < 1000 ? 1 : 0));
      box.post(receive_first ? s : r, o);
      CHECK(o.ended.size() == 2);
      CHECK(got == data);
      CHECK(box.idle());
    }
}

TEST_CASE("those with one tag keep their order, long and short") {
  own_messages box;
  box.open();
  owner o;
  std::vector<std::vector<int>> data, got;
  std::vector<std::unique_ptr<one>> all;
  for (int i = 0; i < 60; ++i) {
    const std::size_t n = i % 5 == 4 ? 5000 : 10;
    data.emplace_back(n, i);
    got.emplace_back(n, -1);
  }
  for (std::size_t i = 0; i < 60; ++i) box.post(*all.emplace_back(std::make_unique<one>(true, static_cast<int>(i % 2), data[i])), o);
  for (std::size_t odd : {std::size_t{1}, std::size_t{0}})
    for (std::size_t i = odd; i < 60; i += 2) box.post(*all.emplace_back(std::make_unique<one>(false, static_cast<int>(odd), got[i])), o);
  CHECK(got == data);
  CHECK(o.ended.size() == 120);
  CHECK(box.idle());
}

TEST_CASE("a short one is stored though a long one with another tag waits, and not where it has that tag") {
  own_messages box;
  box.open();
  owner o;
  std::vector<int> large(100000, 1), small(3, 2), last(3, 3), got_large(100000), got_small(3), got_last(3);
  one waits(true, 1, large), stored(true, 2, small), behind(true, 1, last);
  for (one* m : {&waits, &stored, &behind}) box.post(*m, o);
  CHECK(o.ended == std::vector<int>{2});
  one to_small(false, 2, got_small), to_large(false, 1, got_large), to_last(false, 1, got_last);
  for (one* m : {&to_small, &to_large, &to_last}) box.post(*m, o);
  CHECK(got_small == small);
  CHECK(got_large == large);
  CHECK(got_last == last);
  CHECK(box.idle());
}

TEST_CASE("another shape than was sent is reported") {
  for (std::size_t n : {std::size_t{3}, std::size_t{100000}})
    for (bool receive_first : {false, true}) {
      own_messages box;
      box.open();
      owner o;
      std::vector<int> data(n), got(n + 1);
      one s(true, 1, data), r(false, 1, got);
      box.post(receive_first ? r : s, o);
      box.post(receive_first ? s : r, o);
      CHECK(o.differed == 1);
      CHECK(!box.idle());
      box.clear();
      CHECK(box.idle());
    }
}
