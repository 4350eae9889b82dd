#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/device_call.hpp>

namespace tutti::detail {

/// Why one rank cannot do what all were asked to.
struct device_refusal {
  errc code{};
  std::string why{};
  int rank = -1;  ///< of the session, once ranks have agreed on it
};

/// What `body` throws, kept.
template <class Body>
std::optional<device_refusal> refused_by(Body body) {
  try {
    body();
    return {};
  } catch (const error& e) {
    return device_refusal{e.code(), e.what()};
  } catch (const std::exception& e) {
    return device_refusal{errc::device, e.what()};
  }
}

/// Of several ranks that refused the first, in its words, on all ranks. Collective
/// where one has refused; `refused(r)` says whether rank r has, and is known to all.
template <class Refused>
std::optional<device_refusal> first_refusal(communicator& c, const std::optional<device_refusal>& mine, Refused refused) {
  struct told {
    errc code{};
    char why[255] = {};
  };
  for (int r = 0; r < c.size(); ++r) {
    if (!refused(r)) continue;
    told said;
    if (r == c.rank()) {
      said.code = mine->code;
      std::strncpy(said.why, mine->why.c_str(), sizeof said.why - 1);
    }
    broadcast(c, span<told>(&said, 1), r);
    return device_refusal{said.code, said.why, c.world_rank(r)};
  }
  return {};
}

/// Collective: the same answer on every rank.
inline std::optional<device_refusal> agree(communicator& c, const std::optional<device_refusal>& mine) {
  const std::uint8_t refuses = mine.has_value();
  std::vector<std::uint8_t> all(static_cast<std::size_t>(c.size()));
  all_gather(c, span<const std::uint8_t>(&refuses, 1), all);
  return first_refusal(c, mine, [&](int r) { return all[static_cast<std::size_t>(r)] != 0; });
}

/// Collective: has `done` called on each rank until it returns true there, and returns on
/// all at once: nothing once it has on all, or, once it throws on one, what the first of
/// those says, with its rank. Nobody waits in `done`, so that a rank that is lost is heard
/// of here, as in any collective. A small all-gather for each round; rounds get rarer, up to
/// one each millisecond.
template <class Done>
std::optional<device_refusal> agree_once_done(communicator& c, Done done) {
  enum : std::uint8_t { open, ended, refuses };
  std::uint8_t mine = open;
  std::optional<device_refusal> refused;
  std::vector<std::uint8_t> all(static_cast<std::size_t>(c.size()));
  for (unsigned round = 0;; ++round) {
    if (round > 32) ::usleep(std::min(round, 1000u));
    if (mine == open) {
      refused = refused_by([&] { mine = done() ? ended : open; });
      if (refused) mine = refuses, refused->why = format("rank %d: %s", c.world_rank(), refused->why.c_str());
    }
    all_gather(c, span<const std::uint8_t>(&mine, 1), all);
    if (std::find(all.begin(), all.end(), refuses) != all.end())
      return first_refusal(c, refused, [&](int r) { return all[static_cast<std::size_t>(r)] == refuses; });
    if (std::find(all.begin(), all.end(), open) == all.end()) return {};
  }
}

/// What ranks must have in common to call a collective on devices.
struct device_signature {
  std::uint64_t count = 0;
  std::uint64_t graph = 0;  ///< into which it is recorded
  std::uint32_t element = 0, type = 0;  ///< its bytes, its name's hash
  std::int32_t root = 0;
  std::uint32_t operation = 0;
  std::uint16_t what = 0, how = 0;
  std::uint32_t refuses = 0;
  const void* input = nullptr;  ///< each rank has its own: for those that one kernel reaches
  void* output = nullptr;

  template <class T, class Op>
  static device_signature of(const device_call<T, Op>& call, std::uint64_t graph) {
    return {.count = call.count, .graph = graph, .element = sizeof(T), .type = hash_of(type_name<T>), .root = call.root, .operation = hash_of(operation_name<Op>),
            .what = static_cast<std::uint16_t>(call.what), .how = static_cast<std::uint16_t>(call.algorithm),
            .input = call.input, .output = call.output};
  }
  bool calls_the_same_as(device_signature other) const {
    other.input = input, other.output = output;
    return *this == other;
  }
  static constexpr std::uint32_t hash_of(std::string_view name) {
    std::uint32_t hash = 2166136261u;
    for (char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 16777619u;
    return hash;
  }
  std::string said() const {
    return format("%s by %s of %zu elements of %u bytes, root %d", name_of(static_cast<collective>(what)), name_of(static_cast<algorithm>(how)),
                  static_cast<std::size_t>(count), element, root);
  }
  friend bool operator==(const device_signature&, const device_signature&) = default;
};

/// Collective, one small all-gather: what each rank calls. Throws on all ranks, in the same
/// words, where one refuses the call or ranks call different things.
template <class T, class Op>
std::vector<device_signature> agree_on_call(communicator& c, const device_call<T, Op>& call, const std::optional<device_refusal>& mine, std::uint64_t graph = 0) {
  device_signature signature = device_signature::of(call, graph);
  signature.refuses = mine.has_value();
  std::vector<device_signature> all(static_cast<std::size_t>(c.size()));
  all_gather(c, span<const device_signature>(&signature, 1), all);
  auto at = [&](int r) -> const device_signature& { return all[static_cast<std::size_t>(r)]; };
  int refuses = 0;
  while (refuses < c.size() && !at(refuses).refuses) ++refuses;
  if (const auto why = first_refusal(c, mine, [&](int r) { return r == refuses; })) throw error(why->code, why->why, c.world_rank(refuses));
  for (int r = 1; r < c.size(); ++r)
    if (at(r).graph != at(0).graph)
      throw error(errc::not_supported, format("%s on device memory: ranks %d and %d do not record it into the same graph; begin one, have the streams of all ranks "
                                              "wait for an event of it, and replay it once for all", name_of(call.what), c.world_rank(0), c.world_rank(r)), c.world_rank(r));
  for (int r = 1; r < c.size(); ++r)
    if (!at(0).calls_the_same_as(at(r)))
      throw error(errc::mismatch, format("rank %d calls %s on device memory, rank %d calls %s%s", c.world_rank(0), at(0).said().c_str(), c.world_rank(r),
                                         at(r).said().c_str(),
                                         at(0).said() != at(r).said() ? "" : at(0).type != at(r).type ? " with elements of another type" : " with another operation"),
                  c.world_rank(r));
  return all;
}

}  // namespace tutti::detail
