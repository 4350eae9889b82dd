#include <tutti/analysis/proof.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>

namespace {

using namespace tutti;

TEST_CASE("a flaw in a sentence names rank, step and chunk") {
  CHECK(explain({}) == "proved");
  CHECK(explain({.ok = false, .found = flaw::deadlock, .who = {2}, .step = 5, .where = {1}}) ==
        "rank 2, step 5, chunk 1: this step can never complete");
  CHECK(explain({.ok = false, .found = flaw::incomplete, .who = {1}, .where = {3}}) ==
        "rank 1 ends with chunk 3 lacking contributions");
  CHECK(explain({.ok = false, .found = flaw::misplaced, .who = {1}, .where = {3}}) ==
        "rank 1 ends with chunk 3 holding what belongs elsewhere");
  CHECK(explain({.ok = false, .found = flaw::unheard, .who = {1}}) ==
        "rank 1 may leave the barrier before everyone has come");
  CHECK(explain({.ok = false, .found = flaw::parts, .who = {1}}) ==
        "rank 1: the vector is not cut as the other ranks or the blocks of the collective ask");
}

TEST_CASE("every flaw has a sentence of its own") {
  std::set<std::string> sentences;
  for (int f = 0; f <= static_cast<int>(flaw::unheard); ++f)
    sentences.insert(explain({.ok = f == 0, .found = static_cast<flaw>(f), .step = 0}));
  CHECK(sentences.size() == static_cast<std::size_t>(flaw::unheard) + 1);
  CHECK(sentences.count("unknown") == 0);
}

}  // namespace
