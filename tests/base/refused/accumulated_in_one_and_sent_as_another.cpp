// refused: the type that is accumulated in is the type that travels, so accumulate_in and send_as cannot be combined; name the one type
#include <tutti/base/accumulation.hpp>

auto op = tutti::accumulate_in<float>(tutti::send_as<tutti::bfloat16>(tutti::plus{}));
