#include <tutti/comm/device_agreement.hpp>

#include <doctest/doctest.h>

#include <new>

#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("the first rank that refuses is heard by all, in its words") {
  thread_ranks::run(4, [](communicator& world) {
    if (detail::agree(world, {})) throw std::logic_error("nobody refused");
    const auto told = detail::agree(world, detail::refused_by([&] {
      if (world.rank() == 2) throw error(errc::not_supported, "two");
      if (world.rank() == 3) throw std::bad_alloc();
    }));
    if (!told || told->code != errc::not_supported || told->why != "two") throw std::logic_error("says otherwise");
  });
}

TEST_CASE("ranks that call different things are told, all in the same words") {
  thread_ranks::run(3, [](communicator& world) {
    auto refused = [&](std::size_t count, auto op, const char* want) {
      try {
        detail::agree_on_call(world, device_call<int, decltype(op)>{.count = count, .algorithm = algorithm::one_shot}, {});
      } catch (const error& e) {
        if (e.code() != errc::mismatch || e.rank() != 1 || std::string(want) != e.what()) throw;
        return;
      }
      throw std::logic_error("not told");
    };
    refused(world.rank() == 0 ? 8 : 7, plus{}, "rank 0 calls all_reduce by one_shot of 8 elements of 4 bytes, root -1 on device memory, rank 1 calls "
                                               "all_reduce by one_shot of 7 elements of 4 bytes, root -1");
    const char* const other = "rank 0 calls all_reduce by one_shot of 8 elements of 4 bytes, root -1 on device memory, rank 1 calls all_reduce by "
                              "one_shot of 8 elements of 4 bytes, root -1 with another operation";
    if (world.rank() == 0) refused(8, plus{}, other);
    else refused(8, maximum{}, other);
    // Of the same size, and not the same.
    const char* const type = "rank 0 calls all_reduce by automatic of 5 elements of 1 bytes, root -1 on device memory, rank 1 calls all_reduce by "
                             "automatic of 5 elements of 1 bytes, root -1 with elements of another type";
    try {
      if (world.rank() == 1) detail::agree_on_call(world, device_call<fp8_e4m3, plus>{.count = 5}, {});
      else detail::agree_on_call(world, device_call<fp8_e5m2, plus>{.count = 5}, {});
      throw std::logic_error("not told");
    } catch (const error& e) {
      if (e.code() != errc::mismatch || std::string(type) != e.what()) throw;
    }
    detail::agree_on_call(world, device_call<int, plus>{.count = 3}, {});
  });
}
