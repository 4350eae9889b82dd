// refused: elements aligned to more than 64 bytes cannot be folded where they arrive; align the type to 64 bytes or less
#include <tutti/comm/collectives.hpp>

struct alignas(4096) page {
  char bytes[4096];
};

void f(tutti::communicator& c, std::vector<page>& pages) { tutti::broadcast(c, pages, 0); }
