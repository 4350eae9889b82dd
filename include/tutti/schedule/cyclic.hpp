#pragma once
#include <tutti/schedule/step.hpp>

namespace tutti {

/// Consecutive chunks on a circle of `parts`: one range, or two where they go
/// past the end. `second.count` is 0 where one is enough.
struct cyclic_chunks {
  chunks first, second;
};

constexpr cyclic_chunks cyclic(int parts, chunk begin, int count) {
  const int before_end = parts - begin.value;
  if (count <= before_end) return {{begin, count}, {{0}, 0}};
  return {{begin, before_end}, {{0}, count - before_end}};
}

constexpr void send(schedule& s, rank to, cyclic_chunks what) {
  if (what.first.count > 0) s.send(to, what.first);
  if (what.second.count > 0) s.send(to, what.second);
}

constexpr void recv(schedule& s, rank from, cyclic_chunks into) {
  if (into.first.count > 0) s.recv(from, into.first);
  if (into.second.count > 0) s.recv(from, into.second);
}

constexpr void recv_reduce(schedule& s, rank from, cyclic_chunks into, side incoming) {
  if (into.first.count > 0) s.recv_reduce(from, into.first, incoming);
  if (into.second.count > 0) s.recv_reduce(from, into.second, incoming);
}

}  // namespace tutti
