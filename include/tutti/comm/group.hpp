#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/transport/operation_id.hpp>

// Which ranks make a new communicator: found by every rank of the old one from
// what all of them said, so that all find the same.

namespace tutti::detail {

inline std::vector<int> everyone(int size) {
  std::vector<int> all(static_cast<std::size_t>(size));
  for (int r = 0; r < size; ++r) all[static_cast<std::size_t>(r)] = r;
  return all;
}

/// What a rank says in a split.
struct colour_and_key {
  std::int32_t colour = -1;  ///< negative: in no group
  std::int32_t key = 0;
};

/// The ranks of `mine`'s colour, ordered by key and, where keys are equal, by
/// rank; none where that colour is negative.
inline std::vector<int> group_of_colour(const std::vector<colour_and_key>& said, std::int32_t mine) {
  std::vector<int> group;
  if (mine < 0) return group;
  for (std::size_t r = 0; r < said.size(); ++r)
    if (said[r].colour == mine) group.push_back(static_cast<int>(r));
  std::stable_sort(group.begin(), group.end(), [&](int a, int b) {
    return said[static_cast<std::size_t>(a)].key < said[static_cast<std::size_t>(b)].key;
  });
  return group;
}

/// The members that all ranks name. `lists` holds what each said, by rank;
/// `members` who these ranks are in the session, for the sentences. Throws
/// `invalid_argument` where a rank names others than rank 0 does, twice the same,
/// or one that is not there: on every rank, for all read the same lists.
inline std::vector<int> group_of_lists(const std::vector<std::vector<int>>& lists, const std::vector<int>& members) {
  const int ranks = static_cast<int>(lists.size());
  for (std::size_t r = 1; r < lists.size(); ++r)
    if (lists[r] != lists[0])
      throw error(errc::invalid_argument,
                  format("subset: ranks named different members: rank %d named [%s], rank %d named [%s]", members[0],
                         list_ranks(lists[0]).c_str(), members[r], list_ranks(lists[r]).c_str()),
                  members[r]);
  std::vector<bool> seen(lists.size());
  for (int m : lists[0]) {
    if (m < 0 || m >= ranks)
      throw error(errc::invalid_argument, format("subset: member %d is not a rank from 0 to %d", m, ranks - 1));
    if (seen[static_cast<std::size_t>(m)])
      throw error(errc::invalid_argument, format("subset: member %d is named twice", m));
    seen[static_cast<std::size_t>(m)] = true;
  }
  return lists[0];
}

}  // namespace tutti::detail
