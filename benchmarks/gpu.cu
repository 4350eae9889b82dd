// What a GPU does: elementwise functions beside a copy within
// the device's memory, and all-reduce between ranks that share the device.
//
//     gpu-perf elementwise [BYTES]         of each array, 1 GiB unless told
//     gpu-perf threads RANKS [MOST]        sizes from 8 bytes to 256 MiB unless told
//     gpu-perf processes --ranks RANKS     the same between processes
//     gpu-perf messages --ranks RANKS [MOST [FILE]]
//                                          by messages of device memory, where UCX moves that,
//                                          beside pinned memory; both costs to FILE
//     gpu-perf devices RANKS [MOST [FILE]] between threads of a device each, beside NCCL;
//                                          what both cost is written to FILE, for TUTTI_TUNING
//
// Every result is checked. Without a device it says so and exits 77.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <tutti/cuda.hpp>
#include <tutti/device/thrust.hpp>
#include <tutti/launch/threads.hpp>
#include <tutti/transport/loopback.hpp>

#include <tutti/base/clock.hpp>

namespace {

using tutti::cuda;
using tutti::ordered_on;

void fail(const char* what) {
  std::fprintf(stderr, "gpu-perf: wrong: %s\n", what);
  std::exit(1);
}

/// Median milliseconds of a body between two events, after three runs that do not count.
template <class Body>
double device_time(const ordered_on& order, int runs, Body body) {
  cudaEvent_t begin, end;
  tutti::detail::check_device(cudaEventCreate(&begin), "making an event");
  tutti::detail::check_device(cudaEventCreate(&end), "making an event");
  std::vector<double> all;
  for (int k = -3; k < runs; ++k) {
    cudaEventRecord(begin, order.native);
    body();
    cudaEventRecord(end, order.native);
    tutti::detail::check_device(cudaEventSynchronize(end), "waiting for an event");
    float ms = 0;
    tutti::detail::check_device(cudaEventElapsedTime(&ms, begin, end), "reading the time");
    if (k >= 0) all.push_back(ms);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

double copy_bandwidth(std::size_t bytes, const ordered_on& order) {
  tutti::buffer<std::byte, cuda> a(bytes), b(bytes);
  cudaMemsetAsync(a.data(), 0x3c, bytes, order.native);
  return 2.0 * static_cast<double>(bytes) / device_time(order, 20, [&] { transfer(b, a, order); }) / 1e6;
}

template <class T>
std::vector<T> fetched(const tutti::buffer<T, cuda>& from, std::size_t at, std::size_t n, const tutti::device_stream& stream) {
  std::vector<T> v(n);
  transfer(v, tutti::span<const T, cuda>(from.data() + at, n), on(stream));
  stream.wait();
  return v;
}

int elementwise(std::size_t bytes) {
  namespace ew = tutti::elementwise;
  using vector = tutti::buffer<float, cuda>;
  const tutti::device_stream stream(0);
  const ordered_on now = on(stream);
  const double bound = copy_bandwidth(bytes, now);
  std::printf("copy of %zu bytes within the device: %.0f GB/s, read and written\n", bytes, bound);
  std::printf("%-28s %12s %12s %10s\n", "function", "ms", "GB/s", "of a copy");
  const std::size_t n = bytes / sizeof(float);
  std::vector<float> numbers(n);
  std::uint32_t state = 20261121;
  auto fresh = [&] {
    for (float& x : numbers) state = state * 1664525u + 1013904223u, x = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
    vector v(n);
    transfer(v, numbers, now);
    stream.wait();
    return v;
  };
  vector a = fresh(), b = fresh(), c = fresh();
  constexpr std::size_t some = 1000;
  auto ends = [&](const auto& v) {
    auto x = fetched(v, 0, std::min(some, n), stream), y = fetched(v, n - std::min(some, n), std::min(some, n), stream);
    x.insert(x.end(), y.begin(), y.end());
    return x;
  };
  auto line = [&](const char* name, double moved, auto body) {
    const double ms = device_time(now, 20, body), rate = moved * static_cast<double>(n) / ms / 1e6;
    std::printf("%-28s %12.3f %12.0f %9.1f%%\n", name, ms, rate, 100 * rate / bound);
  };
  const auto x = ends(a), y = ends(b), z = ends(c);
  line("fold of two into one", 12, [&] { ew::fold(tutti::span<float, cuda>(c), a, b, tutti::plus{}, now); });
  auto got = ends(c);
  for (std::size_t i = 0; i < got.size(); ++i)
    if (got[i] != x[i] + y[i]) fail("fold");
  tutti::buffer<std::int8_t, cuda> q(n);
  line("quantise to int8", 5, [&] { ew::quantise<cuda>(q, a, 0.01f, now); });
  const auto quanta = ends(q);
  for (std::size_t i = 0; i < quanta.size(); ++i)
    if (quanta[i] != ew::detail::to_int8{0.01f}(x[i])) fail("quantise");
  {
    vector v = fresh(), w = fresh();
    const auto w0 = ends(w), v0 = ends(v);
    ew::sgd_update(tutti::span<float, cuda>(w), tutti::span<float, cuda>(v), a, 0.1f, 0.9f, 0.01f, now);
    const auto w1 = ends(w);
    for (std::size_t i = 0; i < w1.size(); ++i)
      if (w1[i] != w0[i] - 0.1f * (0.9f * v0[i] + (x[i] + 0.01f * w0[i]))) fail("optimiser");
    line("SGD with momentum", 20, [&] { ew::sgd_update(tutti::span<float, cuda>(w), tutti::span<float, cuda>(v), a, 0.1f, 0.9f, 0.01f, now); });
  }
  return 0;
}

/// Appends what both ways were measured to cost to a tuning: by way the least call and the
/// greatest, in seconds.
struct measured {
  tutti::device_way way;
  double least_s = 0, greatest_s = 0;
};
void write_costs(const char* file, const measured (&both)[2], std::size_t least, std::size_t greatest, int ranks) {
  std::FILE* const to = std::fopen(file, "a");
  if (!to) throw tutti::error(tutti::errc::data, tutti::format("%s cannot be written", file));
  tutti::device_costs costs;
  for (const measured& m : both) {
    tutti::device_cost& cost = cost_of(costs, m.way);
    const auto traffic = [&](std::size_t bytes) { return traffic_of(m.way, tutti::collective::all_reduce, bytes, ranks); };
    cost = fitted(cost, traffic(least), m.least_s, traffic(greatest), m.greatest_s);
    std::fputs(tuning_text(costs, m.way).c_str(), to);
  }
  std::fclose(to);
}

/// One rank's part of the table; rank 0 prints. `way`: windows, or messages of device memory,
/// and then `file` gets what these and staging cost.
void all_reduces(tutti::communicator& world, const char* what, std::size_t most, tutti::device_way way = tutti::device_way::windows, const char* file = nullptr) {
  const bool by_messages = way == tutti::device_way::messages;
  const tutti::gpu device(0);
  const tutti::device_stream stream(0);
  const ordered_on now = on(stream);
  tutti::device_communicator<tutti::gpu> direct(world, device, {.window_bytes = std::size_t{256} << 20, .nccl = "off", .prefer_messages = by_messages});
  tutti::device_communicator<tutti::gpu> staged(world, device, {.staged = true});
  const int p = world.size();
  const double bound = world.rank() == 0 ? copy_bandwidth(std::size_t{256} << 20, now) : 0;
  if (world.rank() == 0) {
    const std::string& why_not = by_messages ? direct.why_not_messages() : direct.why_staged();
    std::printf("all-reduce of floats between %d %s on one device; %s: %s; copy: %.0f GB/s\n", p, what, name_of(way), why_not.empty() ? "yes" : why_not.c_str(), bound);
    std::printf("%12s %14s %14s %14s %12s\n", "bytes", (std::string(name_of(way)) + ", us").c_str(), "GB/s", "bound, us", "staged, us");
  }
  measured both[] = {{.way = way}, {.way = tutti::device_way::staging}};
  std::size_t greatest = 0;
  for (std::size_t bytes = 8; bytes <= most; bytes *= bytes < 4096 ? 8 : 4) {
    const std::size_t n = bytes / sizeof(float);
    std::vector<float> x(n), want(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (int r = 0; r < p; ++r) want[i] += static_cast<float>((static_cast<std::size_t>(r) * 7 + i * 3) % 23);
      x[i] = static_cast<float>((static_cast<std::size_t>(world.rank()) * 7 + i * 3) % 23);
    }
    tutti::buffer<float, cuda> in(n), out(n);
    transfer(in, x, now);
    double times[2] = {};
    for (auto* there : {&direct, &staged}) {
      const int runs = bytes <= 65536 ? 200 : bytes <= (std::size_t{16} << 20) ? 20 : 5;
      std::vector<double> all;
      for (int k = -3; k < runs; ++k) {
        stream.wait();
        barrier(world);
        const double begin = tutti::now();
        all_reduce(*there, in, out, tutti::plus{}, now);
        stream.wait();
        if (k >= 0) all.push_back(tutti::now() - begin);
      }
      std::sort(all.begin(), all.end());
      times[there == &staged] = all[all.size() / 2] * 1e6;
      std::vector<float> got(n);
      transfer(got, out, now);
      cudaMemsetAsync(out.data(), 0x5a, bytes, now.native);
      stream.wait();
      if (got != want) fail("all-reduce");
      barrier(world);
    }
    for (int k : {0, 1}) (greatest == 0 ? both[k].least_s : both[k].greatest_s) = times[k] * 1e-6;
    greatest = bytes;
    // Each rank's vector read once and written once is the least that there is.
    if (world.rank() == 0)
      std::printf("%12zu %14.1f %14.2f %14.1f %12.1f\n", bytes, times[0], static_cast<double>(bytes) / times[0] / 1e3,
                  2.0 * p * static_cast<double>(bytes) / bound / 1e3, times[1]);
  }
  direct.close();
  staged.close();
  if (world.rank() == 0 && file && greatest > 8) write_costs(file, both, 8, greatest, p);
}

/// One rank's part of the same beside NCCL, each rank on a device of its own. Returns why
/// there is nothing to compare with; empty where there is.
std::string beside_nccl(tutti::communicator& world, std::size_t most, const char* file) {
  using tutti::device_way;
  const int p = world.size(), me = world.rank();
  const tutti::gpu device(me);
  const tutti::detail::current_device here(me);
  const tutti::device_stream stream(me);
  const ordered_on now = on(stream);
  tutti::device_communicator<tutti::gpu> own(world, device, {.window_bytes = std::size_t{256} << 20, .nccl = "off"});
  tutti::device_communicator<tutti::gpu> chosen(world, device, {.window_bytes = std::size_t{256} << 20});
  if (!chosen.why_not_nccl().empty()) return chosen.why_not_nccl();
  tutti::device_communicator<tutti::gpu> nccl(world, device, {.window_bytes = std::size_t{1} << 20, .prefer_nccl = true});
  // Threads exchange no messages of device memory.
  const device_way own_way = own.why_staged().empty() ? device_way::windows : device_way::staging;
  if (me == 0) {
    std::printf("all-reduce of floats between %d devices, by threads\n", p);
    std::printf("%12s %14s %14s %14s %14s %10s\n", "bytes", (std::string(name_of(own_way)) + ", us").c_str(), "GB/s", "nccl, us", "GB/s", "chosen");
  }
  double first[2] = {}, last[2] = {};
  std::size_t least = 0, greatest = 0;
  for (std::size_t bytes = 8; bytes <= most; bytes *= bytes < 4096 ? 8 : 4) {
    const std::size_t n = bytes / sizeof(float);
    std::vector<float> x(n), want(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (int r = 0; r < p; ++r) want[i] += static_cast<float>((static_cast<std::size_t>(r) * 7 + i * 3) % 23);
      x[i] = static_cast<float>((static_cast<std::size_t>(me) * 7 + i * 3) % 23);
    }
    tutti::buffer<float, cuda> in(n), out(n);
    transfer(in, x, now);
    double times[2] = {};
    for (auto* there : {&own, &nccl}) {
      const int runs = bytes <= 65536 ? 200 : bytes <= (std::size_t{16} << 20) ? 20 : 5;
      cudaMemsetAsync(out.data(), 0x5a, bytes, now.native);
      std::vector<double> all;
      for (int k = -3; k < runs; ++k) {
        stream.wait();
        barrier(world);
        const double begin = tutti::now();
        all_reduce(*there, in, out, tutti::plus{}, now);
        stream.wait();
        if (k >= 0) all.push_back(tutti::now() - begin);
      }
      std::sort(all.begin(), all.end());
      times[there == &nccl] = all[all.size() / 2];
      std::vector<float> got(n);
      transfer(got, out, now);
      stream.wait();
      if (got != want) fail(there == &nccl ? "all-reduce by NCCL" : "all-reduce");
      barrier(world);
    }
    if (least == 0) least = bytes;
    greatest = bytes;
    for (int way : {0, 1}) (least == bytes ? first : last)[way] = times[way];
    const auto rate = [&](double seconds) { return static_cast<double>(bytes) / seconds / 1e9; };
    if (me == 0)
      std::printf("%12zu %14.1f %14.2f %14.1f %14.2f %10s\n", bytes, times[0] * 1e6, rate(times[0]), times[1] * 1e6, rate(times[1]),
                  name_of(chosen.way_of<float, tutti::plus>(tutti::collective::all_reduce, n)));
  }
  own.close();
  chosen.close();
  nccl.close();
  if (me == 0 && file && greatest > least)
    write_costs(file, {{own_way, first[0], last[0]}, {device_way::nccl, first[1], last[1]}}, least, greatest, p);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  auto skips = [] {
    const std::string why = tutti::why_no_device();
    if (!why.empty()) std::printf("gpu-perf: skipped: %s\n", why.c_str());
    return !why.empty();
  };
  const std::string what = argc > 1 ? argv[1] : "";
  // A process that is to be forked must not have used CUDA.
  if (what != "processes" && what != "messages" && skips()) return 77;
  try {
    if (what == "elementwise") return elementwise(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::size_t{1} << 30);
    if (what == "threads" && argc > 2) {
      tutti::loopback_fabric::world shared{};
      const std::size_t most = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::size_t{256} << 20;
      tutti::run_threads(std::atoi(argv[2]), [&](auto& ranks) {
        tutti::session s(ranks, shared);
        tutti::communicator world(s);
        all_reduces(world, "threads", most);
      });
      return 0;
    }
    if (what == "devices" && argc > 2) {
      const int p = std::atoi(argv[2]), there = tutti::device_count();
      std::string why = p > there ? tutti::format("%d ranks, and %d devices", p, there) : "";
      if (why.empty()) {
        tutti::loopback_fabric::world shared{};
        const std::size_t most = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::size_t{256} << 20;
        tutti::run_threads(p, [&](auto& ranks) {
          tutti::session s(ranks, shared);
          tutti::communicator world(s);
          const std::string not_there = beside_nccl(world, most, argc > 4 ? argv[4] : nullptr);
          if (world.rank() == 0) why = not_there;
        });
      }
      if (!why.empty()) std::printf("left out: %s\n", why.c_str());
      return 0;
    }
    if (what == "messages")
      return tutti::run(argc, argv, [&](tutti::communicator& world) {
        if (skips()) return 77;
        try {
          all_reduces(world, "processes", argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::size_t{256} << 20, tutti::device_way::messages, argc > 3 ? argv[3] : nullptr);
        } catch (const tutti::error& e) {
          if (e.code() != tutti::errc::not_supported) throw;  // all ranks have got it
          if (world.rank() == 0) std::printf("left out: %s\n", e.what());
        }
        return 0;
      });
    if (what == "processes")
      return tutti::run(argc, argv, [&](tutti::communicator& world) {
        if (skips()) return 77;
        all_reduces(world, "processes", argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::size_t{256} << 20);
        return 0;
      });
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gpu-perf: %s\n", e.what());
    return 1;
  }
  std::fprintf(stderr, "gpu-perf elementwise [BYTES] | threads RANKS [MOST] | processes --ranks RANKS [MOST] | messages --ranks RANKS [MOST [FILE]] | devices RANKS [MOST [FILE]]\n");
  return 2;
}
