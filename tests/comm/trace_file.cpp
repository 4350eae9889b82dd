#include <tutti/comm/trace_file.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include <tutti/comm/collectives.hpp>
#include <tutti/launch/threads.hpp>
#include <tutti/transport/loopback.hpp>

using namespace tutti;

namespace {

struct place {
  place() { REQUIRE(::mkdtemp(folder) != nullptr); }
  ~place() {
    std::remove(path().c_str());
    ::rmdir(folder);
  }
  std::string path() const { return std::string(folder) + "/trace.json"; }
  std::string text() const {
    std::ifstream in(path());
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }
  char folder[32] = "/tmp/tutti-trace-XXXXXX";
};

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

operation_record reduced(double begun) {
  operation_record r{.number = 7, .is = operation_record::state::done, .begun = begun, .ended = begun + 0.5};
  std::strcpy(r.what.kind, "all_reduce");
  std::strcpy(r.what.type, "a \"b\\c\"\n");
  std::strcpy(r.what.algorithm, "ring");
  r.what.count = 3;
  return r;
}

}  // namespace

TEST_CASE("events of two ranks become one file, which is whole after every write") {
  place here;
  trace_file zero(here.path().c_str(), 0), one(here.path().c_str(), 1);
  zero.add(reduced(2), 0, "the first");
  zero.flush();
  const std::string first =
      "[\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":0,\"tid\":0,\"args\":{\"name\":\"rank 0\"}},"
      "\n{\"name\":\"process_sort_index\",\"ph\":\"M\",\"pid\":0,\"tid\":0,\"args\":{\"sort_index\":0}},"
      "\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":0,\"tid\":0,\"args\":{\"name\":\"the first\"}},"
      "\n{\"name\":\"all_reduce\",\"ph\":\"X\",\"pid\":0,\"tid\":0,\"ts\":2000000.000,\"dur\":500000.000,\"args\":{\"number\":7,"
      "\"call\":\"all_reduce of 3 a \\\"b\\\\c\\\" , ring\",\"state\":\"done\"}}";
  CHECK(here.text() == first + "\n]\n");
  zero.flush();  // nothing more
  CHECK(here.text() == first + "\n]\n");
  operation_record failed = reduced(3);
  failed.is = operation_record::state::failed;
  one.add(failed, 0x4f1, "another");
  one.add(failed, 0x4f1, "another");
  one.flush();
  const std::string both = here.text();
  CHECK(both.find(first + ",\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,") == 0);
  CHECK(both.substr(both.size() - 5) == "}}\n]\n");
  CHECK(count(both, "\n]\n") == 1);
  CHECK(count(both, "\"tid\":1265,\"ts\":3000000.000,") == 2);
  CHECK(count(both, "\"thread_name\"") == 2);
  CHECK(count(both, "\"state\":\"failed\"") == 2);
  // Rank 0 of the next run begins anew.
  { trace_file again(here.path().c_str(), 0); }
  CHECK(count(here.text(), "all_reduce") == 0);
}

TEST_CASE("what is kept in memory is written before it is much") {
  place here;
  trace_file t(here.path().c_str(), 0);
  std::size_t before = 0;
  for (int i = 0; i < 3000; ++i) t.add(reduced(i), 0, "the first");
  before = count(here.text(), "\"X\"");
  CHECK(before > 500);
  CHECK(before < 3000);
  t.flush();
  CHECK(count(here.text(), "\"X\"") == 3000);
}

TEST_CASE("a place that cannot be written is refused") {
  CHECK_THROWS_WITH_AS(trace_file("/nowhere/at/all", 0),
                       "TUTTI_TRACE is '/nowhere/at/all', which cannot be written: No such file or directory", error);
}

TEST_CASE("TUTTI_TRACE: every operation of every rank and communicator, with when it was") {
  place here;
  ::setenv("TUTTI_TRACE", here.path().c_str(), 1);
  loopback_fabric::world shared;
  CHECK_NOTHROW(run_threads(3, [&](auto& b) {
    session s(b, shared);
    communicator world(s);
    std::vector<float> x(10);
    for (int i = 0; i < 4; ++i) all_reduce(world, x);
    communicator threaded = world.duplicate({.progress = progress::thread});
    broadcast(threaded, x, 0);
    const auto last = threaded.recent();
    if (last.size() != 1 || last[0].ended <= last[0].begun || now() < last[0].ended) throw std::logic_error("other times");
  }));
  ::unsetenv("TUTTI_TRACE");
  const std::string text = here.text();
  CHECK(count(text, "\"name\":\"all_reduce\"") == 12);
  CHECK(count(text, "\"name\":\"broadcast\"") == 3);
  CHECK(count(text, "\"name\":\"the first communicator\"") == 3);
  CHECK(count(text, "(ranks 0, 1, 2)\"") == 3);
  for (const char* rank : {"rank 0", "rank 1", "rank 2"}) CHECK(count(text, rank) == 1);
}
