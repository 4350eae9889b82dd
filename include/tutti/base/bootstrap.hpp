#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tutti/base/error.hpp>
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

[[noreturn]] inline void raise_other_version() { throw error(errc::launch, "a rank of another version of Tutti has joined"); }

/// What each rank says, by rank; a rank that is not among those that take part says
/// nothing, which is `T{}`.
template <class T>
  requires std::is_trivially_copyable_v<T>
std::vector<T> gather_values(exchange& with, const T& mine) {
  const contributions said = with.all_gather(bytes_of(mine));
  std::vector<T> all(said.size());
  for (std::size_t r = 0; r < said.size(); ++r) {
    if (said[r].empty()) continue;
    if (said[r].size() != sizeof(T)) raise_other_version();
    std::memcpy(static_cast<void*>(&all[r]), said[r].data(), sizeof(T));
  }
  return all;
}

/// An error as one rank tells it to the others.
struct refusal {
  /// Of a long sentence the beginning: `most` bytes in all.
  static std::vector<std::byte> pack(const error& e, std::size_t most = 4096) {
    const head h{static_cast<std::int32_t>(e.code()), e.rank()};
    const std::string text = std::string(e.what()).substr(0, most - sizeof h);
    std::vector<std::byte> bytes(sizeof h + text.size());
    std::memcpy(bytes.data(), &h, sizeof h);
    if (!text.empty()) std::memcpy(bytes.data() + sizeof h, text.data(), text.size());
    return bytes;
  }
  [[noreturn]] static void raise(bytes_view said) {
    head h;
    if (said.size() < sizeof h) raise_other_version();
    std::memcpy(&h, said.data(), sizeof h);
    throw error(static_cast<errc>(h.code), std::string(reinterpret_cast<const char*>(said.data()) + sizeof h, said.size() - sizeof h), h.rank);
  }

 private:
  struct head {
    std::int32_t code, rank;
  };
};

/// Over another one, what several ranks make together: what one of them cannot do
/// is an error of all, where the others would wait for it in the next all-gather.
class joint_exchange final : public exchange {
 public:
  /// Survivors are not told (`tells`): one that cannot join them leaves, and they go on.
  joint_exchange(std::unique_ptr<exchange> with, int rank, bool tells = true) : with_(std::move(with)), rank_(rank), tells_(tells) {}

  /// Throws what another rank has failed with.
  contributions all_gather(bytes_view mine) override { return round(stage::going, mine); }

  /// `make()`, collective. Returns once all ranks have made it; what it throws on
  /// one of them all throw, of several the first one's. Cost: an all-gather more.
  template <class Make>
  void together(Make make) {
    over_ = false;
    try {
      make();
    } catch (const error& e) {
      tell(e);
      throw;
    } catch (const std::exception& e) {
      tell(error(errc::rank_failed, e.what()));
      throw;
    }
    if (tells_) round(stage::going, {});
  }

  /// This rank cannot take part in what the others make.
  void fail(const error& why) noexcept {
    try {
      tell(why);
    } catch (const std::exception&) {
      // All have heard it.
    }
  }

 private:
  enum class stage : std::uint8_t { going = 1, failed = 2 };

  // Throws what all ranks throw, if they can be told.
  void tell(const error& why) {
    if (!tells_ || std::exchange(over_, true)) return;
    contributions all;
    try {
      all = say(stage::failed, refusal::pack(error(why.code(), why.what(), why.rank() < 0 ? rank_ : why.rank())));
    } catch (const std::exception&) {
      return;
    }
    hear(all);
  }

  contributions round(stage at, bytes_view mine) {
    over_ = true;  // unless this goes well
    contributions all = say(at, mine);
    hear(all);
    over_ = false;
    return all;
  }

  contributions say(stage at, bytes_view mine) {
    std::vector<std::byte> said{static_cast<std::byte>(at)};
    said.insert(said.end(), mine.begin(), mine.end());
    return with_->all_gather(said);
  }

  static void hear(contributions& all) {
    for (auto& theirs : all) {
      if (theirs.empty()) continue;  // not one of these ranks
      const auto is = static_cast<stage>(theirs[0]);
      theirs.erase(theirs.begin());
      if (is == stage::failed) refusal::raise(theirs);
      if (is != stage::going) raise_other_version();
    }
  }

  std::unique_ptr<exchange> with_;
  int rank_;
  bool tells_, over_ = false;
};

/// A world of one.
struct solo_bootstrap {
  static constexpr int rank() { return 0; }
  static constexpr int size() { return 1; }
  static contributions all_gather(bytes_view mine) { return {{mine.begin(), mine.end()}}; }
};

}  // namespace tutti
