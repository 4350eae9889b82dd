#include <tutti/kernel/channels_last_pool.hpp>

#include "channels_last_cases.hpp"

TEST_CASE("pools of pictures with their channels last are the naive ones' equals, on the host") {
  elementwise_cases::on_host machine;
  channels_last_cases::check_pools(machine);
}
