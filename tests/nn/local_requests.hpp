#pragma once
// What one rank of several is asked to compute of a single operation.
#include <string>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/mesh/step_exchanges.hpp>
#include <tutti/nn/local_operation.hpp>

#include "../comm/thread_ranks.hpp"

namespace local_requests {

using backend = tutti::naive_backend<double>;

constexpr int everyone = -1;

/// `body(request)` on rank `r` of the mesh, for the last operation of `net` cut by `rules`.
template <class Body>
void on_rank(int r, const tutti::mesh& m, const tutti::operation_list& net, const std::string& rules, Body body) {
  thread_ranks::run(m.size(), [&](tutti::communicator& world) {
    backend::context c;
    tutti::process_mesh on(world, m);
    const tutti::network_plan plan = plan_network(net, std::string_view(rules), m);
    const tutti::tensor_operation& o = net.all().back();
    const tutti::operation_plan& mine = plan.operations.back();
    tutti::pass_state<backend> state{.seed = 3, .step = 2};
    tutti::local_request<backend> request{.context = c, .on = on, .what = o, .plan = mine, .state = &state};
    request.made = block_of(o.y, mine.made, m, on.rank());
    for (const tutti::operand_plan& x : mine.operands) {
      const tutti::block read = read_of(o, block_of(o.x, x.at, m, on.rank()), request.made);
      request.read.push_back(read);
      request.dims.push_back(sizes_of(read));
      request.x.push_back(backend::format::row_major(sizes_of(read)));
    }
    if (r == everyone || on.rank().value == r) body(request);
  });
}

inline std::vector<backend::tensor> tensors(std::initializer_list<std::vector<double>> all) {
  std::vector<backend::tensor> made;
  backend::context c;
  for (const std::vector<double>& values : all) {
    made.emplace_back(c, backend::format::row_major({{"n", values.size()}}));
    std::copy(values.begin(), values.end(), made.back().stored().begin());
  }
  return made;
}

inline std::vector<double> values(const backend::tensor& t) { return {t.stored().begin(), t.stored().end()}; }

}  // namespace local_requests
