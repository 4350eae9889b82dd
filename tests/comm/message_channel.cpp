#include <tutti/comm/message_channel.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <tutti/transport/slots.hpp>

using namespace tutti;

namespace {

// Two ranks in one thread, joined by slots that are shorter than most messages.
struct pair_of_channels {
  explicit pair_of_channels(slot_shape shape = {.slots = 2, .bytes = 64}) {
    for (int i = 0; i < 2; ++i) {
      memory[i] = buffer<std::byte>(shape.footprint());
      slot_memory{memory[i].data(), shape}.initialise();
    }
    for (int i = 0; i < 2; ++i) {
      out[i] = std::make_unique<slot_sender>(slot_memory{memory[i].data(), shape}, bell);
      in[i] = std::make_unique<slot_receiver>(slot_memory{memory[1 - i].data(), shape}, bell);
      channel[i] = std::make_unique<message_channel>(*out[i], *in[i]);
      channel[i]->open();
    }
  }
  doorbell bell;
  buffer<std::byte> memory[2];
  std::unique_ptr<slot_sender> out[2];
  std::unique_ptr<slot_receiver> in[2];
  std::unique_ptr<message_channel> channel[2];
};

struct owner {
  std::vector<posted_message*> ended;
  int differed = 0;
  call theirs{};
  void done(posted_message& m) { ended.push_back(&m); }
  void differ(posted_message&, const call& other) {
    ++differed;
    theirs = other;
  }
};

std::unique_ptr<posted_message> message(bool sends, int tag, std::vector<std::byte>& bytes) {
  auto m = std::make_unique<posted_message>();
  m->sends = sends;
  m->tag = tag;
  m->data = bytes.data();
  m->bytes = bytes.size();
  m->what = {.count = bytes.size(), .element = 1, .root = tag};
  m->shape = (static_cast<std::uint64_t>(tag) << 40 | bytes.size() << 2) + 4;
  return m;
}

std::vector<std::byte> filled(std::size_t n, unsigned seed) {
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(seed * 31 + i * 7);
  return bytes;
}

}  // namespace

TEST_CASE("a short message comes before anybody asks for it, a long one when somebody does") {
  for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{500}, least_loan - 1, least_loan, std::size_t{30000}}) {
    CAPTURE(n);
    pair_of_channels p;
    owner a, b;
    std::vector<std::byte> data = filled(n, 1), got(n);
    auto s = message(true, 3, data), r = message(false, 3, got);
    p.channel[0]->post(*s, a);
    for (int i = 0; i < 500; ++i) {
      p.channel[0]->progress(a);
      p.channel[1]->progress(b);
    }
    CHECK(a.ended.size() == (n < least_loan ? 1 : 0));
    p.channel[1]->post(*r, b);
    for (int i = 0; i < 500; ++i) {
      p.channel[0]->progress(a);
      p.channel[1]->progress(b);
    }
    CHECK(a.ended.size() == 1);
    CHECK(b.ended == std::vector<posted_message*>{r.get()});
    CHECK(got == data);
    CHECK(p.channel[0]->idle());
    CHECK(p.channel[1]->idle());
  }
}

TEST_CASE("no more is sent unasked than the receiver keeps, and all of it can be received in any order") {
  pair_of_channels p;
  owner a, b;
  const std::size_t many = 300;
  std::vector<std::vector<std::byte>> data, got(many, std::vector<std::byte>(20));
  for (std::size_t i = 0; i < many; ++i) data.push_back(filled(20, static_cast<unsigned>(i)));
  std::vector<std::unique_ptr<posted_message>> all;
  auto turn = [&] {
    for (int i = 0; i < 3000; ++i) {
      p.channel[0]->progress(a);
      p.channel[1]->progress(b);
    }
  };
  for (std::size_t i = 0; i < many; ++i) {
    all.push_back(message(true, static_cast<int>(i), data[i]));
    p.channel[0]->post(*all.back(), a);
  }
  turn();
  CHECK(a.ended.size() == unexpected_messages::most_stored);
  for (std::size_t i = many; i-- > 0;) {
    all.push_back(message(false, static_cast<int>(i), got[i]));
    p.channel[1]->post(*all.back(), b);
  }
  turn();
  CHECK(a.ended.size() == many);
  CHECK(b.ended.size() == many);
  CHECK(got == data);
}

TEST_CASE("whoever leaves more unmatched than the bound goes on once some of it is received") {
  pair_of_channels p;
  owner a, b;
  const std::size_t many = unexpected_messages::most + 50;
  std::vector<std::byte> data = filled(1, 1), got(1);
  std::vector<std::unique_ptr<posted_message>> all;
  for (std::size_t i = 0; i < many; ++i) {
    all.push_back(message(true, 1, data));
    p.channel[0]->post(*all.back(), a);
  }
  for (std::size_t i = 0; i < many; ++i) {
    for (int k = 0; k < (i == 0 ? 3000 : 4); ++k) {
      p.channel[0]->progress(a);
      p.channel[1]->progress(b);
    }
    all.push_back(message(false, 1, got));
    p.channel[1]->post(*all.back(), b);
  }
  for (int k = 0; k < 3000; ++k) {
    p.channel[0]->progress(a);
    p.channel[1]->progress(b);
  }
  CHECK(a.ended.size() == many);
  CHECK(b.ended.size() == many);
}

TEST_CASE("messages with one tag keep their order, whatever the order in which things happen") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 engine(seed);
  auto random = [&] { return static_cast<unsigned>(engine()); };
  for (int round = 0; round < 60; ++round) {
    pair_of_channels p({.slots = random() % 2 ? 2u : 4u, .bytes = random() % 2 ? 64u : 4096u});
    owner owners[2];
    std::deque<std::vector<std::byte>> memory;
    std::vector<std::unique_ptr<posted_message>> all;
    // What each sends with each tag, and what the other gets.
    std::vector<std::vector<std::byte>*> sent[2][3], got[2][3];
    std::vector<std::size_t> lengths[2][3];
    for (int from : {0, 1})
      for (int tag : {0, 1, 2})
        for (unsigned n = random() % 25; n-- > 0;)
          lengths[from][tag].push_back(random() % 4 == 0 ? least_loan + random() % 9000 : random() % 300);
    auto left = [&] {
      std::size_t n = 0;
      for (int from : {0, 1})
        for (int tag : {0, 1, 2}) n += 2 * lengths[from][tag].size() - sent[from][tag].size() - got[from][tag].size();
      return n;
    };
    for (int idle = 0; left() > 0 || owners[0].ended.size() + owners[1].ended.size() < all.size();) {
      REQUIRE(++idle < 2000000);
      const unsigned what = random() % 8;
      const int from = static_cast<int>(random() % 2), tag = static_cast<int>(random() % 3);
      auto& lists = what == 0 ? sent : got;
      if (what < 2 && lists[from][tag].size() < lengths[from][tag].size()) {
        const std::size_t n = lengths[from][tag][lists[from][tag].size()];
        memory.push_back(what == 0 ? filled(n, random()) : std::vector<std::byte>(n));
        lists[from][tag].push_back(&memory.back());
        all.push_back(message(what == 0, tag, memory.back()));
        const int at = what == 0 ? from : 1 - from;
        p.channel[at]->post(*all.back(), owners[at]);
      } else {
        p.channel[from]->progress(owners[from]);
      }
    }
    for (int from : {0, 1}) {
      CHECK(owners[from].differed == 0);
      CHECK(p.channel[from]->idle());
      for (int tag : {0, 1, 2})
        for (std::size_t i = 0; i < sent[from][tag].size(); ++i) REQUIRE(*sent[from][tag][i] == *got[from][tag][i]);
    }
  }
}

TEST_CASE("a message of another shape than its receive is reported, whichever came first, and nothing is written") {
  for (std::size_t n : {std::size_t{10}, std::size_t{20000}})
    for (bool receive_first : {false, true}) {
      CAPTURE(n);
      CAPTURE(receive_first);
      pair_of_channels p;
      owner a, b;
      std::vector<std::byte> data = filled(n, 1), got(n - 1), untouched = got;
      auto s = message(true, 3, data), r = message(false, 3, got);
      if (receive_first) p.channel[1]->post(*r, b);
      p.channel[0]->post(*s, a);
      for (int i = 0; i < 20; ++i) {
        p.channel[0]->progress(a);
        p.channel[1]->progress(b);
      }
      if (!receive_first) p.channel[1]->post(*r, b);
      for (int i = 0; i < 20; ++i) {
        p.channel[0]->progress(a);
        p.channel[1]->progress(b);
      }
      CHECK(b.differed == 1);
      CHECK(b.theirs.count == n);
      CHECK(b.ended.empty());
      CHECK(got == untouched);
      int seen = 0;
      p.channel[1]->each([&](posted_message& m) { seen += &m == r.get(); });
      CHECK(seen == 1);
      p.channel[1]->clear();
      CHECK(p.channel[1]->idle());
    }
}

TEST_CASE("of memory that the host does not touch nothing travels before it is asked for, and nothing is taken that came to the host") {
  for (std::size_t n : {std::size_t{1}, std::size_t{500}, least_loan}) {
    CAPTURE(n);
    pair_of_channels p;
    owner a, b;
    std::vector<std::byte> data = filled(n, 1), got(n), untouched = got;
    auto s = message(true, 3, data), r = message(false, 3, got);
    s->memory = r->memory = memory_kind::as_cuda;
    p.channel[0]->post(*s, a);
    for (int i = 0; i < 500; ++i) {
      p.channel[0]->progress(a);
      p.channel[1]->progress(b);
    }
    CHECK(a.ended.empty());
    p.channel[1]->post(*r, b);
    // Slots carry it through memory of the host.
    CHECK_THROWS_WITH_AS(
        [&] {
          for (int i = 0; i < 500; ++i) {
            p.channel[0]->progress(a);
            p.channel[1]->progress(b);
          }
        }(),
        "what goes to memory of kind as_cuda came to the host", error);
    CHECK(got == untouched);
    CHECK(b.ended.empty());
  }
}
