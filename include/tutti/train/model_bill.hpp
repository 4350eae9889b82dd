#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/mesh/bill.hpp>
#include <tutti/nn/operations.hpp>
#include <tutti/nn/sharded_model.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/trainer.hpp>
#include <tutti/train/random_pictures.hpp>
#include <tutti/train/sgd.hpp>

namespace tutti {

/// What a step of a model costs this rank, gradients in the buckets of
/// `bucketed_all_reduce`: what its links will count. Collective.
template <class Backend>
step_bill bill_of(sharded_model<Backend>& m, std::size_t batch, const bucket_options& o = {}) {
  using element = typename Backend::element;
  const network_plan& plan = m.plan_for(batch);
  const std::vector<parameter>& parameters = m.parameters().parameters();
  std::vector<std::size_t> operation_of;
  for (std::size_t i = 0; i < plan.operations.size(); ++i) operation_of.insert(operation_of.end(), plan.operations[i].parameters.size(), i);
  std::vector<gradient_sum> sums;
  for (const gradient_bucket& b : buckets_of(parameters, m.sums(), (o.bytes + sizeof(element) - 1) / sizeof(element))) {
    if (b.axes == 0) continue;
    std::size_t last = b.first_parameter;
    for (const parameter& p : parameters)
      if (p.offset >= b.first && p.offset < b.first + b.count && p.index > last) last = p.index;
    sums.push_back({.axes = b.axes, .operation = operation_of[b.first_parameter], .last = operation_of[last], .elements = b.count});
  }
  return bill(operations_of(m.net(), batch), plan, m.on().shape(), m.on().rank(), sizeof(element), chosen_by_ranks{&m.on()}, sums);
}

/// Bytes that this rank's links count in one step of training on random pictures,
/// all that is not of the whole mesh's own communicator. Changes the model. Collective.
template <class Backend>
std::uint64_t count_step(sharded_model<Backend>& m, std::size_t batch, const bucket_options& o = {}) {
  const dataset data = random_pictures(m.net(), batch, 1);
  sgd<typename Backend::element> optimiser(m.parameters(), {});
  bucketed_all_reduce policy(m, o);
  trainer trainer(m, policy, optimiser, data, {.batch = batch});
  const communicator& all = m.on().all();
  const auto counted = [&] { return all.home().counters().sent().bytes - all.counters().sent().bytes; };
  const std::uint64_t before = counted();
  trainer.train_epoch(0);
  return counted() - before;
}

}  // namespace tutti
