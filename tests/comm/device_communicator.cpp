#include <tutti/comm/device_communicator.hpp>

#include <doctest/doctest.h>

#include "host_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("it says which way data goes, and refuses a stream of another device and null pointers before anything moves") {
  thread_ranks::run(2, [](communicator& world) {
    device_communicator direct(world, host_device::device{});
    device_communicator staged(world, host_device::device{}, {.staged = true});
    if (!direct.why_staged().empty() || staged.why_staged() != "rank 0: asked to") throw std::logic_error("says otherwise");
    host_device::stream right(0), wrong(1);
    int x = 1;
    for (auto* c : {&direct, &staged}) {
      try {
        c->run(device_call<int, plus>{.input = &x, .output = &x, .count = 1, .input_blocks = 1, .output_blocks = 1}, &wrong);
        throw std::logic_error("took a stream of another device");
      } catch (const error& e) {
        if (e.what() != format("rank %d: all_reduce: the stream is of device 1, and the call is for device 0", world.rank())) throw;
      }
      try {
        c->run(device_call<int, plus>{.input = nullptr, .output = &x, .count = 1, .input_blocks = 1, .output_blocks = 1}, &right);
        throw std::logic_error("took a null pointer");
      } catch (const error& e) {
        if (e.what() != format("rank %d: all_reduce: a null pointer with 4 bytes", world.rank())) throw;
      }
    }
  });
}
