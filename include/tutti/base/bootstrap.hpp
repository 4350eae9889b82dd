#pragma once
#include <concepts>
#include <cstddef>
#include <vector>

#include <tutti/base/span.hpp>

namespace tutti {

/// What every rank contributed, by rank.
using contributions = std::vector<std::vector<std::byte>>;

/// How ranks find each other before they can communicate: they know who they
/// are, how many there are, and can gather bytes from all to all. Contributions
/// may differ in length. Collective, called in the same order by every rank.
template <class T>
concept bootstrap = requires(T& b, bytes_view mine) {
  { b.rank() } -> std::convertible_to<int>;
  { b.size() } -> std::convertible_to<int>;
  { b.all_gather(mine) } -> std::convertible_to<contributions>;
};

/// The all-gather of bytes by which the members of a new communicator tell each
/// other what they need to connect.
class exchange {
 public:
  virtual ~exchange() = default;
  virtual contributions all_gather(bytes_view mine) = 0;
};

template <bootstrap B>
class bootstrap_exchange final : public exchange {
 public:
  explicit bootstrap_exchange(B& b) : bootstrap_(b) {}
  contributions all_gather(bytes_view mine) override { return bootstrap_.all_gather(mine); }

 private:
  B& bootstrap_;
};

/// A world of one.
struct solo_bootstrap {
  static constexpr int rank() { return 0; }
  static constexpr int size() { return 1; }
  static contributions all_gather(bytes_view mine) { return {{mine.begin(), mine.end()}}; }
};

}  // namespace tutti
