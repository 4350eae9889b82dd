// refused: what is accumulated in another type than it travels in is rounded again and again, which only numbers can be; name one type for both
#include <tutti/base/binned.hpp>
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<float>& x) {
  tutti::all_reduce(c, x, tutti::send_as<float>(tutti::accumulate_in<tutti::binned<float>>(tutti::plus{})));
}
