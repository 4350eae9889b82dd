#include <tutti/analysis/link_model.hpp>

#include <doctest/doctest.h>

namespace {

using namespace tutti;

// Powers of two, so that every sum below is exact.
constexpr link_model plain{.latency_s = 0.5,
                           .step_s = 0.25,
                           .send_bytes_per_s = 2,
                           .recv_bytes_per_s = 4,
                           .fold_bytes_per_s = 1,
                           .wire_bytes_per_s = 8};

constexpr step_cost cost(step s, const link_model& link, double chunk_bytes, double vector_bytes) {
  return cost_of(s, {0}, chunk_bytes, vector_bytes, cost_model{.link = link});
}

TEST_CASE("each verb is billed to its own processor at its own rate") {
  const step_cost send = cost({.what = verb::send, .peer = {1}, .where = {{0}, 2}}, plain, 8, 16);
  CHECK(send.busy_s == 0.25 + 16 / 2.0);
  CHECK(send.wire_s == 16 / 8.0);
  CHECK(send.latency_s == 0.5);
  const step_cost recv = cost({.what = verb::recv, .peer = {1}}, plain, 8, 16);
  CHECK(recv.busy_s == 0.25 + 8 / 4.0);
  CHECK(recv.wire_s == 0);
  CHECK(recv.latency_s == 0);
  CHECK(cost({.what = verb::recv_reduce, .peer = {1}}, plain, 8, 16).busy_s == 0.25 + 8 / 1.0);
  CHECK(cost({.what = verb::copy}, plain, 8, 16).busy_s == 0.25 + 8 / 2.0);
}

TEST_CASE("what exceeds the cache moves at the rate of memory, never faster than in cache") {
  link_model link = plain;
  link.near_bytes = 16;
  link.far_bytes_per_s = 1;
  const step send{.what = verb::send, .peer = {1}};
  CHECK(cost(send, link, 8, 16).busy_s == 0.25 + 4);
  CHECK(cost(send, link, 8, 32).busy_s == 0.25 + 0.5 * 4 + 0.5 * 8);
  CHECK(cost(send, link, 8, 64).busy_s == 0.25 + 0.25 * 4 + 0.75 * 8);
  link.far_bytes_per_s = 100;
  CHECK(cost(send, link, 8, 64).busy_s == 0.25 + 4);
}

TEST_CASE("a rate of 0 costs nothing") {
  const step_cost nothing = cost({.what = verb::send, .peer = {1}}, {}, 1e9, 1e9);
  CHECK(nothing.busy_s == 0);
  CHECK(nothing.wire_s == 0);
}

}  // namespace
