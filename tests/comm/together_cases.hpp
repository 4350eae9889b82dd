#pragma once
// Calls issued as one, on whatever link a communicator has: which, how long and in
// which order a seed decides, the same on all ranks. Throws std::logic_error.
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/grouped.hpp>
#include <tutti/comm/messages.hpp>
#include <tutti/comm/together.hpp>

namespace together_cases {

using namespace tutti;

inline void need(bool right, const std::string& what, const communicator& c) {
  if (!right) throw std::logic_error(format("wrong: %s, rank %d of %d", what.c_str(), c.rank(), c.size()));
}

/// Element i of rank r.
inline int value(int r, std::size_t i) { return static_cast<int>((static_cast<std::size_t>(r) * 7 + i * 3) % 101); }
inline int total(int ranks, std::size_t i) {
  int sum = 0;
  for (int r = 0; r < ranks; ++r) sum += value(r, i);
  return sum;
}

struct drawn_call {
  std::string name;
  std::function<void()> make;   ///< on whatever communicator it was drawn for
  std::function<bool()> right;  ///< once it is done
};

inline drawn_call draw(communicator& c, std::mt19937& from, bool async) {
  const int p = c.size(), me = c.rank();
  const auto kind = from() % 11;
  constexpr std::size_t lengths[] = {0, 1, 5, 300, 3000, 20011};
  const std::size_t n = lengths[from() % 6], all = n * static_cast<std::size_t>(p), first = n * static_cast<std::size_t>(me);
  const int root = static_cast<int>(from() % static_cast<unsigned>(p)), tag = static_cast<int>(from() % 1000);
  auto in = std::make_shared<std::vector<int>>(all), out = std::make_shared<std::vector<int>>(all, 9999);
  for (std::size_t i = 0; i < all; ++i) (*in)[i] = value(me, i);
  const span<int> block(in->data(), n), one_out(out->data(), n);
  // `out` from `n` elements on stays as it is; `want(i)` is what comes before.
  auto is = [out](std::size_t length, auto want) {
    bool right = true;
    for (std::size_t i = 0; i < out->size(); ++i) right &= (*out)[i] == (i < length ? want(i) : 9999);
    return right;
  };
  auto through = [async, in, out](auto call, auto call_async) {
    return [async, in, out, call, call_async] {  // whose buffers live as long
      if (async) request dropped = call_async();
      else call();
    };
  };
  auto none = [](std::size_t) { return 0; };
  auto block_of = [n](std::size_t i) { return value(static_cast<int>(i / n), i % n); };
  switch (kind) {
    case 0:
      return {"broadcast", through([=, &c] { broadcast(c, block, root); }, [=, &c] { return broadcast_async(c, block, root); }), [=] {
                for (std::size_t i = 0; i < n; ++i)
                  if (block[i] != value(root, i)) return false;
                return true;
              }};
    case 1:
      return {"all_reduce", through([=, &c] { all_reduce(c, block, one_out, plus{}); }, [=, &c] { return all_reduce_async(c, block, one_out, plus{}); }),
              [=] { return is(n, [p](std::size_t i) { return total(p, i); }); }};
    case 2:
      return {"reduce", through([=, &c] { reduce(c, block, one_out, plus{}, root); }, [=, &c] { return reduce_async(c, block, one_out, plus{}, root); }),
              [=] { return me == root ? is(n, [p](std::size_t i) { return total(p, i); }) : is(0, none); }};
    case 3:
      return {"reduce_scatter", through([=, &c] { reduce_scatter(c, *in, one_out); }, [=, &c] { return reduce_scatter_async(c, *in, one_out); }),
              [=] { return is(n, [=](std::size_t i) { return total(p, first + i); }); }};
    case 4:
      return {"all_gather", through([=, &c] { all_gather(c, block, *out); }, [=, &c] { return all_gather_async(c, block, *out); }),
              [=] { return is(all, block_of); }};
    case 5:
      return {"all_to_all", through([=, &c] { all_to_all(c, *in, *out); }, [=, &c] { return all_to_all_async(c, *in, *out); }),
              [=] { return is(all, [=](std::size_t i) { return value(static_cast<int>(i / n), first + i % n); }); }};
    case 6:
      return {"gather", through([=, &c] { gather(c, block, *out, root); }, [=, &c] { return gather_async(c, block, *out, root); }),
              [=] { return me == root ? is(all, block_of) : is(0, none); }};
    case 7:
      return {"scatter", through([=, &c] { scatter(c, *in, one_out, root); }, [=, &c] { return scatter_async(c, *in, one_out, root); }),
              [=] { return is(n, [=](std::size_t i) { return value(root, first + i); }); }};
    case 8:
      return {"send_recv", through([=, &c] { send_recv(c, block, (me + 1) % p, one_out, (me + p - 1) % p, tag); },
                                   [=, &c] { return send_recv_async(c, block, (me + 1) % p, one_out, (me + p - 1) % p, tag); }),
              [=] { return is(n, [=](std::size_t i) { return value((me + p - 1) % p, i); }); }};
    case 9:
      return {"scan", through([=, &c] { scan(c, block, one_out); }, [=, &c] { return scan_async(c, block, one_out); }),
              [=] { return is(n, [=](std::size_t i) { return total(me + 1, i); }); }};
    default: {
      auto floats = std::make_shared<std::vector<float>>(n, static_cast<float>(me + 1));
      const auto op = send_as<bfloat16>(accumulate_in<float>(average{}));
      return {"average of floats as bfloat16", through([=, &c] { all_reduce(c, *floats, op); }, [=, &c] { return all_reduce_async(c, *floats, op); }),
              [=] { return *floats == std::vector<float>(n, static_cast<float>(p + 1) / 2); }};
    }
  }
}

inline void check(communicator& c, unsigned seed, std::size_t calls) {
  std::mt19937 from(seed);
  const bool waits = from() % 2, async = from() % 2;
  std::vector<drawn_call> drawn;
  std::string names = format("seed %u:", seed);
  for (std::size_t i = 0; i < calls; ++i) {
    drawn.push_back(draw(c, from, async));
    names += " " + drawn.back().name;
  }
  const statistics before = c.counters();
  auto all = [&] {
    for (const drawn_call& one : drawn) one.make();
  };
  if (waits) together(c, all);
  else together_async(c, all).wait();
  for (const drawn_call& one : drawn) need(one.right(), names + ": " + one.name, c);
  // Each call is counted as what it is, and what it sent with it.
  const statistics now = c.counters().since(before);
  statistics::calls counted;
  for (const statistics::calls& one : now.collectives) counted.done += one.done, counted.sent += one.sent;
  std::size_t messages = 0;
  for (const drawn_call& one : drawn) messages += one.name == "send_recv";
  need(counted.done == calls - messages, names + ", counted", c);
  if (messages == 0) need(counted.sent == now.sent(), names + ", sent", c);
}

inline void check_all(communicator& c) {
  for (unsigned seed = 1; seed <= 12; ++seed) check(c, seed, seed % 8);
  check(c, 99, 40);
}

}  // namespace together_cases
