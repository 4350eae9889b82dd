#include <tutti/launch/environment.hpp>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace {

/// An environment of the launchers' variables: these and no others.
class only {
 public:
  explicit only(std::vector<std::pair<const char*, const char*>> set) {
    for (const char* name : known) {
      const char* value = std::getenv(name);
      before_.push_back({name, value ? value : ""});
      ::unsetenv(name);
    }
    for (auto [name, value] : set) ::setenv(name, value, 1);
  }
  only(const only&) = delete;
  ~only() {
    for (auto& [name, value] : before_) value.empty() ? ::unsetenv(name) : ::setenv(name, value.c_str(), 1);
  }

 private:
  static constexpr const char* known[] = {
      "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RUN_ID",
      "TORCHELASTIC_RESTART_COUNT", "PMIX_RANK", "PMIX_NAMESPACE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_ID",
      "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES", "SLURM_STEP_NODELIST", "SLURM_JOB_ID"};
  std::vector<std::pair<const char*, std::string>> before_;
};

std::string refusal() {
  try {
    tutti::look_around();
  } catch (const tutti::error& e) {
    return e.what();
  }
  return "nothing";
}

using tutti::launcher;
using tutti::look_around;
using tutti::surroundings;

}  // namespace

TEST_CASE("environment: a world of one where nothing is said") {
  only nothing({});
  surroundings s = look_around();
  CHECK(s.by == launcher::none);
  CHECK(s.rank == 0);
  CHECK(s.size == 1);
  CHECK(tutti::join(s).size() == 1);
}

TEST_CASE("environment: RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT") {
  {
    only set({{"RANK", "2"}, {"WORLD_SIZE", "5"}, {"MASTER_ADDR", "node7"}, {"MASTER_PORT", "1234"}});
    surroundings s = look_around();
    CHECK(s.by == launcher::torchrun);
    CHECK(s.rank == 2);
    CHECK(s.size == 5);
    CHECK(s.tcp.rank == 2);
    CHECK(s.tcp.size == 5);
    CHECK(s.tcp.host == "node7");
    CHECK(s.tcp.port == 1234);
  }
  {
    only set({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "::1"}});
    CHECK(look_around().tcp.port == 29500);
  }
}

TEST_CASE("environment: torchrun's agent holds MASTER_PORT itself") {
  only set({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "1234"},
            {"TORCHELASTIC_USE_AGENT_STORE", "True"}, {"TORCHELASTIC_RUN_ID", "r"}, {"TORCHELASTIC_RESTART_COUNT", "3"}});
  CHECK(look_around().tcp.port == 1235);
  CHECK(look_around().tcp.job == "torchrun r 3");
}

TEST_CASE("environment: what is missing or wrong is named") {
  {
    only set({{"WORLD_SIZE", "5"}, {"MASTER_ADDR", "a"}});
    CHECK(refusal() == "RANK, WORLD_SIZE and MASTER_ADDR belong together, but RANK is not set");
  }
  {
    only set({{"WORLD_SIZE", "5"}, {"RANK", "1"}});
    CHECK(refusal() == "RANK, WORLD_SIZE and MASTER_ADDR belong together, but MASTER_ADDR is not set");
  }
  {
    only set({{"RANK", "1"}, {"MASTER_ADDR", "a"}});
    CHECK(refusal() == "RANK, WORLD_SIZE and MASTER_ADDR belong together, but WORLD_SIZE is not set");
  }
  {
    only set({{"WORLD_SIZE", "5"}, {"RANK", "5"}, {"MASTER_ADDR", "a"}});
    CHECK(refusal() == "RANK is 5, but WORLD_SIZE is 5: ranks count from 0");
  }
  {
    only set({{"WORLD_SIZE", "many"}, {"RANK", "5"}, {"MASTER_ADDR", "a"}});
    CHECK(refusal() == "WORLD_SIZE is 'many': it takes a whole number from 1 to 1048576");
  }
  {
    only set({{"WORLD_SIZE", "2"}, {"RANK", "1"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "70000"}});
    CHECK(refusal() == "MASTER_PORT is '70000': it takes a whole number from 1 to 65534");
  }
  {
    only set({{"RANK", "1"}, {"MASTER_PORT", "7"}});  // a name that others use too
    CHECK(refusal() == "nothing");
  }
}

TEST_CASE("environment: Slurm's steps") {
  {
    only set({{"SLURM_STEP_ID", "3"}, {"SLURM_JOB_ID", "41"}, {"SLURM_PROCID", "4"}, {"SLURM_STEP_NUM_TASKS", "6"},
              {"SLURM_STEP_NUM_NODES", "2"}, {"SLURM_STEP_NODELIST", "n[07-08]"}});
    surroundings s = look_around();
    CHECK(s.by == launcher::slurm);
    CHECK(s.rank == 4);
    CHECK(s.size == 6);
    CHECK(s.tcp.host == "n07");
    CHECK(s.tcp.port == 20000 + 41 * 131 + 3);
    CHECK(s.tcp.job == "slurm 41.3");
    ::setenv("SLURM_JOB_ID", "42", 1);
    CHECK(look_around().tcp.port != s.tcp.port);
    ::setenv("SLURM_JOB_ID", "4000000000", 1);
    CHECK(look_around().tcp.port >= 20000);
    CHECK(look_around().tcp.port < 32000);
    ::setenv("SLURM_STEP_NUM_NODES", "1", 1);
    CHECK(look_around().tcp.host == "127.0.0.1");
    ::setenv("MASTER_ADDR", "other", 1);
    ::setenv("MASTER_PORT", "99", 1);
    CHECK(look_around().tcp.host == "other");
    CHECK(look_around().tcp.port == 99);
  }
  {
    only set({{"SLURM_JOB_ID", "41"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}});  // a batch script, no step
    CHECK(look_around().by == launcher::none);
    ::unsetenv("SLURM_NTASKS");
  }
  {
    only set({{"SLURM_STEP_ID", "4294967290"}, {"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}});  // salloc's shell
    CHECK(look_around().by == launcher::none);
  }
}

TEST_CASE("environment: the first host of a node list") {
  using tutti::detail::first_host;
  CHECK(first_host("gpu1") == "gpu1");
  CHECK(first_host("gpu1,gpu2") == "gpu1");
  CHECK(first_host("gpu[1-4]") == "gpu1");
  CHECK(first_host("gpu[007,9-12]") == "gpu007");
  CHECK(first_host("rack[2-3]n[07,09-12],gpu1") == "rack2n07");
  CHECK(first_host("n[1-2]-ib,m3") == "n1-ib");
}

TEST_CASE("environment: mpirun needs the header that knows PMIx") {
  REQUIRE(!tutti::detail::join_through_pmix);
  only set({{"PMIX_RANK", "1"}, {"PMIX_NAMESPACE", "job"}, {"OMPI_COMM_WORLD_SIZE", "2"},
            // mpirun inside an allocation: its daemons' step is not ours
            {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}});
  CHECK(refusal() == "started by mpirun, but this program does not know PMIx: include <tutti/launch/pmix.hpp> and link "
                     "libpmix (pkg-config pmix)");
  tutti::detail::join_through_pmix = [](double) { return tutti::any_bootstrap(); };
  CHECK(look_around().by == launcher::pmix);
  CHECK(look_around().size == 2);
  ::setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
  CHECK(look_around().by == launcher::none);
  ::setenv("RANK", "0", 1);
  ::setenv("WORLD_SIZE", "3", 1);
  ::setenv("MASTER_ADDR", "a", 1);
  CHECK(look_around().by == launcher::torchrun);  // said by the user, inside of anything
  tutti::detail::join_through_pmix = nullptr;
}

TEST_CASE("environment: an mpiexec that is not understood is no world of one") {
  only set({{"PMI_SIZE", "4"}, {"PMI_RANK", "1"}});
  CHECK(refusal().starts_with("started by an mpiexec that speaks PMI-1, as one of 4"));
  ::unsetenv("PMI_RANK");
}

TEST_CASE("environment: how many ranks there will be is known before") {
  auto expected = [](std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    const int ranks = tutti::ranks_expected(static_cast<int>(words.size()), argv.data());
    CHECK(argv[1] == words[1].data());
    return ranks;
  };
  {
    only nothing({});
    CHECK(expected({"x", "--ranks", "4", "--layout"}) == 4);
    CHECK(expected({"x", "word"}) == 1);
    CHECK_THROWS_WITH_AS(expected({"x", "--ranks=0"}), "--ranks: '0' is not a number from 1 to 4096", tutti::error);
  }
  {
    only set({{"RANK", "2"}, {"WORLD_SIZE", "5"}, {"MASTER_ADDR", "node7"}});
    CHECK(expected({"x", "word"}) == 5);
    CHECK(expected({"x", "--ranks", "5"}) == 5);
  }
  only set({{"PMIX_RANK", "1"}, {"PMIX_NAMESPACE", "job"}});
  tutti::detail::join_through_pmix = [](double) { return tutti::any_bootstrap(); };
  CHECK(expected({"x", "word"}) == 0);
  tutti::detail::join_through_pmix = nullptr;
}
