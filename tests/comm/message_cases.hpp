#pragma once
// Messages between the ranks of any communicator, and what must have come of them.
#include <algorithm>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/comm/messages.hpp>

#include "../need.hpp"

namespace message_cases {

using namespace tutti;
using tests::need;

// Below and above what travels unasked, at its edge, longer than a loan, and nothing.
constexpr std::size_t lengths[] = {0, 1, 7, 300, 2047, 2048, 5000, 40009};

// Element i of what is sent so: the same number only by accident elsewhere.
inline std::uint32_t element(int from, int to, int tag, std::size_t which, std::size_t i) {
  std::uint64_t h = static_cast<std::uint64_t>(from) * 64 + static_cast<std::uint64_t>(to);
  h = detail::mix(detail::mix(detail::mix(h, static_cast<std::uint64_t>(tag)), which), i);
  return static_cast<std::uint32_t>(h >> 7);
}
template <class Range>
void fill(Range& x, int from, int to, int tag, std::size_t which) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = element(from, to, tag, which, i);
}
template <class Range>
void check(const Range& x, int from, int to, int tag, std::size_t which) {
  for (std::size_t i = 0; i < x.size(); ++i)
    need(x[i] == element(from, to, tag, which, i),
         format("element %zu of %zu of message %zu from rank %d to rank %d, tag %d", i, x.size(), which, from, to, tag));
}

// Blocking, round the ring both ways, in private and in library buffers, in one
// type and two.
inline void ring(communicator& c) {
  const int p = c.size(), me = c.rank();
  for (int by : {1, p - 1}) {
    const int to = (me + by) % p, from = (me + p - by) % p;
    for (std::size_t n : lengths) {
      std::vector<std::uint32_t> out(n), in(n);
      fill(out, me, to, 3, n);
      send_recv(c, out, to, in, from, 3);
      check(in, from, me, 3, n);
      buffer<std::uint32_t> lent(c, n), got(c, n + 1);
      fill(lent, me, to, 4, n);
      got[n] = 5;
      send_recv(c, lent, to, span<std::uint32_t>(got.data(), n), from, 4);
      check(span<std::uint32_t>(got.data(), n), from, me, 4, n);
      need(got[n] == 5, "behind the message nothing may change");
    }
    std::vector<double> large(10, me);
    std::vector<char> small(3);
    // Each sends ten numbers and receives three letters: its neighbours do it the other way round.
    if (p % 2 == 0) {
      if (me % 2 == 0) send_recv(c, large, to, small, from, 9);
      else send_recv(c, std::vector<char>(3, 'x'), to, large, from, 9);
      need(me % 2 == 0 ? small == std::vector<char>(3, 'x') : large == std::vector<double>(10, from), "two types");
    }
  }
}

// One after the other, as sends and receives of their own.
inline void one_by_one(communicator& c) {
  for (int from = 0; from < c.size(); ++from)
    for (int to = 0; to < c.size(); ++to) {
      if (from == to) continue;
      for (std::size_t n : {std::size_t{0}, std::size_t{300}, std::size_t{2048}, std::size_t{20000}}) {
        std::vector<std::uint32_t> x(n);
        if (c.rank() == from) {
          fill(x, from, to, 0, n);
          send(c, x, to);
        } else if (c.rank() == to) {
          recv(c, x, from);
          check(x, from, to, 0, n);
        }
      }
    }
}

// Every rank sends to every rank, itself included, messages of random tags and
// lengths, and receives them in an order of its own, collectives in between.
inline void random_order(communicator& c, unsigned seed, std::size_t many) {
  constexpr int tags = 4;
  struct planned {
    int from, to, tag;
    std::size_t which, n;
  };
  std::vector<planned> sends, receives;
  std::vector<std::size_t> counted(tags);
  for (int from = 0; from < c.size(); ++from)
    for (int to = 0; to < c.size(); ++to) {
      std::mt19937 random(seed + static_cast<unsigned>(from * 100 + to));
      std::fill(counted.begin(), counted.end(), 0);
      for (std::size_t k = 0; k < many; ++k) {
        planned m{from, to, static_cast<int>(random() % tags), 0, random() % 5 == 0 ? 2048 + random() % 30000 : random() % 400};
        m.which = counted[static_cast<std::size_t>(m.tag)]++;
        if (from == c.rank()) sends.push_back(m);
        if (to == c.rank()) receives.push_back(m);
      }
    }
  // Shuffled, but for the order of those with one peer and tag.
  std::mt19937 random(seed + 77777 + static_cast<unsigned>(c.rank()));
  auto shuffle = [&](std::vector<planned>& all) {
    std::vector<planned> was = all;
    std::shuffle(all.begin(), all.end(), random);
    std::vector<std::size_t> next(static_cast<std::size_t>(c.size() * c.size() * tags));
    for (planned& m : all) {
      std::size_t& from = next[static_cast<std::size_t>((m.from * c.size() + m.to) * tags + m.tag)];
      while (was[from].from != m.from || was[from].to != m.to || was[from].tag != m.tag) ++from;
      m = was[from++];
    }
  };
  shuffle(sends);
  shuffle(receives);
  struct under_way {
    planned what;
    buffer<std::uint32_t> memory;
    request done;
  };
  std::vector<under_way> out, in;
  std::vector<std::uint32_t> sum(500, 1), total(500);
  request reduced;
  bool begun = false;
  while (!sends.empty() || !receives.empty()) {
    if (!begun && sends.size() <= many * static_cast<std::size_t>(c.size()) / 2) {
      reduced = all_reduce_async(c, sum, total);
      begun = true;
    }
    const bool sending = receives.empty() || (!sends.empty() && random() % 2);
    auto& from = sending ? sends : receives;
    auto& to = sending ? out : in;
    const planned m = from.back();
    // From the back, so that those with one tag must go the other way.
    from.pop_back();
    to.push_back({m, random() % 2 ? buffer<std::uint32_t>(c, m.n) : buffer<std::uint32_t>(m.n), {}});
    auto& one = to.back();
    if (sending) {
      fill(one.memory, m.from, m.to, m.tag, m.which);
      one.done = send_async(c, one.memory, m.to, m.tag);
    } else {
      one.done = recv_async(c, one.memory, m.from, m.tag);
    }
    if (random() % 4 == 0 && to[random() % to.size()].done.test()) continue;
  }
  std::shuffle(in.begin(), in.end(), random);
  for (auto& m : in) {
    m.done.wait();
    check(m.memory, m.what.from, m.what.to, m.what.tag, m.what.which);
  }
  for (auto& m : out) m.done.wait();
  reduced.wait();
  need(total == std::vector<std::uint32_t>(500, static_cast<std::uint32_t>(c.size())), "a sum in between");
}

// A rank that waits in a collective takes what others send it.
inline void beside_collectives(communicator& c) {
  if (c.size() == 1) return;
  const int last = c.size() - 1;
  std::vector<std::uint32_t> x(100);
  if (c.rank() == 0)
    for (std::size_t k = 0; k < 20; ++k) {
      fill(x, 0, last, 1, k);
      send(c, x, last, 1);
    }
  barrier(c);
  if (c.rank() == last)
    for (std::size_t k = 0; k < 20; ++k) {
      recv(c, x, 0, 1);
      check(x, 0, last, 1, k);
    }
  // And one that does not come to a collective is received from by those who do.
  std::vector<std::uint32_t> large(50000);
  request r;
  if (c.rank() == last) r = recv_async(c, large, 0, 2);
  if (c.rank() == 0) {
    std::vector<std::uint32_t> sent(large.size());
    fill(sent, 0, last, 2, 0);
    send(c, sent, last, 2);
  }
  barrier(c);
  r.wait();
  if (c.rank() == last) check(large, 0, last, 2, 0);
}

// Two neighbours on each side, with a block of another length for each distance,
// and a graph in which some have no neighbour.
inline void neighbours(communicator& c) {
  const int p = c.size(), me = c.rank();
  for (std::size_t n : {std::size_t{0}, std::size_t{3}, std::size_t{4000}}) {
    std::vector<outgoing<std::uint32_t>> sends;
    std::vector<incoming<std::uint32_t>> receives;
    std::vector<std::vector<std::uint32_t>> memory;
    memory.reserve(8);
    for (int by : {-2, -1, 1, 2}) {
      const int to = me + by, from = me - by;
      const std::size_t length = n * static_cast<std::size_t>(by + 3);
      if (to >= 0 && to < p) {
        memory.emplace_back(length);
        fill(memory.back(), me, to, by + 2, n);
        sends.push_back({to, memory.back()});
      }
      if (from >= 0 && from < p) {
        memory.emplace_back(length);
        receives.push_back({from, memory.back()});
      }
    }
    auto right = [&] {
      for (const auto& r : receives) check(r.data, r.from, me, me - r.from + 2, n);
    };
    neighbour_exchange(c, sends, receives);
    right();
    for (auto& r : receives) std::fill(r.data.begin(), r.data.end(), 0u);
    request under_way = neighbour_exchange_async(c, sends, receives, 6);
    barrier(c);
    under_way.wait();
    right();
  }
  std::vector<float> a(4, 1), b(4);
  if (me < p - p % 2) neighbour_exchange<float>(c, {{me ^ 1, a}}, {{me ^ 1, b}});
  else neighbour_exchange<float>(c, {}, {});
  need(me < p - p % 2 ? b == a : b == std::vector<float>(4), "pairs");
}

// Bytes between ranks are counted with the link and apart; the last messages are remembered.
inline void counted(communicator& c) {
  barrier(c);
  const statistics before = c.counters();
  std::vector<float> x(10000, 1), y(10000);
  const int to = (c.rank() + 1) % c.size(), from = (c.rank() + c.size() - 1) % c.size();
  for (std::size_t n : {std::size_t{10}, std::size_t{10000}}) send_recv(c, span<float>(x.data(), n), to, span<float>(y.data(), n), from, 8);
  const statistics now = c.counters().since(before);
  need(now.messages_sent == traffic{2, 40040} && now.messages_received == traffic{2, 40040}, "messages are counted");
  const std::uint64_t bytes = now.sent().bytes;
  need(bytes == (c.size() > 1 ? 40040u : 0u), format("%zu bytes over links", static_cast<std::size_t>(bytes)));
  for (const statistics::calls& of : now.collectives) need(of.done == 0, "no collective");
  const auto recent = c.recent();
  std::string text;
  for (const operation_record& r : recent) text += describe(r, tutti::now()) + "\n";
  need(text.find(format("send of 10000 float, to rank %d, tag 8: done", c.world_rank(to))) != std::string::npos, text);
  need(text.find(format("recv of 10 float, from rank %d, tag 8: done", c.world_rank(from))) != std::string::npos, text);
}

inline void check_all(communicator& c, unsigned seed, std::size_t many) {
  ring(c);
  one_by_one(c);
  beside_collectives(c);
  neighbours(c);
  for (unsigned round = 0; round < (c.size() < 4 ? 3u : 1u); ++round) random_order(c, seed + round, many);
  barrier(c);
}

// The same on what a communicator makes, some of them with a thread of their own.
inline void check_everywhere(communicator& world, unsigned seed, std::size_t many) {
  check_all(world, seed, many);
  counted(world);
  {
    communicator threaded = world.duplicate({.progress = progress::thread});
    check_all(threaded, seed + 10, many);
  }
  // Its channels may lie where those of the last one lay.
  for (unsigned round = 0; round < 3; ++round) {
    auto part = world.split(world.rank() % 2, -world.rank(), {.progress = (world.rank() + static_cast<int>(round)) % 3 ? progress::caller : progress::thread});
    random_order(*part, seed + 20 + round, many);
    counted(*part);
  }
  barrier(world);
}

}  // namespace message_cases
