#include <tutti/transport/ucx_engine.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <sys/socket.h>

#include "processes.hpp"

using namespace tutti;
using processes::everyone;
using processes::need;

namespace {

// What a rank has while it is joined, over links that the rank may force.
template <class Bootstrap>
struct joined {
  joined(Bootstrap& b, const char* forced) : with((::setenv("TUTTI_LINK", forced, 1), b)), fabric(with, b.rank(), b.size(), processes::everyone(b.size())), engine(fabric.make_engine()) {}
  std::unique_ptr<tutti::link> connect(int ranks, int me) {
    auto l = engine->connect(everyone(ranks), me, with);
    for (int p = 0; p < ranks; ++p)
      if (p != me) l->from(p).expected = 1;
    return l;
  }
  bootstrap_exchange<Bootstrap> with;
  ucx_fabric fabric;
  std::unique_ptr<engine_transport> engine;
};

// Every rank says something to every other, over two links that it keeps apart.
template <class Bootstrap>
void talk(Bootstrap& b, const char* forced, bool mixed) {
  joined all(b, forced);
  const int n = b.size();
  auto first = all.connect(n, b.rank()), second = all.connect(n, b.rank());
  const call what{};
  for (int p = 0; p < n; ++p) {
    const link_kind want = p == b.rank() ? link_kind::self
                           : mixed ? (p == 0 || b.rank() == 0 ? link_kind::message : link_kind::window)
                           : std::strcmp(forced, "message") == 0 ? link_kind::message : link_kind::window;
    need(first->kind(p) == want, format("rank %d has a link of kind %s to %d", b.rank(), name_of(first->kind(p)), p));
    need((first->status_of(p) != nullptr) || p == b.rank(), "no status");
  }
  for (int round = 0; round < 50; ++round) {
    std::vector<std::vector<int>> said;  // until it has gone out
    for (int p = 0; p < n; ++p)
      for (int which : {1, 2}) {
        if (p == b.rank()) continue;
        said.emplace_back(static_cast<std::size_t>(4 + round * 40), which);
        std::vector<int>& words = said.back();
        words[0] = b.rank(), words[1] = p, words[3] = round;
        const auto bytes = static_cast<std::ptrdiff_t>(4 * words.size());
        std::ptrdiff_t taken;
        while ((taken = (which == 1 ? first : second)->to(p).send(reinterpret_cast<const std::byte*>(words.data()), static_cast<std::size_t>(bytes), {1, &what, 4})) == send_port::full)
          all.engine->progress();
        need(taken == bytes, "cut");
      }
    for (int p = n - 1; p >= 0; --p)
      for (int which : {2, 1}) {
        if (p == b.rank()) continue;
        recv_port& in = (which == 1 ? first : second)->from(p);
        const piece* got = nullptr;
        while (!(got = in.receive(nullptr, 0))) all.engine->progress();
        std::vector<int> words(got->bytes / 4);
        need(words.size() == static_cast<std::size_t>(4 + round * 40), "another length");
        std::memcpy(words.data(), got->data, got->bytes);
        need(words[0] == p && words[1] == b.rank() && words[2] == which && words[3] == round, "another's message");
        need(words.back() == (round == 0 ? round : which), "its end");
        in.consume(got->bytes);
      }
    for (int p = 0; p < n; ++p)
      while (p != b.rank() && (first->to(p).in_flight > 0 || second->to(p).in_flight > 0)) all.engine->progress();
  }
  b.all_gather({});
}

// This process's connected sockets of IPv4 or IPv6.
std::set<int> connections() {
  std::set<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int descriptor = std::stoi(entry.path().filename());
    sockaddr_storage peer;
    socklen_t length = sizeof peer;
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &length) == 0 &&
        (peer.ss_family == AF_INET || peer.ss_family == AF_INET6))
      found.insert(descriptor);
  }
  return found;
}

}  // namespace

TEST_CASE("every rank reaches every other, over as many links as one makes, of every kind") {
  for (const char* link : {"window", "message"})
    for (int ranks : {2, 4}) {
      INFO(std::string(link) << ", " << ranks << " ranks");
      CHECK(processes::run(ranks, [&](auto& b) { talk(b, link, false); }) == 0);
    }
  CHECK(processes::run(3, [](auto& b) { talk(b, b.rank() == 0 ? "message" : "", true); }) == 0);
}

TEST_CASE("channels keep to the memory that each rank allows them, and carry everything") {
  CHECK(processes::run(3, [](auto& b) {
    joined all(b, "window");
    const call what{};
    for (std::size_t most : {std::size_t{2100}, std::size_t{4000}, std::size_t{30000}, std::size_t{1} << 20}) {
      most += 1000 * static_cast<std::size_t>(b.rank());  // each as it likes
      auto l = all.engine->connect(everyone(3), b.rank(), all.with, link_use::collectives, most);
      need(l->bytes() <= most && 2 * l->bytes() + 4096 > most, format("%zu bytes of %zu", l->bytes(), most));
      const int to = (b.rank() + 1) % 3, from = (b.rank() + 2) % 3;
      l->from(from).expected = 1;
      std::vector<int> out(50000, b.rank()), in;
      for (std::size_t sent = 0; sent < 4 * out.size() || in.size() < out.size();) {
        if (sent < 4 * out.size())
          if (const std::ptrdiff_t n = l->to(to).send(reinterpret_cast<const std::byte*>(out.data()) + sent, 4 * out.size() - sent, {1, &what, 4}); n > 0)
            sent += static_cast<std::size_t>(n);
        if (const piece* got = l->from(from).receive(nullptr, 0)) {
          const auto* words = reinterpret_cast<const int*>(got->data);
          in.insert(in.end(), words, words + got->bytes / 4);
          l->from(from).consume(got->bytes);
        }
      }
      for (int v : in) need(v == from, "another's");
      b.all_gather({});
    }
    try {
      all.engine->connect(everyone(3), b.rank(), all.with, link_use::collectives, 500);
      need(false, "it took too little");
    } catch (const error& e) {
      need(e.code() == errc::invalid_argument && std::string(e.what()).find("allows a communicator of 3 ranks 500 bytes for its channels; it needs ") != std::string::npos, e.what());
    }
    b.all_gather({});
  }) == 0);
}

TEST_CASE("the next links of a session lie where its neighbours look already") {
  CHECK(processes::run(3, [](auto& b) {
    auto mapped = [] {
      std::ifstream maps("/proc/self/maps");
      int found = 0;
      for (std::string line; std::getline(maps, line);) found += line.find("SYSV") != line.npos || line.find("shm") != line.npos;
      return found;
    };
    joined all(b, "window");
    std::vector<std::unique_ptr<tutti::link>> links;
    links.push_back(all.connect(3, b.rank()));
    const int before = mapped();
    need(before >= 3, "everybody's memory is seen");
    for (int more = 0; more < 6; ++more) links.push_back(all.connect(3, b.rank()));
    need(mapped() == before, format("%d more segments", mapped() - before));
    b.all_gather({});
  }) == 0);
}

TEST_CASE("an engine sleeps until its peer says something, and none is missed") {
  for (const char* link : {"window", "message"}) {
    INFO(std::string(link));
    CHECK(processes::run(2, [&](auto& b) {
      joined all(b, link);
      auto l = all.connect(2, b.rank());
      const call what{};
      const int other = 1 - b.rank();
      struct context {
        engine_transport* engine;
        recv_port* in;
        bool found = false;
      } c{all.engine.get(), &l->from(other)};
      constexpr int rounds = 1000;
      double longest = 0;
      for (int round = 0; round < rounds; ++round) {
        if (b.rank() == 0 || round > 0)
          while (l->to(other).send(nullptr, 0, {1, &what, 1}) == send_port::full) all.engine->progress();
        if (b.rank() == 0 && round == rounds - 1) break;  // the last answer is nobody's
        const double begun = now();
        for (c.found = false; !c.found;)
          all.engine->sleep(20, [](void* p) {
            auto& at = *static_cast<context*>(p);
            const bool moved = at.engine->progress();
            at.found = at.in->receive(nullptr, 0) != nullptr;
            return at.found || moved;
          }, &c);
        if (now() - begun > longest) longest = now() - begun;
        c.in->consume(0);
      }
      need(longest < 19, "a wake-up was lost");
      b.all_gather({});
    }) == 0);
  }
}

TEST_CASE("another thread can wake an engine") {
  for (const char* link : {"window", "message"}) {
    INFO(std::string(link));
    CHECK(processes::run(2, [&](auto& b) {
      joined all(b, link);
      auto l = all.connect(2, b.rank());
      for (int round = 0; round < 100; ++round) {
        std::atomic<bool> told{false};
        std::thread waker([&] {
          told = true;
          all.engine->wake();
        });
        const double begun = now();
        while (!told)
          all.engine->sleep(20, [](void* p) { return static_cast<std::atomic<bool>*>(p)->load(); }, &told);
        waker.join();
        need(now() - begun < 19, "slept on");
      }
      b.all_gather({});
    }) == 0);
  }
}

TEST_CASE("how far a rank has come is seen by its neighbours, and by all once it has left") {
  for (const char* link : {"window", "message"}) {
    INFO(std::string(link));
    CHECK(processes::run(2, [&](auto& b) {
      joined all(b, link);
      auto l = all.connect(2, b.rank());
      const int other = 1 - b.rank();
      need(l->status_of(other)->left == 0, "left too early");
      b.all_gather({});
      if (b.rank() == 1) {
        l->status().entered = 9;
        l->status().completed = 8;
        l.reset();
      } else {
        const rank_status& s = *l->status_of(1);
        need(processes::within(20, [&] {
          all.engine->progress();
          return s.left == 1;
        }), "its leaving was not seen");
        need(s.completed == 8, "how far it came");
      }
      b.all_gather({});
    }) == 0);
  }
}

TEST_CASE("a rank that ends its session once it has given its card is seen to have left") {
  CHECK(processes::run(2, [](shared_bootstrap& b) {
    auto all = std::make_unique<joined<shared_bootstrap>>(b, "window");
    auto first = all->connect(2, b.rank());  // the next one takes new memory, which must be opened
    struct parting final : exchange {
      explicit parting(shared_bootstrap& to) : with(to) {}
      contributions all_gather(bytes_view mine) override {
        contributions cards = with.all_gather(mine);
        if (with.rank() == 1) throw std::runtime_error("it goes");
        with.all_gather({});  // once it has gone
        return cards;
      }
      shared_bootstrap& with;
    } with(b);
    if (b.rank() == 1) {
      try {
        all->engine->connect(everyone(2), 1, with);
      } catch (const std::runtime_error&) {
      }
      first.reset();
      all.reset();
      b.all_gather({});
    } else {
      auto second = all->engine->connect(everyone(2), 0, with);
      need(second->status_of(1)->left == 1 && second->status_of(1)->completed == 0, "nobody knows that it has left");
      need(!second->from(1).receive(nullptr, 0), "somebody answers");
    }
    b.all_gather({});
  }) == 0);
}

TEST_CASE("what a rank said last can be read for as long as its peers have not left, whatever it makes in between") {
  CHECK(processes::run(2, [&](auto& b) {
    joined all(b, "window");
    const int other = 1 - b.rank();
    std::set<const rank_status*> known;
    for (bool own_thread : {false, true}) {
      auto beside = all.fabric.make_engine();
      engine_transport& used = own_thread ? *beside : *all.engine;
      auto first = used.connect(everyone(2), b.rank(), all.with);
      const rank_status& theirs = *first->status_of(other);
      known.insert(&first->status());
      if (b.rank() == 1) {
        first->status().entered = 8;
        first->status().completed = 8;
        first.reset();
        if (own_thread) beside.reset();
      }
      auto second = all.connect(2, b.rank());
      need(&second->status() != &theirs, "its own");
      if (b.rank() == 0) need(theirs.left == 1 && theirs.completed == 8, "its place is another's already");
      first.reset();
      b.all_gather({});
      // From here on both have left it: it is used again.
      known.insert(&second->status());
      second.reset();
      b.all_gather({});
      auto third = all.connect(2, b.rank());
      need(known.contains(&third->status()), "memory that nobody uses is not used again");
      third.reset();
      b.all_gather({});
    }
  }) == 0);
}

TEST_CASE("a rank that dies is found, one that leaves first is not") {
  for (bool leaves : {false, true}) {
    CAPTURE(leaves);
    CHECK(processes::run(3, [&](auto& b) {
      joined all(b, "window");
      auto l = all.connect(3, b.rank());
      const int pid = ::getpid();
      const contributions pids = b.all_gather(bytes_of(pid));
      l->status().completed = b.rank() == 1 ? 4 : 6;
      b.all_gather({});
      if (b.rank() == 2) {
        if (leaves) all.fabric.leave();
        ::_exit(0);  // so that the parent hears of the others' failures only
      }
      int gone;
      std::memcpy(&gone, pids[2].data(), sizeof gone);
      const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, gone, 0));
      if (descriptor >= 0) {
        pollfd fd{.fd = descriptor, .events = POLLIN, .revents = 0};
        need(::poll(&fd, 1, 30000) == 1, "it did not end");
        ::close(descriptor);
      }
      all.fabric.examine(b.rank() == 1 ? 5 : 7, *l, everyone(3));
      if (leaves) {
        need(!all.fabric.board().any(), "its end was no failure");
        all.fabric.leave();
        ::_exit(0);  // nobody can wait for it any more
      }
      const verdict v = all.fabric.board().read();
      need(v.code == errc::rank_died && v.rank == 2, v.text);
      need(v.operation == 5, "the lowest operation that a survivor has not completed");
      need(std::string(v.text).find(format("rank 2 (process %d on ", gone)) == 0, v.text);
      need(std::string(v.text).find(") died; operation 5 could not be completed") != std::string::npos, v.text);
      ::_exit(0);
    }) == 0);
  }
}

TEST_CASE("after a failure UCX's end of the messages stays as it is until the process ends") {
  for (bool fails : {false, true})
    CHECK(processes::run(2, [&](auto& b) {
      {
        joined all(b, "message");
        auto l = all.connect(2, b.rank());
        b.all_gather({});
        if (fails) {
          verdict v{.code = errc::rank_failed, .rank = 0};
          v.say("a full disk");
          all.fabric.declare(v);
          all.engine->abandon();
        }
        l.reset();
        b.all_gather({});
      }
      need((detail::all_retained.load() != nullptr) == fails, fails ? "it was destroyed" : "something stays after a good end");
    }) == 0);
}

TEST_CASE("a connection that breaks between two ranks that live is an error of the link, on both") {
  ::setenv("UCX_TLS", "tcp,self", 1);
  CHECK(processes::run(2, [&](auto& b) {
    joined all(b, "message");
    const std::set<int> others = connections();  // those by which the ranks watch each other
    auto l = all.connect(2, b.rank());
    const int other = 1 - b.rank();
    const call what{};
    while (l->to(other).send(nullptr, 0, {1, &what, 1}) == send_port::full) all.engine->progress();
    while (!l->from(other).receive(nullptr, 0)) all.engine->progress();
    l->from(other).consume(0);
    while (l->to(other).in_flight > 0) all.engine->progress();
    all.fabric.open_operation().store(7);
    b.all_gather({});
    const double begun = now();
    need(processes::within(20, [&] {
      // What is connected anew in place of what was cut is cut as well.
      for (int descriptor : connections())
        if (b.rank() == 1 && !others.contains(descriptor)) ::shutdown(descriptor, SHUT_RDWR);
      all.engine->progress();
      l->to(other).send(nullptr, 0, {2, &what, 1});
      all.fabric.examine(7, *l, everyone(2));
      return all.fabric.board().any();
    }), "nobody noticed");
    need(now() - begun > 1.4, "a rank's own end would have been heard sooner: it was not waited for");
    const verdict v = all.fabric.board().read();
    need(v.code == errc::link && (v.rank == 0 || v.rank == 1) && v.operation == 7, v.text);
    const std::string text = v.text;
    need(text.find(format("the connection between rank %d and rank %d on ", 1 - v.rank, v.rank)) == 0, text);
    need(text.find(" has ended; operation 7 could not be completed") != std::string::npos, text);
    for (const auto& bytes : b.all_gather(bytes_of(v))) {
      verdict theirs;
      std::memcpy(&theirs, bytes.data(), sizeof theirs);
      need(theirs.rank == v.rank && text == theirs.text, "not the same on both");
    }
  }) == 0);
  ::unsetenv("UCX_TLS");
}

TEST_CASE("a link without windows joins ranks of one host by messages, and moves what the host does not touch from place to place") {
  CHECK(processes::run(3, [](auto& b) {
    joined all(b, "window");
    auto l = all.engine->connect(everyone(3), b.rank(), all.with, link_use::no_windows);
    need(!l->lends() && !l->board(), "it lends");
    for (int p = 0; p < 3; ++p) need(l->kind(p) == (p == b.rank() ? link_kind::self : link_kind::message), name_of(l->kind(p)));
    need(all.fabric.why_not_moved(memory_kind::as_cuda).empty() && all.fabric.why_not_moved(memory_kind::host).empty(), "says that it cannot");
    const call what{};
    const int to = (b.rank() + 1) % 3, from = (b.rank() + 2) % 3;
    recv_port& in = l->from(from);
    in.expected = 1;
    in.place_is = memory_kind::as_cuda;
    for (std::size_t n : {std::size_t{1}, std::size_t{1000}, std::size_t{1} << 20, std::size_t{3000001}}) {
      std::vector<std::byte> out(n, static_cast<std::byte>(b.rank() + 1)), place(n);
      std::size_t sent = 0, here = 0;
      while (here < n || sent < n || l->to(to).in_flight > 0) {
        if (sent < n)
          if (const std::ptrdiff_t k = l->to(to).send(out.data() + sent, n - sent, {.fingerprint = 1, .what = &what, .memory = memory_kind::as_cuda}); k > 0)
            sent += static_cast<std::size_t>(k);
        if (here < n)
          if (const piece* got = in.receive(place.data() + here, n - here)) {
            need(got->data == place.data() + here, "came to another place");
            const std::size_t bytes = got->bytes;
            in.consume(bytes);
            here += bytes;
          }
        all.engine->progress();
      }
      for (std::byte v : place) need(v == static_cast<std::byte>(from + 1), "another's");
      b.all_gather({});
    }
  }) == 0);
}
