#include <tutti/comm/device_cost.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace tutti;

TEST_CASE("what the busiest rank moves is counted by way and collective") {
  const auto is = [](device_traffic t, double steps, double bytes) {
    CHECK(t.steps == steps);
    CHECK(t.bytes == bytes);
  };
  is(traffic_of(device_way::windows, collective::all_reduce, 4096, 4), 1, 3 * 4096);
  is(traffic_of(device_way::windows, collective::all_reduce, one_shot_bytes * 4, 4), 2, 1.5 * 4 * one_shot_bytes);
  is(traffic_of(device_way::messages, collective::all_reduce, 4096, 4), 1, 3 * 4096);
  is(traffic_of(device_way::messages, collective::all_reduce, one_shot_bytes * 4, 4), 2, 1.5 * 4 * one_shot_bytes);
  is(traffic_of(device_way::nccl, collective::all_reduce, 4096, 4), 6, 1.5 * 4096);
  is(traffic_of(device_way::nccl, collective::all_gather, 100, 5), 4, 400);
  is(traffic_of(device_way::windows, collective::broadcast, 100, 5), 1, 400);
  is(traffic_of(device_way::nccl, collective::broadcast, 100, 5), 4, 100);
  is(traffic_of(device_way::staging, collective::all_reduce, 100, 2), 2, 300);
  is(traffic_of(device_way::staging, collective::all_gather, 100, 2), 1, 500);
  for (device_way way : {device_way::windows, device_way::messages, device_way::nccl})
    for (collective what : every_collective) CHECK(traffic_of(way, what, 64, 1).steps == 0);
}

TEST_CASE("a fitted cost gives the two times that were measured") {
  const device_cost before{.latency_s = 1, .step_s = 2e-6, .bytes_per_s = 1e9};
  const device_traffic small{.steps = 6, .bytes = 100}, large{.steps = 6, .bytes = 1e8};
  const device_cost found = fitted(before, small, 20e-6, large, 2e-3);
  CHECK(seconds_of(found, small) == doctest::Approx(20e-6).epsilon(1e-12));
  CHECK(seconds_of(found, large) == doctest::Approx(2e-3).epsilon(1e-12));
  CHECK(found.step_s == before.step_s);
  // The larger took no longer.
  const device_cost odd = fitted(before, small, 20e-6, large, 10e-6);
  CHECK(odd.bytes_per_s == before.bytes_per_s);
  CHECK(odd.latency_s >= 0);
}

TEST_CASE("ways have names") {
  CHECK(std::string(name_of(device_way::windows)) == "windows");
  CHECK(std::string(name_of(device_way::messages)) == "messages");
  CHECK(std::string(name_of(device_way::staging)) == "staging");
  CHECK(std::string(name_of(device_way::nccl)) == "nccl");
  const device_costs costs;
  CHECK(&cost_of(costs, device_way::nccl) == &costs.nccl);
  CHECK(&cost_of(costs, device_way::messages) == &costs.messages);
  CHECK(&cost_of(costs, device_way::staging) == &costs.staging);
  CHECK(&cost_of(costs, device_way::windows) == &costs.windows);
}
