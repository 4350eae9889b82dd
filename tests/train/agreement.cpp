#include <tutti/train/agreement.hpp>

#include <doctest/doctest.h>

#include <functional>

#include "../comm/thread_ranks.hpp"

using namespace tutti;

namespace {

/// What each of three ranks is told.
std::vector<std::string> told(const std::function<void(agreement&, int)>& terms) {
  std::vector<std::string> texts(3, "nothing");
  thread_ranks::run(3, [&](communicator& world) {
    agreement all;
    terms(all, world.rank());
    try {
      all.check(world);
    } catch (const error& e) {
      texts[static_cast<std::size_t>(world.rank())] =
          e.code() == errc::mismatch ? e.what() : std::string("wrong code: ") + e.what();
    }
    // A disagreement is no failure of the session: it can still be used.
    barrier(world);
  });
  return texts;
}

using texts = std::vector<std::string>;

}  // namespace

TEST_CASE("Where all have the same, nothing is said") {
  CHECK(told([](agreement& a, int) {
          const std::vector<float> numbers = {1, 2, 3};
          a.on("batch", std::uint64_t{64});
          a.on("learning rate", 0.1);
          a.on_content("numbers", span<const float>(numbers));
        }) == texts(3, "nothing"));
  CHECK(told([](agreement&, int) {}) == texts(3, "nothing"));
}

TEST_CASE("All are told the same, and the first that differs is named") {
  CHECK(told([](agreement& a, int rank) {
          a.on("batch", std::uint64_t{64});
          a.on("seed", std::uint64_t{rank == 2 ? 0xffffffffffffffffu : 7u});
          a.on("learning rate", rank == 1 ? 0.1 : 0.25);
        }) == texts(3, "the ranks disagree on the seed: rank 0 has 7, rank 2 has 18446744073709551615"));
  CHECK(told([](agreement& a, int rank) { a.on("learning rate", rank == 1 ? 0.25 : 0.5); }) ==
        texts(3, "the ranks disagree on the learning rate: rank 0 has 0.5, rank 1 has 0.25"));
  CHECK(told([](agreement& a, int rank) { a.on("momentum", rank == 2 ? 0.9f : 0.9); }) ==
        texts(3, "the ranks disagree on the momentum: rank 0 has 0.90000000000000002, rank 2 has 0.89999997615814209"));
}

TEST_CASE("Contents that differ in one bit anywhere differ") {
  for (std::size_t at : {0u, 500u, 1000u})
    CHECK(told([at](agreement& a, int rank) {
            std::vector<std::uint8_t> bytes(1001, 9);
            if (rank == 1) bytes[at] ^= 1;
            a.on_content("labels", span<const std::uint8_t>(bytes));
          }) == texts(3, "the ranks disagree on the labels: rank 1 has other than rank 0"));
}
