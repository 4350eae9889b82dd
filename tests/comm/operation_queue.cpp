#include <tutti/comm/operation_queue.hpp>

#include <doctest/doctest.h>

#include <pthread.h>

#include <deque>

using namespace tutti;

TEST_CASE("operations come out in the order in which they went in, from another thread too") {
  operation_queue q(nullptr, {0, 1});
  CHECK(q.empty());
  CHECK(q.front() == nullptr);
  std::deque<operation> operations(20000);
  for (std::size_t i = 0; i < operations.size(); ++i) operations[i].what.number = i;
  struct both {
    operation_queue& q;
    std::deque<operation>& operations;
  } shared{q, operations};
  pthread_t filler;
  REQUIRE(::pthread_create(&filler, nullptr, [](void* s) -> void* {
    auto& b = *static_cast<both*>(s);
    for (operation& o : b.operations) b.q.push(o);
    return nullptr;
  }, &shared) == 0);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < operations.size();) {
    operation* o = q.front();
    if (!o) continue;
    wrong += o->what.number != i++;
    q.pop();
  }
  ::pthread_join(filler, nullptr);
  CHECK(wrong == 0);
  CHECK(q.empty());
  CHECK(q.front() == nullptr);
}
