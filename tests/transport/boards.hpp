#pragma once
#include <cstddef>
#include <vector>

#include <tutti/device/buffer.hpp>
#include <tutti/transport/billboard.hpp>

namespace tutti {

/// The places and the bells of some members of a billboard.
struct boards {
  explicit boards(std::size_t members) : bells(members) {
    for (std::size_t r = 0; r < members; ++r) {
      memory.emplace_back(board_memory::footprint());
      places.push_back({memory.back().data()});
      places.back().initialise();
    }
  }
  billboard of(std::size_t me) {
    std::vector<doorbell*> others;
    for (std::size_t r = 0; r < bells.size(); ++r)
      if (r != me) others.push_back(&bells[r]);
    return {static_cast<int>(me), places, others};
  }
  std::vector<buffer<std::byte>> memory;
  std::vector<board_memory> places;
  std::vector<doorbell> bells;
};

}  // namespace tutti
