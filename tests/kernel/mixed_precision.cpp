#include <tutti/kernel/mixed_precision.hpp>

#include "channels_last_cases.hpp"

TEST_CASE("a step in 16 bits keeps its masters in float, and one that overflowed is left out, on the host") {
  elementwise_cases::on_host machine;
  channels_last_cases::check_mixed(machine);
}
