// What the interpretation of a schedule costs, without any data being moved:
// the executor over a link that takes and delivers everything at once. Prints
// nanoseconds a step: all that a call costs the executor, divided by its steps,
// on that rank of some where it is most.
//
//     interpreter [--json]
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/comm/execution.hpp>
#include <tutti/comm/plan.hpp>
#include <tutti/launch/arguments.hpp>
#include <tutti/transport/link.hpp>

namespace {

using namespace tutti;

class null_sender final : public send_port {
 public:
  std::ptrdiff_t send(const std::byte*, std::size_t bytes, const envelope&) override {
    return static_cast<std::ptrdiff_t>(bytes);
  }
};

/// Delivers as many bytes as there is room for, where they are wanted.
class null_receiver final : public recv_port {
 public:
  explicit null_receiver(const envelope& from) { piece_.from = from; }
  const piece* receive(std::byte* place, std::size_t room) override {
    piece_.data = place;
    piece_.bytes = room;
    return &piece_;
  }
  void consume(std::size_t) override {}

 private:
  piece piece_{};
};

class null_link final : public tutti::link {
 public:
  explicit null_link(const envelope& from) : receiver_(from) {}
  send_port& to(int) override { return sender_; }
  recv_port& from(int) override { return receiver_; }
  link_kind kind(int) const override { return link_kind::simulated; }
  rank_status& status() override { return status_; }
  const rank_status* status_of(int) const override { return nullptr; }

 private:
  null_sender sender_;
  null_receiver receiver_;
  rank_status status_;
};

void fold_nothing(void*, const void*, const void*, std::size_t, const void*) {}

/// Nanoseconds a step of one rank's part: the least of several rounds, since
/// whatever else the machine does can only add to it.
double nanoseconds_a_step(collective what, algorithm how, const team& all, rank me) {
  constexpr std::size_t bytes_of_chunk = 64;
  const schedule s = make_schedule(what, how, all, me);
  call_shape shape{.what = what, .root = 0};
  if (what != collective::barrier)
    shape.count = bytes_of_chunk * static_cast<std::size_t>(blocked(what) ? s.parts / all.size : s.parts);
  const chunk_map map = detail::map_chunks(shape, all, me, s.parts, false);
  const program p = lower(s, map);

  std::vector<std::byte> vector(map.bounds.back()), scratch(p.scratch_bytes);
  const execution_data data{.input = vector.data(), .output = vector.data(), .scratch = scratch.data(),
                            .fold = {fold_nothing, nullptr}};
  const envelope mark{.fingerprint = 1};
  null_link nothing(mark);
  tutti::link* volatile hidden = &nothing;  // so that calls are as indirect as in an engine
  tutti::link& channels = *hidden;
  execution run;
  auto call = [&] {
    run.start(p, data, mark);
    while (!run.done()) run.progress(channels);
  };
  const int calls = static_cast<int>(std::max<std::size_t>(20000 / p.segments.size(), 10));
  double least = 1e9;
  for (int round = 0; round < 7; ++round) {
    const double begin = now();
    for (int i = 0; i < calls; ++i) call();
    least = std::min(least, (now() - begin) / calls);
  }
  return 1e9 * least / static_cast<double>(p.segments.size());
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  arguments line("interpreter", "Times the executor on every schedule over a link that does nothing.");
  line.flag("--json", json, "one JSON object a line");
  if (auto code = line.read(argc, argv)) return *code;
  if (!json) std::printf("#%13s %14s %6s %6s %13s\n", "op", "algorithm", "ranks", "steps", "ns a step");
  for (const repertoire_entry& entry : repertoire)
    for (int size : {2, 3, 4, 8, 16, 33, 64}) {
      const team all{size};
      double worst = 0;
      std::size_t steps = 0;
      for (rank me{0}; me < rank{size}; me = {me.value + (size < 8 ? 1 : size / 8)}) {
        const double ns = nanoseconds_a_step(entry.what, entry.how, all, me);
        if (ns < worst) continue;
        worst = ns;
        steps = make_schedule(entry.what, entry.how, all, me).steps.size();
      }
      std::printf(json ? "{\"op\": \"%s\", \"algorithm\": \"%s\", \"ranks\": %d, \"steps\": %zu, \"ns_step\": %.2f}\n"
                       : "%14s %14s %6d %6zu %13.2f\n",
                  name_of(entry.what), name_of(entry.how), size, steps, worst);
    }
}
