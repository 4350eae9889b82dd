#include <tutti/comm/choice.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <unistd.h>

using namespace tutti;

namespace {

plan_settings settings_of(const char* variable) {
  struct held {
    explicit held(const char* value) { ::setenv("TUTTI_ALGORITHM", value, 1); }
    ~held() { ::unsetenv("TUTTI_ALGORITHM"); }
  } h(variable);
  return plan_settings::from_environment({});
}

std::string refusal(const char* variable) {
  try {
    settings_of(variable);
  } catch (const error& e) {
    CHECK(e.code() == errc::invalid_argument);
    return e.what();
  }
  return "taken";
}

constexpr auto automatic = algorithm::automatic;

}  // namespace

TEST_CASE("TUTTI_ALGORITHM: one name holds wherever it is available, a list holds where it says") {
  ::unsetenv("TUTTI_ALGORITHM");
  for (collective what : every_collective) CHECK(plan_settings::from_environment({}).forced_for(what) == automatic);
  for (algorithm how : every_algorithm)
    for (collective what : every_collective) {
      CAPTURE(name_of(how));
      CAPTURE(name_of(what));
      CHECK(settings_of(name_of(how)).forced_for(what) == (find_entry(what, how) ? how : automatic));
      const std::string one = std::string(name_of(what)) + ":" + name_of(how);
      if (!find_entry(what, how)) {
        CHECK(refusal(one.c_str()) == "TUTTI_ALGORITHM is '" + one + "': '" + one + "' is no algorithm, or none of that collective");
        continue;
      }
      for (collective other : every_collective) CHECK(settings_of(one.c_str()).forced_for(other) == (other == what ? how : automatic));
    }
  const plan_settings s = settings_of("tree,all_reduce:ring,broadcast:automatic");
  CHECK(s.forced_for(collective::all_reduce) == algorithm::ring);
  CHECK(s.forced_for(collective::reduce) == algorithm::tree);
  CHECK(s.forced_for(collective::broadcast) == automatic);
  CHECK(s.forced_for(collective::all_gather) == automatic);
  CHECK(settings_of("").forced_for(collective::all_reduce) == automatic);
}

TEST_CASE("TUTTI_TUNING: the model that chooses takes the window's values and those of its own") {
  char name[] = "/tmp/tutti-tuning-XXXXXX";
  const int file = ::mkstemp(name);
  REQUIRE(file >= 0);
  const std::string text = "window.latency_s 3e-6\nswitch_s 4e-6\nfolds_at_once 1.25\nwaits_in_line 0.5\n";
  CHECK(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(file);
  ::setenv("TUTTI_TUNING", name, 1);
  const cost_model taken = plan_settings::from_environment({.cores = 3}).model;
  ::unsetenv("TUTTI_TUNING");
  ::unlink(name);
  CHECK(taken.cores == 3);
  CHECK(taken.link.latency_s == 3e-6);
  CHECK(taken.switch_s == 4e-6);
  CHECK(taken.folds_at_once == 1.25);
  CHECK(taken.waits_in_line == 0.5);
}

TEST_CASE("TUTTI_ALGORITHM: what is no algorithm is quoted, with all that stood there") {
  CHECK(refusal("rign") == "TUTTI_ALGORITHM is 'rign': 'rign' is no algorithm, or none of that collective");
  CHECK(refusal("ring,allreduce:tree") == "TUTTI_ALGORITHM is 'ring,allreduce:tree': 'allreduce' is no collective");
  CHECK(refusal(":tree") == "TUTTI_ALGORITHM is ':tree': '' is no collective");
  for (const char* bad : {"Ring", " ring", "ring ", ":ring", "all_reduce:", ":", "ring,,tree", ",ring", "all_reduce:ring:tree", "all_reduce=ring", "ring;tree", "1"})
    CHECK_MESSAGE(refusal(bad) != "taken", bad);
}

TEST_CASE("a call's algorithm is its own, else the forced one, else the model's") {
  const team four{4};
  call_shape c{.what = collective::all_reduce, .count = 1000, .element = 4, .operation = "mine"};
  plan_settings s = settings_of("all_reduce:ring");
  CHECK(choose_algorithm(c, four, s) == algorithm::ring);
  c.algorithm = algorithm::tree;
  CHECK(choose_algorithm(c, four, s) == algorithm::tree);
  c.algorithm = automatic;
  c.commutative = false;  // a forced one that exchanges operands cannot be meant
  CHECK(keeps_order(c.what, choose_algorithm(c, four, s), four));
  CHECK(choose_algorithm(c, {1}, s) == algorithm::ring);
  c.algorithm = algorithm::ring;
  CHECK_THROWS_WITH_AS(choose_algorithm(c, four, s),
                       "all_reduce by ring exchanges operands, and the operation mine is not commutative: say 'static constexpr "
                       "bool commutative = true' in it if it is, or choose another algorithm", error);
  c.what = collective::all_gather;  // combines nothing
  CHECK(choose_algorithm(c, four, s) == algorithm::ring);
  c.algorithm = algorithm::dissemination;
  CHECK_THROWS_WITH_AS(choose_algorithm(c, four, s), "all_gather has no algorithm dissemination", error);

  for (collective what : every_collective)
    for (std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{100000000}})
      for (int ranks : {1, 2, 3, 7, 33})
        for (bool commutative : {true, false}) {
          const call_shape any{.what = what, .count = count, .element = 8, .root = rooted(what) ? ranks - 1 : -1, .commutative = commutative};
          const algorithm chosen = choose_algorithm(any, {ranks}, {});
          CAPTURE(name_of(what));
          CHECK(available(what, chosen, {ranks}));
          if (!commutative && reduces(what)) CHECK(keeps_order(what, chosen, {ranks}));
        }
}

TEST_CASE("uneven blocks take only what serves them, whatever is forced") {
  const std::vector<std::size_t> counts{1, 2, 3};
  auto of = [&](collective what, algorithm how = automatic) {
    return call_shape{.what = what, .count = 6, .element = 4, .root = rooted(what) ? 0 : -1, .algorithm = how, .uneven = true, .counts = counts};
  };
  CHECK(choose_algorithm(of(collective::gather), {3}, settings_of("gather:tree")) == algorithm::linear);
  CHECK(choose_algorithm(of(collective::all_to_all), {3}, settings_of("bruck")) == algorithm::pairwise);
  CHECK(choose_algorithm(of(collective::all_gather), {3}, settings_of("all_gather:doubling")) == algorithm::doubling);
  CHECK_THROWS_WITH_AS(choose_algorithm(of(collective::all_to_all, algorithm::bruck), {3}, {}), "all_to_all_v has no algorithm bruck", error);
  CHECK_THROWS_WITH_AS(choose_algorithm(of(collective::scatter, algorithm::tree), {3}, {}), "scatter_v has no algorithm tree", error);
  for (collective what : every_collective)
    if (blocked(what)) CHECK(serves_uneven(what, choose_algorithm(of(what), {3}, {})));
  // Nobody sends a block that is nearly all there is to each of the others in turn.
  std::vector<std::size_t> one(8, 10);
  one[3] = 8 << 20;
  call_shape c{.what = collective::all_gather, .count = one[3] + 70, .element = 4, .uneven = true, .counts = one};
  CHECK(choose_algorithm(c, {8}, {}) != algorithm::pairwise);
}

TEST_CASE("little is shown where the model finds that faster, and the prediction is of what runs") {
  const team eight{8};
  call_shape c{.what = collective::all_reduce, .count = 2, .element = 4};
  plan_settings s{.model = {.cores = 2}};
  auto chosen = [&](bool in_rounds) { return choose_algorithm(c, eight, s, in_rounds); };
  auto predicted = [&](algorithm how, bool in_rounds, bool lent) {
    call_shape asked = c;
    asked.algorithm = how;
    return predict_call(asked, eight, s, in_rounds, lent);
  };
  const hosts_model model = s.model_for(eight);
  auto direct = [&](algorithm how, direct_form form) { return predict_direct(c.what, how, eight, vector_bytes(c, eight), form, model); };
  // Turns of ranks that share a core cost most: of a round there is one each.
  CHECK(chosen(true) == algorithm::one_shot);
  CHECK(predicted(algorithm::one_shot, true, false) == direct(algorithm::one_shot, direct_form::shown));
  CHECK(predicted(algorithm::one_shot, false, false) == predict(c.what, algorithm::one_shot, eight, 8, model));
  CHECK(predicted(algorithm::tree, true, false) == predict(c.what, algorithm::tree, eight, 8, model));
  CHECK(predicted(algorithm::one_shot, true, false) < predicted(chosen(false), false, false));
  // Two have little to wait for, but a round saves them what a message costs.
  for (const std::size_t count : {2u, 4096u}) {
    c.count = count;
    CHECK(choose_algorithm(c, {2}, {}, true) == algorithm::one_shot);
    CHECK(choose_algorithm(c, {2}, {}, false) != algorithm::one_shot);
  }
  // Where folding is slow, nobody folds all; a tuning says so.
  s.links.window.fold_bytes_per_s = s.model.link.fold_bytes_per_s = 1e7;
  c.count = 4096;
  CHECK(chosen(true) != algorithm::one_shot);
  // Above what is shown, nothing is.
  s = {.model = {.cores = 2}};
  c.count = 4097;
  CHECK_FALSE(may_show(c, eight, algorithm::one_shot));
  CHECK(predicted(algorithm::one_shot, true, false) == predict(c.what, algorithm::one_shot, eight, 4 * 4097, model));
  CHECK(predicted(algorithm::two_shot, true, true) == direct(algorithm::two_shot, direct_form::lent));
  // What has a root is straight to and from it: where the steps are sent they are more.
  for (collective what : {collective::broadcast, collective::reduce, collective::gather, collective::scatter})
    for (int ranks : {2, 4, 8}) {
      const call_shape rooted_one{.what = what, .count = 2, .element = 4, .root = 1};
      CHECK(choose_algorithm(rooted_one, {ranks}, s, true) == algorithm::linear);
      CHECK(may_show(rooted_one, {ranks}, algorithm::linear));
      CHECK_FALSE(may_show(rooted_one, {ranks}, algorithm::tree));
    }
  // Above that too where ranks share cores: a tree's hops wait for turns of ranks that have nothing to do.
  for (std::size_t count : {std::size_t{8192}, std::size_t{16384}})
    CHECK(choose_algorithm({.what = collective::reduce, .count = count, .element = 4, .root = 0}, eight, s, true) == algorithm::linear);
  // What is not lent is shown piece by piece, by the algorithm that has a form for that.
  CHECK(predicted(algorithm::two_shot, true, false) == direct(algorithm::two_shot, direct_form::relayed));
  CHECK(predicted(algorithm::two_shot, false, false) == predict(c.what, algorithm::two_shot, eight, 4 * 4097, model));
  CHECK(predicted(algorithm::ring, true, false) == predict(c.what, algorithm::ring, eight, 4 * 4097, model));
  CHECK(chosen(true) == algorithm::two_shot);
  for (const bool in_order : {false, true}) {
    c.commutative = !in_order;
    for (std::size_t count : {std::size_t{5000}, std::size_t{1} << 18}) {
      c.count = count;
      for (int ranks : {3, 4, 8}) CHECK(choose_algorithm(c, {ranks}, {}, true) == algorithm::two_shot);
    }
  }
  CHECK_FALSE(may_relay(c, {most_relaying + 1}, algorithm::two_shot));
  CHECK_FALSE(may_relay(c, {1}, algorithm::two_shot));
  c.uneven = true;
  CHECK_FALSE(may_relay(c, eight, algorithm::two_shot));
  const call_shape told{.what = collective::broadcast, .count = 5000, .element = 4, .root = 1};
  CHECK(may_relay(told, eight, algorithm::linear));
  CHECK(may_relay(told, {2}, algorithm::linear));
  c = {.what = collective::barrier, .algorithm = automatic};
  CHECK(chosen(true) == algorithm::dissemination);
  CHECK(predicted(algorithm::dissemination, true, false) == direct(algorithm::dissemination, direct_form::shown));
}
