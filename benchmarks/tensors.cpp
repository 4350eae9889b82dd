// What sharded tensors cost, as ratios in one run, the ways in turns: moves over
// the plain collective of the same bytes, or over a copy; a halo over an exchange
// of the same bytes and a copy; a matrix product in each layout, in panels (SUMMA) and
// gathered whole, over its arithmetic alone; plans and searches in milliseconds.
//
//     tensors --ranks 2 [ROUNDS]
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/comm/neighbours.hpp>
#include <tutti/comm/messages.hpp>
#include <tutti/kernel/onednn_matmul.hpp>
#include <tutti/mesh/halo_exchange.hpp>
#include <tutti/mesh/named_layout.hpp>
#include <tutti/mesh/products.hpp>
#include <tutti/nn/networks.hpp>
#include <tutti/nn/operations.hpp>
#include <tutti/tutti.hpp>

#include "ways.hpp"

namespace {

using namespace tutti;
using benchmarks::measure_in_turns, benchmarks::print_ratio, benchmarks::way;

std::size_t sent_by_first(const move& m, const shape& whole, const placement& at, process_mesh& on) {
  return sends_of(m, whole, at, on.shape(), {0}, sizeof(float), chosen_by_model{on.shape(), {}}).bytes;
}

void moves(communicator& world, int rounds) {
  process_mesh on(world, {{"p", world.size()}});
  for (const std::size_t side : {std::size_t{128}, std::size_t{2048}}) {
    const shape whole{{"rows", side}, {"columns", side}};
    const placement all, rows = all.sharded(0, 0), columns = all.sharded(1, 0), sum = all.with_partial(0);
    const struct {
      move by;
      placement from;
    } kinds[] = {{{.what = move_kind::all_gather, .from = 0}, rows},
                 {{.what = move_kind::all_gather, .from = 1}, columns},
                 {{.what = move_kind::all_to_all, .from = 0, .to = 1}, rows},
                 {{.what = move_kind::all_reduce}, sum},
                 {{.what = move_kind::reduce_scatter, .to = 0}, sum},
                 {{.what = move_kind::reduce_scatter, .to = 1}, sum},
                 {{.what = move_kind::slice, .to = 1}, all}};
    for (const auto& kind : kinds) {
      prepared_move<float> it(on, whole, kind.from, kind.by);
      const move_parts parts = parts_of(kind.by, whole, kind.from, on.shape(), on.rank());
      buffer<float> in(world, parts.before.elements()), out(world, parts.after.elements());
      for (float& x : in) x = 1;
      const std::vector<std::size_t> sent = elements_of(parts.sent), got = elements_of(parts.got);
      const span<const std::size_t> to(sent.data(), sent.size()), from(got.data(), got.size());
      const auto plain = [&] {
        switch (kind.by.what) {
          case move_kind::all_gather: return all_gather_v(on.along(0), in, out, from);
          case move_kind::all_to_all: return all_to_all_v(on.along(0), in, to, out, from);
          case move_kind::all_reduce: return all_reduce(on.along(0), in, out);
          case move_kind::reduce_scatter: return reduce_scatter_v(on.along(0), in, out, to, plus{});
          default: std::memcpy(out.data(), in.data(), out.size() * sizeof(float));
        }
      };
      const auto t = measure_in_turns(world, rounds, {{"", [&] { it(span<const float>(in), span<float>(out)); }}, {"", plain}});
      print_ratio(world, text_of(kind.by, whole, on.shape()) + format(", %zu x %zu", side, side), sent_by_first(kind.by, whole, kind.from, on), t[0],
                  t[0].median / t[1].median, is_local(kind.by.what) ? "a copy" : "the collective alone");
    }
  }
}

void halo(communicator& world, int rounds) {
  process_mesh on(world, {{"p", world.size()}});
  for (const std::size_t side : {std::size_t{32}, std::size_t{224}}) {
    operation_list net({{"batch", 8}, {"channels", 16}, {"height", side}, {"width", side}});
    constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};
    net.convolution("conv", 16, three, three);
    const network_plan plan = plan_network(net, "height:p", on.shape());
    const halo_parts parts = halo_of(net.all()[0], plan.operations[0], on.shape(), on.rank());
    halo_exchange<float> it(on.along(0), parts);
    buffer<float> own(world, it.owned().elements()), read(world, it.read().elements());
    for (float& x : own) x = 1;
    std::vector<buffer<float>> packed;
    std::vector<outgoing<float>> sends;
    std::vector<incoming<float>> receives;
    std::size_t bytes = 0;
    const std::vector<std::size_t> given = elements_of(parts.given()), taken = elements_of(parts.taken());
    for (int r = 0; r < world.size(); ++r) {
      const auto other = static_cast<std::size_t>(r);
      if (given[other] > 0) packed.emplace_back(world, given[other]), sends.push_back({r, span<float>(packed.back())});
      if (taken[other] > 0) packed.emplace_back(world, taken[other]), receives.push_back({r, span<float>(packed.back())});
      bytes += given[other] * sizeof(float);
    }
    const auto t = measure_in_turns(world, rounds, {{"", [&] { it.start(span<const float>(own), read), it.finish(read); }},
                                                    {"", [&] { it.start_back(span<const float>(read), own), it.finish_back(own); }},
                                                    {"", [&] {
                                                       neighbour_exchange(on.along(0), sends, receives);
                                                       std::memcpy(read.data(), own.data(), own.size() * sizeof(float));
                                                     }}});
    const char* over = "such an exchange and a copy";
    print_ratio(world, format("halo of 3 x 3, 8 x 16 x %zu x %zu", side, side), bytes, t[0], t[0].median / t[2].median, over);
    print_ratio(world, "  its gradient given back", bytes, t[1], t[1].median / t[2].median, over);
  }
}

void products(communicator& world, int rounds) {
  int r = 1;
  for (int d = 2; d * d <= world.size(); ++d)
    if (world.size() % d == 0) r = d;
  const mesh grid{{"r", r}, {"c", world.size() / r}};
  process_mesh on(world, grid);
  const std::size_t side = 768, panel = 128;
  const einsum e({{"batch", side}, {"in", side}}, {{"in", side}, {"out", side}}, {"batch", "out"});
  auto along = [&](placement p, std::size_t d) { return p.sharded(d, 0).sharded(d, 1); };
  const placement all, rows = along(all, 0), columns = along(all, 1), both = all.sharded(0, 0).sharded(1, 1);
  const struct {
    const char* what;
    placement cut, x, w, y;
    std::size_t panel;
  } layouts[] = {{"batch", rows, rows, all, rows, 0},
                 {"columns", along(all, 2), all, columns, columns, 0},
                 {"contraction, added up", columns, columns, rows, all, 0},
                 {"contraction, scattered", columns, columns, rows, rows, 0},
                 {"contraction, scattered in panels", columns, columns, rows, rows, panel},
                 {"batch x columns", all.sharded(0, 0).sharded(2, 1), all.sharded(0, 0), all.sharded(1, 1), both, 0},
                 {"2-D, gathered whole", all.sharded(0, 0).sharded(2, 1), both, both, both, 0},
                 {"2-D in panels (SUMMA)", all.sharded(0, 0).sharded(2, 1), both, both, both, panel}};
  onednn::context cpu(1);
  std::vector<product<float, onednn::matmul>> done;
  std::vector<sharded_tensor<float>> x, w, y;
  std::vector<way> ways;
  done.reserve(std::size(layouts)), x.reserve(std::size(layouts)), w.reserve(std::size(layouts)), y.reserve(std::size(layouts));
  std::vector<std::size_t> bytes;
  for (const auto& one : layouts) {
    const einsum_plan plan = plan_einsum(e, one.cut, one.x, one.w, one.y, grid);
    bytes.push_back(bill(e, plan, grid, {0}, one.panel, sizeof(float), chosen_by_model{grid, {}}).sent().bytes);
    done.emplace_back(on, e, plan, one.panel);
    x.emplace_back(on, e.a(), one.x).fill_random(1);
    w.emplace_back(on, e.b(), one.w).fill_random(2);
    y.emplace_back(on, e.result(), one.y);
    ways.push_back({one.what, [&, i = ways.size()] { done[i](std::as_const(x[i]).values(), std::as_const(w[i]).values(), y[i].values()); }});
  }
  // The same arithmetic, of which every rank does a part, and nothing sent.
  const std::size_t part = side / static_cast<std::size_t>(world.size());
  std::vector<float> a(part * side, 1), b(side * side, 1), c(part * side);
  ways.push_back({"oneDNN", [&] { onednn::matmul{}(part, side, side, a.data(), b.data(), c.data()); }});
  ways.push_back({"blocked", [&] { blocked_matmul{}(part, side, side, a.data(), b.data(), c.data()); }});
  const auto t = measure_in_turns(world, rounds, ways);
  const double alone = t[std::size(layouts)].median;
  for (std::size_t i = 0; i < std::size(layouts); ++i)
    print_ratio(world, format("matmul of %zu, %s", side, layouts[i].what), bytes[i], t[i], t[i].median / alone, "its arithmetic");
  print_ratio(world, "blocked loops for any type, arithmetic alone", 0, t.back(), t.back().median / alone, "oneDNN's");
}

void plans(communicator& world) {
  barrier(world);
  if (world.rank() == 0) {
    const mesh on{{"data", 8}, {"model", 4}};
    auto seconds = [](auto make) {
      const double begun = now();
      make();
      return now() - begun;
    };
    const operation_list net = operations_of(resnet50(imagenet_pictures), 256);
    const layout hybrid = layout_called("hybrid", net, on);
    const einsum e({{"batch", 512}, {"in", 512}}, {{"in", 512}, {"out", 512}}, {"batch", "out"});
    const placement both = placement{}.sharded(0, 0).sharded(1, 1);
    const double planned = seconds([&] { static_cast<void>(plan_network(net, hybrid, on)); });
    const double searched = seconds([&] { static_cast<void>(layout_called("auto", net, on)); });
    const double chosen = seconds([&] { static_cast<void>(plan_einsum(e, both, both, both, on)); });
    std::printf("ResNet-50 on %s: planned in %.1f ms, the best layout searched in %.1f ms, %.0f plans' time\n", on.text().c_str(), 1e3 * planned,
                1e3 * searched, searched / planned);
    std::printf("one of %zu ways to multiply on two axes chosen in %.2f ms\n", cuts_of(e, both, both, on).size(), 1e3 * chosen);
  }
  barrier(world);
}

}  // namespace

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    const int rounds = benchmarks::rounds_of(argc, argv, "tensors", 50);
    benchmarks::print_head(world, "tensors", rounds);
    moves(world, rounds);
    halo(world, rounds);
    products(world, rounds);
    plans(world);
  });
}
