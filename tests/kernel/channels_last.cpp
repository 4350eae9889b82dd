#include <tutti/kernel/channels_last.hpp>

#include "channels_last_cases.hpp"

TEST_CASE("what moves, adds and drops on pictures with their channels last does what plain loops do, on the host") {
  elementwise_cases::on_host machine;
  channels_last_cases::check_elements(machine);
}
