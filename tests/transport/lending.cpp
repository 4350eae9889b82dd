#include <tutti/transport/lending.hpp>

#include <doctest/doctest.h>

#include <set>

#include <tutti/transport/ucx_fabric.hpp>

#include "processes.hpp"

using namespace tutti;
using processes::need;

namespace {

constexpr std::size_t page = 4096;

bool inside(const void* p, const void* begin, std::size_t bytes) {
  return p >= begin && p < static_cast<const std::byte*>(begin) + bytes;
}

}  // namespace

TEST_CASE("memory to be lent grows, is used again, and holes that touch become one") {
  CHECK(processes::run(1, [](auto&) {
    lending_board board;
    const auto memory = std::make_shared<lending_memory>(std::make_shared<ucx::context>(), board);
    auto* a = static_cast<std::byte*>(memory->allocate(1));
    auto* b = static_cast<std::byte*>(memory->allocate(page + 1));
    auto* c = static_cast<std::byte*>(memory->allocate(page));
    need(b == a + page && c == b + 2 * page, "one behind the other, in pages");
    need(reinterpret_cast<std::uintptr_t>(a) % 64 == 0, "aligned");
    need(board.count == 1, "one segment, published");
    memory->release(a, 1);
    memory->release(c, page);
    memory->release(b, page + 1);
    need(memory->allocate(std::size_t{1} << 20) == a, "all of it is one hole again");
    need(board.count == 1, "and no other segment was needed");
    void* second = memory->allocate(page);
    need(board.count == 2 && !inside(second, a, std::size_t{1} << 20), "a second segment");
    void* large = memory->allocate(std::size_t{90} << 20);
    need(board.count == 3 && large, "one of any size");

    need(memory->lend(a, 1) != 0 && memory->lend(a + (1 << 20) - 1, 1) != 0, "all of a segment can be lent");
    need(memory->lend(a + (1 << 20) - 1, 2) == 0, "not beyond its end");
    int here = 0;
    need(memory->lend(reinterpret_cast<std::byte*>(&here), 4) == 0, "a private variable cannot");
    std::set<loan> names;
    for (std::byte* at : {a, a + 1, static_cast<std::byte*>(second), static_cast<std::byte*>(large)}) names.insert(memory->lend(at, 1));
    need(names.size() == 4 && !names.contains(0), "every place has a name of its own");

    memory->close();
    auto* late = static_cast<std::byte*>(memory->allocate(std::size_t{100} << 20));
    need(late && board.count == 3 && memory->lend(late, 1) == 0, "after the session memory is only memory");
    memory->release(late, std::size_t{100} << 20);
  }) == 0);
}

TEST_CASE("random sizes taken and given back never overlap") {
  CHECK(processes::run(1, [](auto&) {
    lending_board board;
    const auto memory = std::make_shared<lending_memory>(std::make_shared<ucx::context>(), board);
    struct taken {
      std::byte* data;
      std::size_t bytes;
      std::byte mark;
    };
    std::vector<taken> all;
    std::uint64_t random = 20261121;
    auto draw = [&] { return random = random * 6364136223846793005u + 1442695040888963407u, random >> 33; };
    auto whole = [](const taken& t) { return t.data[0] == t.mark && t.data[t.bytes / 2] == t.mark && t.data[t.bytes - 1] == t.mark; };
    for (int i = 0; i < 20000; ++i) {
      if (all.size() < 40 && draw() % 2) {
        const std::size_t bytes = 1 + draw() % 60000;
        taken t{static_cast<std::byte*>(memory->allocate(bytes)), bytes, static_cast<std::byte>(draw())};
        t.data[0] = t.data[bytes / 2] = t.data[bytes - 1] = t.mark;
        all.push_back(t);
      } else if (!all.empty()) {
        const std::size_t which = draw() % all.size();
        need(whole(all[which]), "somebody else's");
        memory->release(all[which].data, all[which].bytes);
        all.erase(all.begin() + static_cast<std::ptrdiff_t>(which));
      }
    }
    need(board.count <= 3, "what is given back is used again");
  }) == 0);
}

TEST_CASE("what a neighbour lends is read where it lies, however late it was allocated") {
  CHECK(processes::run(3, [](auto& b) {
    ::setenv("TUTTI_LINK", "", 1);
    bootstrap_exchange with(b);
    auto fabric = std::make_unique<ucx_fabric>(with, b.rank(), b.size(), processes::everyone(b.size()));
    const auto memory = std::static_pointer_cast<lending_memory>(fabric->memory());
    std::vector<buffer<int>> mine;
    for (std::size_t round = 0; round < 12; ++round) {
      mine.emplace_back(memory, std::size_t{1000} << round);
      buffer<int>& x = mine.back();
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = b.rank() * 1000 + static_cast<int>(i % 1000);
      const loan l = memory->lend(reinterpret_cast<const std::byte*>(x.data() + 5), 4 * (x.size() - 5));
      need(l != 0, "not lent");
      const contributions all = b.all_gather(bytes_of(l));
      for (int r = 0; r < b.size(); ++r) {
        if (r == b.rank()) continue;
        loan theirs;
        std::memcpy(&theirs, all[static_cast<std::size_t>(r)].data(), sizeof theirs);
        const auto* seen = reinterpret_cast<const int*>(fabric->borrowed().find(r, theirs));
        for (std::size_t i = 5; i < x.size(); ++i) need(seen[i - 5] == r * 1000 + static_cast<int>(i % 1000), "other bytes");
      }
      b.all_gather({});
    }
    bool refused = false;
    try {
      fabric->borrowed().find((b.rank() + 1) % 3, loan{60} << lending_memory::segment_shift);
    } catch (const error& e) {
      refused = e.code() == errc::link && e.what() == format("rank %d lent memory that it had not published", (b.rank() + 1) % 3);
    }
    need(refused, "a place that nobody published");
    b.all_gather({});
    fabric.reset();
    // Buffers may outlive their session.
    need(mine.back()[7] == b.rank() * 1000 + 7, "gone");
    mine.clear();
  }) == 0);
}

TEST_CASE("what a neighbour lent and has given up is not there, though it lives") {
  CHECK(processes::run(2, [](auto& b) {
    ::setenv("TUTTI_LINK", "", 1);
    ::setenv("UCX_LOG_LEVEL", "fatal", 1);
    bootstrap_exchange with(b);
    auto fabric = std::make_unique<ucx_fabric>(with, b.rank(), b.size(), processes::everyone(b.size()));
    auto memory = std::static_pointer_cast<lending_memory>(fabric->memory());
    buffer<int> x(memory, 3000);
    const loan l = memory->lend(reinterpret_cast<const std::byte*>(x.data()), 12000);
    const contributions all = b.all_gather(bytes_of(l));
    if (b.rank() == 0) {
      x = {};
      memory.reset();
      fabric.reset();
    }
    b.all_gather({});
    loan theirs;
    std::memcpy(&theirs, all[0].data(), sizeof theirs);
    if (b.rank() == 1) need(fabric->borrowed().find(0, theirs) == nullptr, "memory that nobody has");
    b.all_gather({});
  }) == 0);
}
