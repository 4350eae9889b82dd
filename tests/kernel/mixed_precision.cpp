#include <tutti/kernel/mixed_precision.hpp>

#include "channels_last_cases.hpp"

TEST_CASE("a step that overflowed is left out, and what is scaled is scaled back, on the host") {
  elementwise_cases::on_host machine;
  channels_last_cases::check_mixed(machine);
}
