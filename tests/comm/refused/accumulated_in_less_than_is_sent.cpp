// refused: accumulate_in names a type that is narrower than the one that send_as sends
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<double>& x) {
  tutti::all_reduce(c, x, tutti::send_as<float>(tutti::accumulate_in<tutti::bfloat16>(tutti::plus{})));
}
