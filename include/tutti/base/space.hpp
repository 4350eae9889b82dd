#pragma once

namespace tutti {

/// Memory that the processor loads and stores.
struct host {
  static constexpr const char* name = "host";
};

/// Memory of a CUDA device.
struct cuda {
  static constexpr const char* name = "cuda";
};

template <class T>
concept memory_space = requires { T::name; };

}  // namespace tutti
