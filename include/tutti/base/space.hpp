#pragma once

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

/// Whether the processor loads and stores there.
template <memory_space Space>
inline constexpr bool on_host = !requires { requires Space::away; };

}  // namespace tutti
