// refused: one type travels and one is accumulated in; name each once, as in send_as<bfloat16>(accumulate_in<float>(plus{}))
#include <tutti/base/accumulation.hpp>

auto op = tutti::accumulate_in<float>(tutti::send_as<tutti::bfloat16>(tutti::plus{}));
