#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/base/span.hpp>

namespace tutti {

/// What ranks tell each other: values and bytes, one behind the other.
template <class T>
  requires(std::is_trivially_copyable_v<T> && !std::is_convertible_v<const T&, bytes_view>)
void append(std::vector<std::byte>& to, const T& value) {
  const bytes_view bytes = bytes_of(value);
  to.insert(to.end(), bytes.begin(), bytes.end());
}
inline void append(std::vector<std::byte>& to, const bytes_view& bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

/// Reads what `append` wrote, which must outlive what is read. Throws `link` where
/// there is less.
class unpacking {
 public:
  explicit unpacking(bytes_view bytes) : rest_(bytes) {}

  template <class T>
  T value() {
    T v;
    std::memcpy(&v, bytes(sizeof v).data(), sizeof v);
    return v;
  }
  bytes_view bytes(std::size_t n) {
    if (n > rest_.size()) throw error(errc::link, "a rank's connection data is too short");
    const bytes_view taken = rest_.subspan(0, n);
    rest_ = rest_.subspan(n, rest_.size() - n);
    return taken;
  }
  bytes_view rest() const { return rest_; }

 private:
  bytes_view rest_;
};

/// What each rank said, as one run of bytes: all lengths, then all that was said.
inline std::vector<std::byte> pack(const std::vector<std::vector<std::byte>>& all) {
  std::vector<std::byte> packed;
  for (const auto& said : all) append(packed, std::uint64_t{said.size()});
  for (const auto& said : all) append(packed, said);
  return packed;
}
/// The same of as many ranks as `all` has room for; false where it is not that.
inline bool unpack(bytes_view packed, std::vector<std::vector<std::byte>>& all) {
  if (packed.size() / 8 < all.size()) return false;
  unpacking lengths(packed), said(packed);
  said.bytes(8 * all.size());
  for (auto& one : all) {
    const auto length = lengths.value<std::uint64_t>();
    if (length > said.rest().size()) return false;
    const bytes_view bytes = said.bytes(length);
    one.assign(bytes.begin(), bytes.end());
  }
  return true;
}

/// What each of `ranks` ranks says, of which at most `most` bytes pass at a time:
/// `pass(piece, take)` gives the next piece of this rank's to all, and calls
/// `take(rank, length, piece)` for each with how long all of its is and the next
/// piece of it.
template <class Pass>
std::vector<std::vector<std::byte>> gather_in_pieces(std::size_t ranks, bytes_view mine, std::size_t most, Pass pass) {
  std::vector<std::vector<std::byte>> all(ranks);
  std::size_t longest = 1;  // even nothing takes one round
  for (std::size_t done = 0; done < longest; done += most) {
    const std::size_t from = std::min(done, mine.size());
    pass(mine.subspan(from, std::min(mine.size() - from, most)), [&](int rank, std::size_t length, const std::byte* piece) {
      longest = std::max(longest, length);
      if (length > done) append(all[static_cast<std::size_t>(rank)], {piece, std::min(length - done, most)});
    });
  }
  return all;
}

}  // namespace tutti
