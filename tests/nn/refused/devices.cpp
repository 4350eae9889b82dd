// refused: tutti::sharded_model: this backend's tensors are on devices: include <tutti/nn/device_moves.hpp>
#include <tutti/nn/sharded_model.hpp>

struct far_away {
  static constexpr const char* name = "far";
  static constexpr bool away = true;
};
struct backend {
  using element = float;
  using number = float;
  using space = far_away;
  struct context {};
};
static_assert(sizeof(tutti::sharded_model<backend>) > 0);
