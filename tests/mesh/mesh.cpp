#include <tutti/mesh/mesh.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {
constexpr mesh two_by_three{{"data", 2}, {"model", 3}};
}

static_assert(mesh{}.size() == 1);
static_assert(two_by_three.size() == 6);
static_assert(mesh::parse("data=2,model=3") == two_by_three);
static_assert(two_by_three.find("model") == 1 && two_by_three.find("pipe") == -1);
static_assert(two_by_three.coordinate({5}, 0) == 1 && two_by_three.coordinate({5}, 1) == 2);
static_assert(two_by_three.beside({5}, 0, 0) == rank{2});

TEST_CASE("a rank's coordinates name it, and beside changes one of them") {
  const mesh m{{"a", 3}, {"b", 1}, {"c", 4}, {"d", 2}};
  for (rank r{0}; r.value < m.size(); ++r.value) {
    rank found{0};
    for (int axis = 0; axis < m.axes(); ++axis) found = m.beside(found, axis, m.coordinate(r, axis));
    CHECK(found == r);
    for (int axis = 0; axis < m.axes(); ++axis)
      for (int at = 0; at < m[axis].size; ++at) {
        const rank other = m.beside(r, axis, at);
        for (int k = 0; k < m.axes(); ++k) CHECK(m.coordinate(other, k) == (k == axis ? at : m.coordinate(r, k)));
      }
  }
}

TEST_CASE("a mesh is read from its text, and what is none is refused in a sentence") {
  CHECK(two_by_three.text() == "data=2,model=3");
  CHECK(mesh::parse("") == mesh{});
  CHECK_THROWS_WITH_AS(mesh::parse("data"), "the mesh 'data' does not say how many ranks the axis has, as in 'data=2'", error);
  CHECK_THROWS_WITH_AS(mesh::parse("data=2,"), "the mesh 'data=2,' ends in a comma: leave it out, or say one axis more", error);
  CHECK_THROWS_WITH_AS(mesh::parse("data=two"), "the mesh 'data=two' has no number behind the '=': an axis takes from 1 to 16777216 ranks, as in 'data=2'", error);
  CHECK_THROWS_WITH_AS(mesh::parse("data=99999999999"), "the mesh 'data=99999999999' has no number behind the '=': an axis takes from 1 to 16777216 ranks, as in 'data=2'", error);
  CHECK_THROWS_WITH_AS(mesh::parse("data=0"), "the axis 'data' has 0 ranks: 1 or more are needed, as in 'data=2'", error);
  CHECK_THROWS_WITH_AS(mesh::parse("=2"), "an axis of a mesh has no name: it needs one, and ranks, as in 'data=2'", error);
  CHECK_THROWS_WITH_AS(mesh::parse("data=2,data=2"), "a mesh has two axes 'data': each needs a name of its own, as in 'data=2,model=2'", error);
  CHECK_THROWS_WITH_AS(mesh::parse("a=65536,b=65537"), "with the axis 'b' a mesh has more than 16777216 ranks, which is the most: fewer are needed along its axes", error);
  CHECK(mesh::parse("a=4096,b=4096").size() == 1 << 24);
  CHECK_THROWS_WITH_AS(mesh::parse("a=1,b=1,c=1,d=1,e=1"), "a mesh of more than 4 axes: 'e' is one too many", error);
  CHECK_THROWS_WITH_AS(mesh::parse(",data=2"), "a mesh has a comma with no axis before it: leave it out, or say one, as in 'data=2'", error);
  for (const char* odd : {"data ", "a+b", "a:b", "a/b", "a*"})
    CHECK_THROWS_WITH_AS(mesh::parse(std::string(odd) + "=2"), ("no layout can name the axis '" + std::string(odd) + "': a name holds no space, and none of , : + = / *").c_str(), error);
}
