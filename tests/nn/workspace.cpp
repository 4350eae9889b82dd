#include <tutti/nn/workspace.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_backend.hpp>

#include "../comm/thread_ranks.hpp"

using namespace tutti;

TEST_CASE("places are apart, aligned, and row-major where the backend knows nothing else") {
  using backend = naive_backend<float>;
  thread_ranks::run(1, [](communicator& world) {
    backend::context c;
    process_mesh on(world, mesh{});
    workspace<backend> memory(c, on);
    const workspace_place a = memory.add(backend::format::row_major({{"n", 5}})), none = memory.add(backend::format::row_major({{"n", 0}})),
                b = memory.add(block({{"n", 1}, {"m", 5}}));
    CHECK(memory.row_major(a) == a);
    memory.make();
    CHECK(memory.elements(none).empty());
    CHECK(reinterpret_cast<std::uintptr_t>(memory.elements(b).data()) % 64 == 0);
    for (float& value : memory.elements(a)) value = 2;
    memory.clear(b);
    CHECK(memory.elements(a)[4] == 2);
    memory.copy(a, b);
    memory.add(a, b);
    CHECK(memory.elements(b)[4] == 4);
    CHECK(memory.elements(a)[0] == 2);
    CHECK(memory.bytes() >= 10 * sizeof(float));
  });
}
