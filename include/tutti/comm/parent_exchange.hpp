#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <tutti/comm/communicator_core.hpp>

namespace tutti::detail {

/// What the ranks of a communicator make together.
enum class making : std::uint32_t { duplicate, split, subset };

constexpr const char* name_of(making what) {
  constexpr const char* names[] = {"duplicate", "split", "subset"};
  return names[static_cast<int>(what)];
}

/// The all-gathers that new communicators need, over an old one. All of its
/// ranks take part in every round, though groups may need different numbers of
/// them and some ranks are in none: whoever is through says so until all are.
/// What fails on one rank fails on all.
class parent_exchange final : public exchange {
 public:
  parent_exchange(communicator_core& parent, making what) : parent_(parent), what_(what) {}

  /// From here on `all_gather` gives what these ranks of the parent said, in
  /// this order.
  void confine(std::vector<int> group) { group_ = std::move(group), confined_ = true; }

  contributions all_gather(bytes_view mine) override {
    contributions all = round(stage::more, mine);
    if (!confined_) return all;
    contributions ours;
    for (int r : group_) ours.push_back(std::move(all[static_cast<std::size_t>(r)]));
    return ours;
  }

  /// Takes part until every rank is through.
  void finish() {
    while (!ended_) static_cast<void>(round(stage::through, {}));
  }

  /// To be called where making the communicator threw here: the others throw
  /// the same, from their round.
  void fail(const error& why) noexcept {
    if (ended_) return;
    try {
      static_cast<void>(round(stage::failed, refusal::pack(why, first_piece)));
    } catch (const std::exception&) {
      // The session itself has ended, or another rank was first.
    }
  }

 private:
  enum class stage : std::uint32_t { more, through, failed };
  struct head {
    making what;
    stage at;
    std::uint64_t length;
  };
  // What is longer takes a second collective.
  static constexpr std::size_t first_piece = 240;

  contributions round(stage at, bytes_view mine) {
    const auto n = static_cast<std::size_t>(parent_.size());
    constexpr std::size_t width = sizeof(head) + first_piece;
    const head own{what_, at, mine.size()};
    std::vector<std::byte> first(width), firsts(width * n);
    std::memcpy(first.data(), &own, sizeof own);
    if (!mine.empty()) std::memcpy(first.data() + sizeof own, mine.data(), std::min(mine.size(), first_piece));
    gather(first.data(), firsts.data(), width);

    std::vector<head> heads(n);
    for (std::size_t r = 0; r < n; ++r) std::memcpy(&heads[r], firsts.data() + r * width, sizeof(head));
    agree(heads, firsts);
    std::size_t longest = first_piece;
    for (const head& h : heads) longest = std::max(longest, static_cast<std::size_t>(h.length));
    const std::size_t rest = longest - first_piece;
    std::vector<std::byte> last(rest), lasts(rest * n);
    if (mine.size() > first_piece) std::memcpy(last.data(), mine.data() + first_piece, mine.size() - first_piece);
    if (rest > 0) gather(last.data(), lasts.data(), rest);

    contributions result;
    for (std::size_t r = 0; r < n; ++r) {
      const auto length = static_cast<std::size_t>(heads[r].length);
      const std::byte* begin = firsts.data() + r * width + sizeof(head);
      result.emplace_back(begin, begin + std::min(length, first_piece));
      const std::byte* more = lasts.data() + r * rest;
      if (length > first_piece) result.back().insert(result.back().end(), more, more + (length - first_piece));
    }
    return result;
  }

  // Every rank sees the same heads and comes to the same end.
  void agree(const std::vector<head>& heads, const std::vector<std::byte>& firsts) {
    const std::vector<int>& members = parent_.queue->members();
    ended_ = true;
    for (std::size_t r = 0; r < heads.size(); ++r)
      if (heads[r].what != heads[0].what)
        throw error(errc::mismatch, format("ranks called different things: rank %d called %s, rank %d called %s", members[0],
                                           name_of(heads[0].what), members[r], name_of(heads[r].what)), members[r]);
    for (std::size_t r = 0; r < heads.size(); ++r)
      if (heads[r].at == stage::failed) {
        refusal::raise({firsts.data() + r * (sizeof(head) + first_piece) + sizeof(head), static_cast<std::size_t>(heads[r].length)});
      }
    for (const head& h : heads) ended_ &= h.at == stage::through;
  }

  void gather(const void* mine, void* all, std::size_t bytes) {
    const call_shape c{.what = collective::all_gather, .count = bytes, .type = "byte", .operation = "for a new communicator", .algorithm = algorithm::pairwise};
    parent_.wait(parent_.issue(c, {.input = mine, .output = all}));
  }

  communicator_core& parent_;
  making what_;
  std::vector<int> group_;
  bool confined_ = false, ended_ = false;
};

/// The core of a new communicator of `group`, ranks of the parent that `with`
/// is confined to here; null where this rank is not among them. Every rank of
/// the parent takes part, and gets the same error where one of them fails.
inline std::unique_ptr<communicator_core> make_core(communicator_core& parent, parent_exchange& with,
                                                    const std::vector<int>& group, communicator_options options) {
  with.confine(group);
  const auto me = std::find(group.begin(), group.end(), parent.me);
  const std::vector<int>& old = parent.queue->members();
  std::vector<int> members;
  std::uint64_t key = mix(parent.queue->key(), parent.issued);
  for (int r : group) {
    members.push_back(old[static_cast<std::size_t>(r)]);
    key = mix(key, static_cast<std::uint64_t>(members.back()));
  }
  std::unique_ptr<communicator_core> made;
  try {
    if (me != group.end())
      made = std::make_unique<communicator_core>(parent, std::move(members), static_cast<int>(me - group.begin()),
                                                 static_cast<communicator_key>((key >> 16) % (most_communicators - 1) + 1), with, options);
  } catch (const error& e) {
    with.fail(e);
    throw;
  } catch (const std::exception& e) {
    with.fail(error(errc::rank_failed, format("rank %d could not make a communicator: %s", parent.world_rank(), e.what()),
                    parent.world_rank()));
    throw;
  }
  with.finish();
  return made;
}

}  // namespace tutti::detail
