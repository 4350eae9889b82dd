#pragma once
#include <cstdint>

namespace tutti {

/// Memory that the processor loads and stores.
struct host {
  static constexpr const char* name = "host";
};

/// Memory of a CUDA device.
struct cuda {
  static constexpr const char* name = "cuda";
  static constexpr bool away = true;  ///< the processor neither loads nor stores there
};

/// Memory of the host that stays where it is, so that a CUDA device copies from
/// and to it while the processor does something else.
struct pinned {
  static constexpr const char* name = "pinned";
};

template <class T>
concept memory_space = requires { T::name; };

/// What a link that moves messages must know of the memory at their ends.
enum class memory_kind : std::uint8_t {
  host,
  cuda,     ///< of a CUDA device: nobody but the link and the device touches it
  as_cuda,  ///< the host's, moved in the same way as a device's: for tests where there is none
};

constexpr const char* name_of(memory_kind kind) {
  return kind == memory_kind::host ? "host" : kind == memory_kind::cuda ? "cuda" : "as_cuda";
}

/// Whether the processor loads and stores there.
template <memory_space Space>
inline constexpr bool on_host = !requires { requires Space::away; };

}  // namespace tutti
