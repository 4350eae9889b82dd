#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/transport/window.hpp>

namespace tutti {

/// How peers of the host find a place in a rank's arena; the segment's key
/// stands behind it.
struct arena_card {
  arena_place place{};
  std::uint64_t address = 0;  ///< of the segment, at its owner
  std::uint32_t key_bytes = 0;
};

/// What ranks tell each other when they connect: values and bytes, one behind
/// the other.
template <class T>
  requires std::is_trivially_copyable_v<T>
void append(std::vector<std::byte>& to, const T& value) {
  const auto* begin = reinterpret_cast<const std::byte*>(&value);
  to.insert(to.end(), begin, begin + sizeof value);
}
inline void append(std::vector<std::byte>& to, const std::vector<std::byte>& bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

/// Reads what `append` wrote. Throws `link` where there is less.
class card_reader {
 public:
  explicit card_reader(const std::vector<std::byte>& bytes) : bytes_(bytes) {}

  template <class T>
  T value() {
    T v;
    std::memcpy(&v, take(sizeof v), sizeof v);
    return v;
  }
  std::vector<std::byte> bytes(std::size_t n) {
    const std::byte* begin = take(n);
    return {begin, begin + n};
  }

 private:
  const std::byte* take(std::size_t n) {
    if (n > bytes_.size() - at_) throw error(errc::link, "a rank's connection data is too short");
    at_ += n;
    return bytes_.data() + at_ - n;
  }

  const std::vector<std::byte>& bytes_;
  std::size_t at_ = 0;
};

}  // namespace tutti
