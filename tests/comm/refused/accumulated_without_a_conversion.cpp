// refused: accumulate_in and send_as convert every element there and back, so the type that they name needs a static_cast from and to the element's
#include <tutti/comm/collectives.hpp>

#include <vector>

struct pair_of_floats {
  float a, b;
  friend pair_of_floats operator+(pair_of_floats x, pair_of_floats y) { return {x.a + y.a, x.b + y.b}; }
};

void f(tutti::communicator& c, std::vector<float>& x) { tutti::all_reduce(c, x, tutti::accumulate_in<pair_of_floats>(tutti::plus{})); }
