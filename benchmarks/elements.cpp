// What is done to the elements of sharded tensors, as ratios in one run, the ways in
// turns: random numbers, functions of one and two tensors, sums, means and maxima over
// the same loops on this rank's block and the plain collective of the same bytes; a
// tensor gathered to one rank, or scattered from one, over that collective.
//
//     elements --ranks 2 [ROUNDS]
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/comm/uneven.hpp>
#include <tutti/mesh/reductions.hpp>

#include "ways.hpp"

namespace {

using namespace tutti;
using benchmarks::measure_in_turns, benchmarks::print_ratio;

// A square tensor of which each rank has some rows, and plain memory of the same size.
struct square {
  process_mesh on;
  std::size_t side;
  shape whole{{"rows", side}, {"columns", side}};
  placement rows = placement{}.sharded(0, 0), columns = placement{}.sharded(1, 0);
  sharded_tensor<float> x{on, whole, rows};
  std::size_t held = x.held()[0].count;  // rows
  std::vector<float> in = std::vector<float>(held * side, 1), out = std::vector<float>(held * side);

  square(communicator& world, std::size_t n) : on(world, {{"p", world.size()}}), side(n) { x.fill_random(1); }

  void measure(const std::string& what, std::size_t bytes, int rounds, const std::function<void()>& call, const std::function<void()>& best,
               const char* over) {
    const auto t = measure_in_turns(on.all(), rounds, {{"", call}, {"", best}});
    print_ratio(on.all(), what + format(", %zu x %zu", side, side), bytes, t[0], t[0].median / t[1].median, over);
  }
  std::size_t sent(const call_shape& c) { return on.along(0).plan_for(c).bytes_sent; }
};

void functions(square& s, int rounds) {
  const auto twice = [](float v) { return v + v; };
  const auto both = [](float v, float w) { return v * w + v; };
  sharded_tensor<float> y(s.on, s.whole, s.rows), across(s.on, s.whole, s.columns), row(s.on, {{"columns", s.side}});
  y.fill_random(2), across.fill_random(3), row.fill_random(4);
  const char* loop = "its loop alone";
  const auto loop_of_two = [&] {
    for (std::size_t i = 0; i < s.out.size(); ++i) s.out[i] = both(s.in[i], y.values()[i]);
  };
  s.measure("random numbers", 0, rounds, [&] { s.x.fill_random(1); }, [&] {
    const random_stream random{.seed = 1};
    for (std::size_t i = 0; i < s.out.size(); ++i) s.out[i] = static_cast<float>(2 * random.uniform(i) - 1);
  }, loop);
  s.measure("each element becomes another", 0, rounds, [&] { s.x.apply([](float v) { return 1 - v; }); }, [&] {
    for (float& v : s.in) v = 1 - v;
  }, loop);
  s.measure("linear function of one", 0, rounds, [&] { static_cast<void>(mapped_linear(s.x, twice)); }, [&] {
    for (std::size_t i = 0; i < s.out.size(); ++i) s.out[i] = twice(s.in[i]);
  }, loop);
  s.measure("any function of one", 0, rounds, [&] { static_cast<void>(mapped(s.x, twice)); }, [&] {
    for (std::size_t i = 0; i < s.out.size(); ++i) s.out[i] = twice(s.in[i]);
  }, loop);
  s.measure("function of two that lie alike", 0, rounds, [&] { static_cast<void>(mapped(s.x, y, both)); }, loop_of_two, loop);
  s.measure("function of each row and one row", 0, rounds, [&] { static_cast<void>(mapped(s.x, row, both)); }, [&] {
    for (std::size_t i = 0; i < s.held; ++i)
      for (std::size_t k = 0; k < s.side; ++k) s.out[i * s.side + k] = both(s.in[i * s.side + k], row.values()[k]);
  }, loop);
  s.measure("two that lie alike added", 0, rounds, [&] { static_cast<void>(added(s.x, y)); }, [&] {
    for (std::size_t i = 0; i < s.out.size(); ++i) s.out[i] = s.in[i] + y.values()[i];
  }, loop);

  const move_parts parts = parts_of({.what = move_kind::all_to_all, .from = 1, .to = 0}, s.whole, s.columns, s.on.shape(), s.on.rank());
  const std::vector<std::size_t> given = elements_of(parts.sent), taken = elements_of(parts.got);
  const span<const std::size_t> to(given.data(), given.size()), from(taken.data(), taken.size());
  buffer<float> packed(s.on.all(), parts.before.elements()), arrived(s.on.all(), parts.after.elements());
  for (float& v : packed) v = 1;
  const std::size_t bytes = s.sent({.what = collective::all_to_all, .count = packed.size(), .element = sizeof(float), .uneven = true, .counts = to, .received = from});
  s.measure("function of two, cut by rows and by columns", bytes, rounds, [&] { static_cast<void>(mapped(s.x, across, both)); }, [&] {
    all_to_all_v(s.on.along(0), packed, to, arrived, from);
    loop_of_two();
  }, "an all_to_all and its loop");
}

void reductions(square& s, int rounds) {
  const auto along_rows = [&] {  // of each row
    for (std::size_t i = 0; i < s.held; ++i) {
      float sum = 0;
      for (std::size_t k = 0; k < s.side; ++k) sum += s.in[i * s.side + k];
      s.out[i] = sum;
    }
  };
  buffer<float> sums(s.on.all(), s.side);
  const auto down = [&] {  // of each column, what is here
    for (float& v : sums) v = 0;
    for (std::size_t i = 0; i < s.held; ++i)
      for (std::size_t k = 0; k < s.side; ++k) sums[k] += s.in[i * s.side + k];
  };
  std::vector<indexed<float>> best(s.side);
  const std::size_t of_sums = s.sent({.what = collective::all_reduce, .count = s.side, .element = sizeof(float), .lent = true}),
                    of_best = s.sent({.what = collective::all_reduce, .count = s.side, .element = sizeof best[0]});
  const char *loop = "its loop alone", *reduced = "its loop and an all_reduce";
  s.measure("sums of rows, which are whole", 0, rounds, [&] { static_cast<void>(sum(s.x, {"columns"})); }, along_rows, loop);
  s.measure("sums of columns, left sums over ranks", 0, rounds, [&] { static_cast<void>(sum(s.x, {"rows"})); }, down, loop);
  s.measure("sums of columns, added up", of_sums, rounds, [&] { static_cast<void>(added_up(sum(s.x, {"rows"}))); }, [&] {
    down();
    all_reduce(s.on.along(0), sums);
  }, reduced);
  s.measure("means of columns, added up", of_sums, rounds, [&] { static_cast<void>(added_up(mean(s.x, {"rows"}))); }, [&] {
    down();
    for (float& v : sums) v /= static_cast<float>(s.side);
    all_reduce(s.on.along(0), sums);
  }, reduced);
  const auto greatest = [&](std::size_t i, std::size_t k, indexed<float>& so_far) {
    const indexed<float> next{s.in[i * s.side + k], static_cast<std::int64_t>(i * s.side + k)};
    so_far = arg_max{}(so_far, next);
  };
  s.measure("maxima of rows, which are whole", 0, rounds, [&] { static_cast<void>(max(s.x, {"columns"})); }, [&] {
    for (std::size_t i = 0; i < s.held; ++i) {
      best[i] = arg_max::identity<indexed<float>>();
      for (std::size_t k = 0; k < s.side; ++k) greatest(i, k, best[i]);
    }
  }, loop);
  s.measure("maxima of columns", of_best, rounds, [&] { static_cast<void>(max(s.x, {"rows"})); }, [&] {
    for (auto& b : best) b = arg_max::identity<indexed<float>>();
    for (std::size_t i = 0; i < s.held; ++i)
      for (std::size_t k = 0; k < s.side; ++k) greatest(i, k, best[k]);
    all_reduce(s.on.along(0), best, arg_max{});
  }, reduced);
}

void one_rank(square& s, int rounds) {
  communicator& world = s.on.all();
  std::vector<std::size_t> counts;
  for (rank r{0}; r.value < world.size(); ++r.value) counts.push_back(block_of(s.whole, s.rows, s.on.shape(), r).elements());
  const span<const std::size_t> each(counts.data(), counts.size());
  std::vector<float> all(world.rank() == 0 ? s.side * s.side : 0, 1);
  const std::size_t bytes = world.size() > 1 ? counts[1] * sizeof(float) : 0;
  s.measure("gathered to one, rank 1's bytes", bytes, rounds, [&] { static_cast<void>(s.x.gather(0)); },
            [&] { gather_v(world, span<const float>(s.in), span<float>(all), each, 0); }, "the collective alone");
  s.measure("scattered from one, rank 1's bytes", bytes, rounds, [&] { s.x.scatter(0, span<const float>(all)); },
            [&] { scatter_v(world, span<const float>(all), span<float>(s.in), each, 0); }, "the collective alone");
}

}  // namespace

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    const int rounds = benchmarks::rounds_of(argc, argv, "elements", 50);
    benchmarks::print_head(world, "elements", rounds);
    for (const std::size_t side : {std::size_t{128}, std::size_t{2048}}) {
      square s(world, side);
      functions(s, rounds);
      reductions(s, rounds);
      one_rank(s, rounds);
    }
  });
}
