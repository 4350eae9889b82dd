// Gloo's collectives over TCP on loopback beside Tutti's, with tutti-perf's
// command line; starts its own ranks.
//
//     peer-gloo all_reduce --ranks 2 --all-reduce bcube --json
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/allreduce_halving_doubling.h>
#include <gloo/allreduce_ring_chunked.h>
#include <gloo/alltoall.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>
#include <gloo/config.h>
#include <gloo/gather.h>
#include <gloo/math.h>
#include <gloo/reduce.h>
#include <gloo/reduce_scatter.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/scatter.h>
#include <gloo/transport/tcp/device.h>

#include <tutti/launch/local_processes.hpp>

#include "driver.hpp"

namespace {

using namespace benchmarks;

/// Where ranks leave their addresses: what is set goes to all at once, so it
/// must be set by all, the same number of times. Nothing stays on the disk.
class gathered_store : public gloo::rendezvous::Store {
 public:
  explicit gathered_store(tutti::shared_bootstrap& team) : team_(team) {}

  void set(const std::string& key, const std::vector<char>& data) override {
    const auto keys = team_.all_gather(tutti::bytes_view(reinterpret_cast<const std::byte*>(key.data()), key.size()));
    const auto values = team_.all_gather(tutti::bytes_view(reinterpret_cast<const std::byte*>(data.data()), data.size()));
    for (std::size_t r = 0; r < keys.size(); ++r) {
      const auto* text = reinterpret_cast<const char*>(values[r].data());
      all_[std::string(reinterpret_cast<const char*>(keys[r].data()), keys[r].size())].assign(text, text + values[r].size());
    }
  }
  std::vector<char> get(const std::string& key) override {
    wait({key});
    return all_.at(key);
  }
  void wait(const std::vector<std::string>& keys) override {
    for (const std::string& key : keys)
      if (!all_.count(key)) throw tutti::error(tutti::errc::launch, "no rank has set '" + key + "'");
  }
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds&) override { wait(keys); }

 private:
  tutti::shared_bootstrap& team_;
  std::map<std::string, std::vector<char>> all_;
};

template <class T>
const gloo::ReductionFunction<T>* reduction(const std::string& name) {
  using function = gloo::ReductionFunction<T>;
  return name == "sum" ? function::sum : name == "prod" ? function::product : name == "min" ? function::min : function::max;
}

/// The same for those calls that write elsewhere than they read.
template <class T>
auto reduction_apart(const std::string& name) {
  void (*function)(void*, const void*, const void*, std::size_t) = &gloo::max<T>;
  if (name == "sum") function = &gloo::sum<T>;
  if (name == "prod") function = &gloo::product<T>;
  if (name == "min") function = &gloo::min<T>;
  return function;
}

bool has(collective what) {
  switch (what) {
    case collective::all_reduce:
    case collective::reduce_scatter:
    case collective::all_gather:
    case collective::broadcast:
    case collective::reduce:
    case collective::gather:
    case collective::scatter:
    case collective::all_to_all:
    case collective::barrier: return true;
    default: return false;
  }
}

/// Gloo has calls, and algorithms of its older interface: objects that are
/// bound to memory, made once and run in place, from which the input must be
/// kept apart.
template <class T>
class gloo_call {
 public:
  using context = std::shared_ptr<gloo::Context>;

  gloo_call(context all, const problem& p, const std::string& op, const std::string& how)
      : all_(std::move(all)), of_(p), op_(op), how_(how) {}

  void operator()(tutti::span<const T> in, tutti::span<T> out) {
    T* const from = const_cast<T*>(in.data());  // Gloo does not write to it
    switch (of_.what) {
      case collective::all_reduce: return all_reduce(from, out);
      case collective::reduce_scatter: return reduce_scatter(from, out);
      case collective::all_gather: {
        gloo::AllgatherOptions call(all_);
        call.setInput(from, in.size());
        call.setOutput(out.data(), out.size());
        return gloo::allgather(call);
      }
      case collective::broadcast: {
        gloo::BroadcastOptions call(all_);
        call.setOutput(out.data(), out.size());
        call.setRoot(0);
        return gloo::broadcast(call);
      }
      case collective::reduce: {
        gloo::ReduceOptions call(all_);
        call.setInput(from, in.size());
        call.setOutput(out.data(), out.size());
        call.setReduceFunction(reduction_apart<T>(op_));
        call.setRoot(0);
        return gloo::reduce(call);
      }
      case collective::gather: {
        gloo::GatherOptions call(all_);
        call.setInput(from, in.size());
        if (all_->rank == 0) call.setOutput(out.data(), out.size());
        call.setRoot(0);
        return gloo::gather(call);
      }
      case collective::scatter: {
        gloo::ScatterOptions call(all_);
        if (all_->rank == 0) call.setInputs(blocks(from, out.size()), out.size());
        call.setOutput(out.data(), out.size());
        call.setRoot(0);
        return gloo::scatter(call);
      }
      case collective::all_to_all: {
        gloo::AlltoallOptions call(all_);
        call.setInput(from, in.size());
        call.setOutput(out.data(), out.size());
        return gloo::alltoall(call);
      }
      default: return;  // `has` says no
    }
  }

 private:
  void all_reduce(T* from, tutti::span<T> out) {
    if (how_ == "ring" || how_ == "bcube") {
      gloo::AllreduceOptions call(all_);
      call.setInput(from, out.size());
      call.setOutput(out.data(), out.size());
      call.setReduceFunction(reduction_apart<T>(op_));
      call.setAlgorithm(how_ == "ring" ? gloo::AllreduceOptions::Algorithm::RING : gloo::AllreduceOptions::Algorithm::BCUBE);
      return gloo::allreduce(call);
    }
    const int count = static_cast<int>(out.size());
    if (!made_ && how_ == "halving_doubling")
      made_ = std::make_unique<gloo::AllreduceHalvingDoubling<T>>(all_, std::vector<T*>{out.data()}, count, reduction<T>(op_));
    else if (!made_)
      made_ = std::make_unique<gloo::AllreduceRingChunked<T>>(all_, std::vector<T*>{out.data()}, count, reduction<T>(op_));
    std::memcpy(out.data(), from, out.size() * sizeof(T));
    made_->run();
  }

  std::vector<T*> blocks(T* from, std::size_t each) const {
    std::vector<T*> begins;
    for (int r = 0; r < of_.ranks; ++r) begins.push_back(from + static_cast<std::size_t>(r) * each);
    return begins;
  }

  void reduce_scatter(T* from, tutti::span<T> out) {
    const std::size_t count = of_.count();
    if (!made_) {
      space_ = tutti::buffer<T>(count);
      made_ = std::make_unique<gloo::ReduceScatterHalvingDoubling<T>>(
          all_, std::vector<T*>{space_.data()}, static_cast<int>(count),
          std::vector<int>(static_cast<std::size_t>(of_.ranks), static_cast<int>(out.size())), reduction<T>(op_));
    }
    std::memcpy(space_.data(), from, count * sizeof(T));
    made_->run();
    std::memcpy(out.data(), space_.data(), out.size() * sizeof(T));
  }

  context all_;
  problem of_;
  std::string op_, how_;
  tutti::buffer<T> space_;
  std::unique_ptr<gloo::Algorithm> made_;
};

class gloo_library {
 public:
  gloo_library(tutti::shared_bootstrap& team, const std::string& all_reduce) : team_(team), all_reduce_(all_reduce) {
    gathered_store store(team);
    auto loopback = gloo::transport::tcp::CreateDevice("127.0.0.1");
    auto all = std::make_shared<gloo::rendezvous::Context>(team.rank(), team.size());
    all->connectFullMesh(store, loopback);
    all_ = all;
  }

  tutti::shared_bootstrap& team() { return team_; }
  std::string version() const {
    return tutti::format("Gloo %d.%d.%d, TCP on loopback", GLOO_VERSION_MAJOR, GLOO_VERSION_MINOR, GLOO_VERSION_PATCH);
  }
  std::string algorithm(collective what) const { return what == collective::all_reduce ? all_reduce_ : "automatic"; }
  void barrier() const {
    gloo::BarrierOptions call(all_);
    gloo::barrier(call);
  }

  template <class T>
  auto call_for(const problem& p, const std::string& op) {
    return gloo_call<T>(all_, p, op, all_reduce_);
  }

 private:
  tutti::shared_bootstrap& team_;
  std::string all_reduce_;
  std::shared_ptr<gloo::Context> all_;
};

}  // namespace

int main(int argc, char** argv) {
  perf_options options;
  std::string all_reduce = "ring";
  tutti::arguments line = command_line("peer-gloo", options);
  line.choice("--all-reduce", all_reduce, {"ring", "bcube", "halving_doubling", "ring_chunked"}, "which of Gloo's");
  if (auto code = line.read(argc, argv)) return *code;
  auto rank = [&](tutti::shared_bootstrap team) {
    try {
      gloo_library library(team, all_reduce);
      return driver(library, options).run();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "peer-gloo: rank %d: %s\n", team.rank(), e.what());
      return 2;
    }
  };
  try {
    options.check();
    if (!has(options.kind()) || !has_type(options.type)) {
      say_that_it_lacks("peer-gloo", options);
      return has_no_such_call;
    }
    const tutti::launch_options launch = tutti::parse_launch_options(argc, argv);
    return tutti::run_local_processes({.ranks = std::max(1, launch.ranks), .tag_output = launch.tag_output}, rank);
  } catch (const tutti::error& e) {
    std::fprintf(stderr, "peer-gloo: %s\n", e.what());
    return 2;
  }
}
