// A library with NCCL's functions for the tests: collectives between threads of one
// process, on host memory. It writes down what it is asked, fails where it is told
// to, and gives its work to streams by a function that the test hands in: not at once,
// but once it was asked some times whether that has happened, and before it takes no more.
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <tutti/base/numbers.hpp>
#include <tutti/device/nccl_library.hpp>

#include "stand_in_nccl.hpp"

using namespace tutti;
using nccl::element;
using nccl::reduction;
using nccl::result;
using stand_in::request;

namespace {

// Ranks that know one id. A round is one collective; its last rank does it for all. What
// is sent between two of them is none of the others' business.
struct meeting_place {
  std::mutex mutex;
  std::condition_variable changed;
  int ranks = 0, joined = 0, ending = 0;
  bool broken = false;
  struct round {
    std::vector<std::vector<request>> asked;  // by rank
    int came = 0;
    bool done = false;
  };
  std::map<std::size_t, round> rounds;
  struct message {
    request sent;
    bool taken = false;
  };
  std::map<std::pair<int, int>, std::deque<std::shared_ptr<message>>> messages;  // by sender and receiver, not taken yet
};

struct member {
  std::shared_ptr<meeting_place> place;
  int rank = 0;
  std::size_t next = 0, begun = 0;
  bool has_joined = false, ends = false;
  int asked = 0, looks = 0;
  std::vector<request> pending{};  // looked for `looks` times more before its stream gets it
};

struct state {
  std::mutex mutex;
  std::map<int, std::shared_ptr<meeting_place>> places;
  std::vector<request> asked;
  stand_in::giver give = nullptr;
  std::string fails;
  int failing_rank = -1, last_id = 0, version = STAND_IN_VERSION, alive = 0, aborted = 0, began_to_end = 0, joins = 0, blocking = 0, stuck_rank = -1;
  stand_in::listener asked_to_join = nullptr;
};
state& all() {
  static state one;
  return one;
}

thread_local int this_rank = -1;
thread_local bool grouped = false;
thread_local std::vector<request> group;

std::size_t bytes_of(element type) {
  switch (type) {
    case element::int8:
    case element::uint8: return 1;
    case element::float16:
    case element::bfloat16: return 2;
    case element::int32:
    case element::uint32:
    case element::float32: return 4;
    default: return 8;
  }
}

template <class T>
void combine(T* into, const T* with, std::size_t n, reduction op) {
  for (std::size_t i = 0; i < n; ++i) {
    const T a = into[i], b = with[i];
    into[i] = op == reduction::sum ? static_cast<T>(a + b) : op == reduction::product ? static_cast<T>(a * b) : op == reduction::max ? (a < b ? b : a) : (b < a ? b : a);
  }
}
void combine(void* into, const void* with, std::size_t n, element type, reduction op) {
  const auto as = [&]<class T>(T) { combine(static_cast<T*>(into), static_cast<const T*>(with), n, op); };
  switch (type) {
    case element::int8: return as(std::int8_t{});
    case element::uint8: return as(std::uint8_t{});
    case element::int32: return as(std::int32_t{});
    case element::uint32: return as(std::uint32_t{});
    case element::int64: return as(std::int64_t{});
    case element::uint64: return as(std::uint64_t{});
    case element::float16: return as(half{});
    case element::float32: return as(float{});
    case element::float64: return as(double{});
    case element::bfloat16: return as(bfloat16{});
  }
}

// One collective, all ranks' buffers in hand.
void perform(const std::vector<std::vector<request>>& all_asked) {
  std::vector<request> asked;
  for (const auto& one : all_asked) asked.push_back(one[0]);
  const request& first = asked[0];
  const std::size_t n = first.count, size = bytes_of(first.type), p = asked.size();
  const auto root = static_cast<std::size_t>(first.root < 0 ? 0 : first.root);
  if (first.function == "ncclAllGather" || first.function == "ncclBroadcast") {
    const bool gathers = first.function == "ncclAllGather";
    std::vector<char> whole(n * size * (gathers ? p : 1));
    for (std::size_t r = 0; r < p; ++r)
      if (gathers || r == root) std::memcpy(whole.data() + (gathers ? r * n * size : 0), asked[r].input, n * size);
    for (request& a : asked) std::memcpy(a.output, whole.data(), whole.size());
    return;
  }
  const bool scatters = first.function == "ncclReduceScatter";
  const std::size_t length = scatters ? n * p : n;
  std::vector<std::max_align_t> room(length * size / sizeof(std::max_align_t) + 1);
  std::memcpy(room.data(), asked[0].input, length * size);
  for (std::size_t r = 1; r < p; ++r) combine(room.data(), asked[r].input, length, first.type, first.op);
  for (std::size_t r = 0; r < p; ++r)
    if (first.function != "ncclReduce" || r == root)
      std::memcpy(asked[r].output, reinterpret_cast<char*>(room.data()) + (scatters ? r * n * size : 0), n * size);
}

// Sends and receives of one group, in the order of the stream: waits until all have met
// their other sides.
void exchange(const std::shared_ptr<meeting_place>& place, int rank, const std::vector<request>& mine) {
  std::unique_lock held(place->mutex);
  std::vector<std::shared_ptr<meeting_place::message>> sent;
  for (const request& a : mine)
    if (a.function == "ncclSend")
      place->messages[{rank, a.root}].push_back(sent.emplace_back(std::make_shared<meeting_place::message>(meeting_place::message{.sent = a})));
  place->changed.notify_all();
  for (const request& a : mine) {
    if (a.function != "ncclRecv") continue;
    auto& from = place->messages[{a.root, rank}];
    place->changed.wait(held, [&] { return !from.empty() || place->broken; });
    if (place->broken) return;
    const std::shared_ptr<meeting_place::message> got = from.front();
    from.pop_front();
    if (got->sent.count == a.count && got->sent.type == a.type) std::memcpy(a.output, got->sent.input, a.count * bytes_of(a.type));
    else place->broken = true;
    got->taken = true;
    place->changed.notify_all();
  }
  for (const auto& one : sent) place->changed.wait(held, [&] { return one->taken || place->broken; });
}

// In the order of the stream: waits for the other ranks, as a kernel of NCCL's does.
void meet(const std::shared_ptr<meeting_place>& place, int rank, std::size_t number, const std::vector<request>& mine) {
  std::unique_lock held(place->mutex);
  if (place->broken) return;
  auto& round = place->rounds[number];
  round.asked.resize(static_cast<std::size_t>(place->ranks));
  round.asked[static_cast<std::size_t>(rank)] = mine;
  if (++round.came == place->ranks) {
    perform(round.asked);
    round.done = true;
    place->changed.notify_all();
  }
  place->changed.wait(held, [&] { return round.done || place->broken; });
}

void give(member* m, std::vector<request> what) {
  const nccl::stream stream = what[0].stream;
  const bool alone = what[0].function == "ncclSend" || what[0].function == "ncclRecv";
  const std::size_t number = alone ? 0 : m->next++;
  auto* const task = new std::function<void()>([place = m->place, rank = m->rank, alone, number, what = std::move(what)] {
    if (alone) exchange(place, rank, what);
    else meet(place, rank, number, what);
  });
  all().give(stream, [](void* given) {
    const std::unique_ptr<std::function<void()>> mine(static_cast<std::function<void()>*>(given));
    (*mine)();
  }, task);
}

// Some calls are under way when they return, others have been given at once.
result begin(member* m, std::vector<request> what) {
  m->looks = static_cast<int>((m->begun++ + static_cast<std::size_t>(m->rank)) % 4);
  m->pending = std::move(what);
  if (m->looks > 0) return result::in_progress;
  give(m, std::exchange(m->pending, {}));
  return result::success;
}

result fails(const char* function) {
  const std::lock_guard held(all().mutex);
  if (all().fails != function || (all().failing_rank >= 0 && this_rank >= 0 && all().failing_rank != this_rank)) return result::success;
  return result::system_error;
}

result ask(request what, nccl::handle comm) {
  member* const m = reinterpret_cast<member*>(comm);
  what.rank = this_rank = m->rank;
  if (!m->has_joined || m->ends || !m->pending.empty()) return result::invalid_usage;
  if (const result r = fails(what.function.c_str()); r != result::success) return r;
  {
    const std::lock_guard held(all().mutex);
    all().asked.push_back(what);
  }
  what.comm = comm;
  if (!grouped) return begin(m, {what});
  group.push_back(what);
  return result::success;
}

}  // namespace

extern "C" {

result ncclGetVersion(int* into) {
  *into = all().version;
  return fails("ncclGetVersion");
}
const char* ncclGetErrorString(result r) {
  return r == result::system_error    ? "the stand-in was told to fail"
         : r == result::remote_error  ? "a peer left"
         : r == result::invalid_usage ? "asked for more before the last was settled"
                                      : "no error";
}
result ncclGetUniqueId(nccl::unique_id* id) {
  const std::lock_guard held(all().mutex);
  const int number = ++all().last_id;
  std::memcpy(id->bytes + 60, &number, sizeof number);
  if (all().fails == "ncclGetUniqueId") return result::system_error;
  return result::success;
}
result ncclCommInitRankConfig(nccl::handle* made, int ranks, nccl::unique_id id, int rank, nccl::settings* how) {
  this_rank = rank;
  if (how->size < 20 || how->magic != 0xcafebeef || how->version < 21400) return result::invalid_argument;
  int number = 0;
  std::memcpy(&number, id.bytes + 60, sizeof number);
  {
    const std::lock_guard held(all().mutex);
    ++all().joins;
    all().blocking += how->blocking != 0;
  }
  // Whoever fails does not join: nobody hears of it here.
  if (const result mine = fails("ncclCommInitRankConfig"); mine != result::success) return mine;
  member* const m = new member{.place = nullptr, .rank = rank};
  bool stuck = false;
  {
    const std::lock_guard held(all().mutex);
    auto& there = all().places[number];
    if (!there) there = std::make_shared<meeting_place>();
    m->place = there;
    ++all().alive;
    stuck = all().stuck_rank == rank;
  }
  const std::lock_guard held(m->place->mutex);
  m->place->ranks = ranks;
  if (!stuck) ++m->place->joined;
  *made = reinterpret_cast<nccl::handle>(m);
  return result::in_progress;
}
result ncclCommFinalize(nccl::handle comm) {
  member* const m = reinterpret_cast<member*>(comm);
  this_rank = m->rank;
  {
    const std::lock_guard held(all().mutex);
    ++all().began_to_end;
  }
  if (m->ends || !m->pending.empty()) return result::invalid_usage;
  if (const result r = fails("ncclCommFinalize"); r != result::success) return r;
  m->ends = true;
  const std::lock_guard held(m->place->mutex);
  ++m->place->ending;
  return result::in_progress;
}
result ncclCommDestroy(nccl::handle comm) {
  member* const m = reinterpret_cast<member*>(comm);
  this_rank = m->rank;
  delete m;
  {
    const std::lock_guard held(all().mutex);
    --all().alive;
  }
  return fails("ncclCommDestroy");
}
result ncclCommAbort(nccl::handle comm) {
  member* const m = reinterpret_cast<member*>(comm);
  {
    const std::lock_guard held(m->place->mutex);
    m->place->broken = true;
    m->place->changed.notify_all();
  }
  delete m;
  const std::lock_guard held(all().mutex);
  --all().alive, ++all().aborted;
  return result::success;
}
result ncclCommGetAsyncError(nccl::handle comm, result* late) {
  member* const m = reinterpret_cast<member*>(comm);
  this_rank = m->rank;
  *late = result::success;
  if (!m->has_joined) {
    stand_in::listener tell = nullptr;
    {
      const std::lock_guard held(all().mutex);
      tell = all().asked_to_join;
    }
    if (tell) tell(m->rank, m->asked++);
    const std::lock_guard held(m->place->mutex);
    m->has_joined = m->place->joined == m->place->ranks;
    *late = m->place->broken ? result::remote_error : m->has_joined ? result::success : result::in_progress;
    return fails("joining");
  }
  if (m->ends) {
    const std::lock_guard held(m->place->mutex);
    *late = m->place->broken ? result::remote_error : m->place->ending == m->place->ranks ? result::success : result::in_progress;
    return result::success;
  }
  if (!m->pending.empty()) {
    *late = result::in_progress;
    if (--m->looks > 0) return fails("ncclCommGetAsyncError");
    give(m, std::exchange(m->pending, {}));
    *late = result::success;
  }
  if (const result r = fails("late"); r != result::success) *late = r;
  return fails("ncclCommGetAsyncError");
}
result ncclAllReduce(const void* in, void* out, std::size_t n, element type, reduction op, nccl::handle comm, nccl::stream stream) {
  return ask({"ncclAllReduce", in, out, n, type, op, -1, stream}, comm);
}
result ncclReduceScatter(const void* in, void* out, std::size_t n, element type, reduction op, nccl::handle comm, nccl::stream stream) {
  return ask({"ncclReduceScatter", in, out, n, type, op, -1, stream}, comm);
}
result ncclAllGather(const void* in, void* out, std::size_t n, element type, nccl::handle comm, nccl::stream stream) {
  return ask({"ncclAllGather", in, out, n, type, reduction::sum, -1, stream}, comm);
}
result ncclBroadcast(const void* in, void* out, std::size_t n, element type, int root, nccl::handle comm, nccl::stream stream) {
  return ask({"ncclBroadcast", in, out, n, type, reduction::sum, root, stream}, comm);
}
#ifndef STAND_IN_LACKS_REDUCE
result ncclReduce(const void* in, void* out, std::size_t n, element type, reduction op, int root, nccl::handle comm, nccl::stream stream) {
  return ask({"ncclReduce", in, out, n, type, op, root, stream}, comm);
}
#endif
result ncclSend(const void* in, std::size_t n, element type, int peer, nccl::handle comm, nccl::stream stream) {
  return ask({"ncclSend", in, nullptr, n, type, reduction::sum, peer, stream}, comm);
}
result ncclRecv(void* out, std::size_t n, element type, int peer, nccl::handle comm, nccl::stream stream) {
  return ask({"ncclRecv", nullptr, out, n, type, reduction::sum, peer, stream}, comm);
}
result ncclGroupStart() {
  grouped = fails("ncclGroupStart") == result::success;
  group.clear();
  return grouped ? result::success : result::system_error;
}
result ncclGroupEnd() {
  grouped = false;
  const result r = fails("ncclGroupEnd");
  if (r != result::success || group.empty()) return r;
  member* const m = reinterpret_cast<member*>(group[0].comm);
  return begin(m, std::exchange(group, {}));
}

// What the tests tell it.
void stand_in_nccl(const stand_in::orders& told, stand_in::report* said) {
  state& s = all();
  const std::lock_guard held(s.mutex);
  if (told.give) s.give = told.give;
  s.fails = told.fails;
  s.failing_rank = told.failing_rank;
  s.stuck_rank = told.stuck_rank;
  s.asked_to_join = told.asked_to_join;
  if (told.version > 0) s.version = told.version;
  if (said) {
    said->asked = std::move(s.asked);
    said->alive = s.alive;
    said->aborted = s.aborted;
    said->began_to_end = s.began_to_end;
    said->joins = s.joins;
    said->blocking = s.blocking;
  }
  s.asked.clear();
  s.aborted = s.began_to_end = s.joins = s.blocking = 0;
}
}
