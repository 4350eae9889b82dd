#include <tutti/base/retained.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <thread>
#include <vector>

TEST_CASE("what is retained lives on, whoever handed it over") {
  struct counted {
    explicit counted(std::atomic<int>& c) : alive(c) { ++alive; }
    ~counted() { --alive; }
    std::atomic<int>& alive;
  };
  static std::atomic<int> alive{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 100; ++i) tutti::detail::retain(std::make_unique<counted>(alive));
    });
  for (auto& t : threads) t.join();
  CHECK(alive == 400);
  int listed = 0;
  for (auto* entry = tutti::detail::all_retained.load(); entry; entry = entry->next) ++listed;
  CHECK(listed == 400);
}
