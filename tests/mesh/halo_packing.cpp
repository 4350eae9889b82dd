#include <tutti/mesh/halo_packing.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include <tutti/kernel/naive_convolution.hpp>
#include <tutti/kernel/random.hpp>

#include "../kernel/data.hpp"
#include "windows.hpp"

using namespace tutti;

namespace {

using values = std::vector<modular>;

/// All ranks of a group, whose exchange is a copy from what one has packed to what another
/// unpacks.
class group_of_ranks {
 public:
  explicit group_of_ranks(std::size_t ranks) : packed_(ranks), arrived_(ranks) { ranks_.reserve(ranks); }

  void read(halo_parts& parts) {
    ranks_.clear();
    for (parts.here = 0; parts.here < packed_.size(); ++parts.here) ranks_.emplace_back(parts);
  }

  /// From what each owns to what each reads; false where one packs other than what the
  /// other unpacks, or somebody is brought what he does not read, or has.
  bool forward(const std::vector<values>& own, std::vector<values>& all) {
    for (std::size_t r = 0; r < ranks_.size(); ++r) packed(r, ranks_[r].given_counts()), ranks_[r].pack(span<const modular>(own[r]), packed_[r].data());
    if (!exchange(&halo_packing::given_counts, &halo_packing::taken_counts)) return false;
    bool right = true;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      const block &reads = ranks_[r].read(), mine = common(ranks_[r].owned(), reads);
      right &= arrived_[r].size() + mine.elements() == reads.elements();
      all[r].assign(reads.elements(), modular(5));
      ranks_[r].keep(span<const modular>(own[r]), span<modular>(all[r]));
      ranks_[r].unpack(static_cast<const modular*>(arrived_[r].data()), span<modular>(all[r]));
    }
    return right;
  }
  /// And back, for gradients.
  bool backward(const std::vector<values>& all, std::vector<values>& own) {
    for (std::size_t r = 0; r < ranks_.size(); ++r) packed(r, ranks_[r].taken_counts()), ranks_[r].pack_back(span<const modular>(all[r]), packed_[r].data());
    if (!exchange(&halo_packing::taken_counts, &halo_packing::given_counts)) return false;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      own[r].assign(ranks_[r].owned().elements(), modular(5));
      ranks_[r].keep_back(span<const modular>(all[r]), span<modular>(own[r]));
      ranks_[r].unpack_back(static_cast<const modular*>(arrived_[r].data()), span<modular>(own[r]));
    }
    return true;
  }

 private:
  using counts = span<const std::size_t> (halo_packing::*)() const;

  void packed(std::size_t r, span<const std::size_t> of) {
    std::size_t elements = 0;
    for (std::size_t n : of) elements += n;
    packed_[r].assign(elements, modular());
  }
  bool exchange(counts sent, counts got) {
    for (values& each : arrived_) each.clear();
    for (std::size_t from = 0; from < ranks_.size(); ++from) {
      const modular* next = packed_[from].data();
      for (std::size_t to = 0; to < ranks_.size(); ++to) {
        const std::size_t n = (ranks_[from].*sent)()[to];
        if (n != (ranks_[to].*got)()[from]) return false;
        arrived_[to].insert(arrived_[to].end(), next, next + n);
        next += n;
      }
    }
    return true;
  }

  std::vector<halo_packing> ranks_;
  std::vector<values> packed_, arrived_;
};

/// Every interval of so many places, the empty ones as well.
std::vector<share> intervals(std::size_t places) {
  std::vector<share> all;
  for (std::size_t first = 0; first <= places; ++first)
    for (std::size_t end = first; end <= places; ++end) all.push_back({.first = first, .count = end - first});
  return all;
}

/// Calls each(shares) for every division of so many places among so many owners, in order,
/// of whom some may own nothing.
template <class Each>
void for_each_division(std::size_t places, std::size_t owners, Each each, std::vector<share> before = {}) {
  const std::size_t first = before.empty() ? 0 : before.back().end();
  const bool last = before.size() + 1 == owners;
  before.push_back({.first = first, .count = 0});
  for (std::size_t end = last ? places : first; end <= places; ++end) {
    before.back().count = end - first;
    if (last) each(before);
    else for_each_division(places, owners, each, before);
  }
}

block along(const shape& whole, std::size_t dimension, share part) {
  block b(whole);
  b[dimension] = part;
  return b;
}

/// A part of a tensor of these values.
values part_of(const block& part, const shape& whole, const values& all) {
  values got(part.elements());
  copy_block(part, block(whole), all.data(), part, got.data());
  return got;
}
bool is_part(const values& got, const block& part, const shape& whole, const values& all) {
  bool same = got.size() == part.elements();
  for_each_run(part, part, block(whole), [&](std::size_t from, std::size_t at, std::size_t n) {
    same = same && std::equal(&got[from], &got[from] + n, &all[at]);
  });
  return same;
}
/// Adds a part's values to those of the whole.
void add_part(const block& part, const values& more, const shape& whole, values& all) {
  for_each_run(part, part, block(whole), [&](std::size_t from, std::size_t into, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) all[into + i] = all[into + i] + more[from + i];
  });
}

/// A convolution of pictures of which only the height is cut.
class problem {
 public:
  problem(const window& down, std::size_t height) : net_({{"batch", 1}, {"channels", 2}, {"height", height}, {"width", 1}}) {
    net_.convolution("it", 1, down, {});
    const convolution_geometry g = geometry(down, height);
    x_ = some<modular>(g.inputs(), 1), w_ = some<modular>(g.weights(), 2), dy_ = some<modular>(g.outputs(), 3);
    y_.resize(g.outputs()), dx_.resize(g.inputs()), dw_.resize(g.weights());
    compute(g, x_, dy_, y_, dx_, dw_);
  }

  /// Whether ranks that own and make such rows get the same.
  bool by_ranks(const std::vector<share>& owns, const std::vector<share>& makes) const {
    const tensor_operation& o = net_.all()[0];
    std::vector<block> owned, made;
    std::vector<values> own, back(owns.size()), read(owns.size()), read_gradient(owns.size());
    for (std::size_t r = 0; r < owns.size(); ++r) {
      owned.push_back(along(o.x, 2, owns[r])), made.push_back(along(o.y, 2, makes[r]));
      own.push_back(part_of(owned[r], o.x, x_));
    }
    halo_parts parts = halo_of(o, owned, made, 0);
    for (const block& reads : parts.read)
      if (reads[2].first > o.x[2].size || reads[2].count > o.x[2].size - reads[2].first) return false;
    group_of_ranks group(owns.size());
    group.read(parts);
    if (!group.forward(own, read)) return false;
    values y(y_.size()), dx(dx_.size()), dw(dw_.size());
    for (std::size_t r = 0; r < owns.size(); ++r) {
      const convolution_geometry g = geometry(local_window(o.windows[0], makes[r], o.x[2].size), parts.read[r][2].count);
      read_gradient[r].resize(read[r].size());
      if (makes[r].count == 0) continue;
      if (g.out_height() != makes[r].count) return false;
      values my_y(g.outputs()), my_dw(g.weights());
      compute(g, read[r], part_of(made[r], o.y, dy_), my_y, read_gradient[r], my_dw);
      add_part(made[r], my_y, o.y, y);
      for (std::size_t i = 0; i < dw.size(); ++i) dw[i] = dw[i] + my_dw[i];
    }
    if (!group.backward(read_gradient, back)) return false;
    for (std::size_t r = 0; r < owns.size(); ++r) add_part(owned[r], back[r], o.x, dx);
    return y == y_ && dx == dx_ && dw == dw_;
  }

 private:
  static convolution_geometry geometry(const window& down, std::size_t height) {
    return {.batch = 1, .channels = 2, .height = height, .width = 1, .filters = 1, .down = down};
  }
  void compute(const convolution_geometry& g, const values& x, const values& dy, values& y, values& dx, values& dw) const {
    naive::convolution<modular>(g, x, w_, {}, y);
    naive::convolution_backward_data<modular>(g, dy, w_, dx);
    naive::convolution_backward_weights<modular>(g, x, dy, dw);
  }

  operation_list net_;
  values x_, w_, dy_, y_, dx_, dw_;
};

}  // namespace

// What comes to a rank from another depends on what the one reads and the other owns. For
// every division among owners, each rank reads every interval once, while the others read
// others: so every pair of intervals occurs, wherever among the owners the two ranks stand.
// With halo.cpp, where any interval of outputs is exact that has what it reads, all
// divisions of inputs and of outputs are.
TEST_CASE("however places are divided among owners, whoever reads whichever gets them, and the owners the sums of their gradients") {
  constexpr std::size_t most = 17, channels = 2;
  const values all_x = some<modular>(channels * most, 1), gradients = some<modular>(4 * channels * most, 2);
  std::size_t divisions = 0, reads = 0, wrong = 0;
  for (std::size_t places = 1; places <= most; ++places) {
    const std::vector<share> all = intervals(places);
    const shape whole{{"channels", channels}, {"height", places}};
    const values x(all_x.begin(), all_x.begin() + static_cast<std::ptrdiff_t>(whole.elements()));
    for (std::size_t owners = 1; owners <= 4; ++owners)
      for_each_division(places, owners, [&](const std::vector<share>& owned) {
        halo_parts parts;
        group_of_ranks group(owners);
        std::vector<values> own, got(owners), back(owners), of_read(owners);
        values sums;
        for (const share& mine : owned) {
          parts.owned.push_back(along(whole, 1, mine));
          own.push_back(part_of(parts.owned.back(), whole, x));
        }
        parts.read.resize(owners);
        for (std::size_t turn = 0; turn < all.size(); ++turn, reads += owners) {
          sums.assign(whole.elements(), modular());
          for (std::size_t r = 0; r < owners; ++r) {
            parts.read[r] = along(whole, 1, all[(turn + r * 41) % all.size()]);
            const modular* from = &gradients[r * channels * most];
            of_read[r].assign(from, from + parts.read[r].elements());
            add_part(parts.read[r], of_read[r], whole, sums);
          }
          group.read(parts);
          bool right = group.forward(own, got) && group.backward(of_read, back);
          for (std::size_t r = 0; r < owners && right; ++r)
            right = is_part(got[r], parts.read[r], whole, x) && is_part(back[r], parts.owned[r], whole, sums);
          wrong += !right;
        }
        ++divisions;
      });
  }
  CHECK(wrong == 0);
  MESSAGE("divisions among owners: " << divisions << ", reads by a rank: " << reads);
}

TEST_CASE("whatever the window, ranks cut evenly or by seed that exchange their halo get what one rank gets: y, dx and dw") {
  std::size_t cases = 0, wrong = 0;
  const random_stream random{.seed = 31};
  std::uint64_t next = 0;
  for_each_window([&](const window& down, std::size_t height) {
    const problem p(down, height);
    for (int ranks = 1; ranks <= 4; ++ranks) {
      std::vector<share> even_in, even_out;
      for (int r = 0; r < ranks; ++r) {
        even_in.push_back(share_of(height, r, ranks));
        even_out.push_back(share_of(down.outputs(height), r, ranks));
      }
      wrong += !p.by_ranks(even_in, even_out);
      wrong += !p.by_ranks(cut_anywhere(height, ranks, random, next), cut_anywhere(down.outputs(height), ranks, random, next));
      cases += 2;
    }
  });
  CHECK(wrong == 0);
  MESSAGE("windows and cuts, seed 31: " << cases);
}
