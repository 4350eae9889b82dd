// refused: tutti: on a device, convert before the call and scale after it (see device/thrust.hpp)
#include <tutti/comm/device_collectives.hpp>

#include <../tests/comm/host_device.hpp>

void f(tutti::device_communicator<host_device::device>& there, tutti::span<float> x, host_device::stream& stream) {
  tutti::all_reduce(there, x, tutti::average{}, &stream);
}
