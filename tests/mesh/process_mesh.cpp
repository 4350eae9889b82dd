#include <tutti/mesh/process_mesh.hpp>

#include <doctest/doctest.h>

#include <string>

#include <tutti/comm/collectives.hpp>

#include "../comm/thread_ranks.hpp"

using namespace tutti;

TEST_CASE("along an axis are the ranks that differ along it alone, in its order") {
  const mesh m{{"data", 2}, {"model", 3}};
  thread_ranks::run(6, [&](communicator& world) {
    process_mesh on(world, m);
    for (int axis = 0; axis < 2; ++axis) {
      communicator& along = on.along(axis);
      REQUIRE(along.size() == m[axis].size);
      REQUIRE(along.rank() == m.coordinate(on.rank(), axis));
      for (int at = 0; at < along.size(); ++at) REQUIRE(along.world_rank(at) == m.beside(on.rank(), axis, at).value);
      communicator& behind = on.behind(1u << axis);
      REQUIRE(&behind != &along);
      REQUIRE(&behind == &on.behind(1u << axis));
      REQUIRE(behind.rank() == along.rank());
      REQUIRE(behind.size() == along.size());
    }
  });
}

TEST_CASE("a mesh of another number of ranks is refused") {
  std::string said;
  try {
    thread_ranks::run(2, [](communicator& world) { process_mesh on(world, {{"data", 3}}); });
  } catch (const error& e) {
    said = e.what();
  }
  CHECK(said.find("the mesh 'data=3' has 3 ranks, and there are 2") != std::string::npos);
}
