#include <tutti/kernel/channels_last_batch_norm.hpp>

#include "channels_last_cases.hpp"

TEST_CASE("batch norm of pictures with their channels last is the naive one's equal, on the host") {
  elementwise_cases::on_host machine;
  channels_last_cases::check_batch_norm(machine);
}
