#include <tutti/comm/kept_functor.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>

using namespace tutti;

namespace {

struct counts {
  int alive = 0, copies = 0;
};

template <std::size_t Bytes, std::size_t Alignment = alignof(void*)>
struct alignas(Alignment) counted {
  explicit counted(counts& c) : to(&c) { ++to->alive; }
  counted(const counted& other) : to(other.to), value(other.value) {
    if (value < 0) throw std::runtime_error("not copied today");
    ++to->alive;
    ++to->copies;
  }
  ~counted() { --to->alive; }
  int operator()(int a, int b) const { return a + b + value; }
  counts* to;
  int value = 0;
  std::byte padding[Bytes] = {};
};

}  // namespace

TEST_CASE_TEMPLATE("a functor is copied once, and destroyed once, small or large", Functor, counted<1>, counted<48>,
                   counted<49>, counted<4000>, counted<1, 64>, counted<1, 128>) {
  counts c;
  {
    Functor mine(c);
    mine.value = 5;
    kept_functor k;
    const Functor* kept = k.keep(mine);
    CHECK(kept != &mine);
    CHECK(reinterpret_cast<std::uintptr_t>(kept) % alignof(Functor) == 0);
    CHECK(c.alive == 2);
    CHECK(c.copies == 1);
    mine.value = 6;
    CHECK((*kept)(1, 2) == 8);
    k.clear();
    CHECK(c.alive == 1);
    k.clear();
    CHECK(c.alive == 1);
    k.keep(mine);
    kept = k.keep(mine);  // in the place of the last
    CHECK(c.alive == 2);
    CHECK((*kept)(1, 2) == 9);
  }
  CHECK(c.alive == 0);
}

TEST_CASE("a place is used for functors of different kinds") {
  counts c;
  kept_functor k;
  counted<1> small(c);
  counted<400> large(c);
  k.keep(small);
  k.keep(large);
  CHECK(c.alive == 3);
  int factor = 3;
  const auto lambda = [factor](int a, int b) { return factor * (a + b); };
  CHECK((*k.keep(lambda))(1, 2) == 9);
  CHECK(c.alive == 2);
  k.keep(large);
  k.clear();
  CHECK(c.alive == 2);
}

TEST_CASE("a functor that cannot be copied leaves nothing behind") {
  counts c;
  kept_functor k;
  counted<1> small(c);
  counted<400> large(c);
  k.keep(small);
  small.value = large.value = -1;
  CHECK_THROWS_WITH(k.keep(small), "not copied today");
  CHECK(c.alive == 2);
  k.clear();
  CHECK_THROWS_WITH(k.keep(large), "not copied today");
  k.clear();
  CHECK(c.alive == 2);
}

TEST_CASE("a functor is kept by a function that does not show its type") {
  counts c;
  counted<1> mine(c);
  mine.value = 4;
  kept_functor k;
  const functor_keeper keep = &keep_functor<counted<1>>;
  const void* kept = keep(k, &mine);
  CHECK(kept == k.kept());
  CHECK((*static_cast<const counted<1>*>(kept))(1, 2) == 7);
  CHECK(c.alive == 2);
}
