#include <tutti/kernel/channels_last_loss.hpp>

#include "channels_last_cases.hpp"

TEST_CASE("losses of samples, their gradients and their sums are the naive ones, on the host") {
  elementwise_cases::on_host machine;
  channels_last_cases::check_losses(machine);
}
