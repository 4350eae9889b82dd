#pragma once
#include <cstddef>
#include <string_view>

#include <tutti/base/space.hpp>

namespace tutti {

/// One message as it is asked for: a send, or a receive.
struct message_call {
  bool sends = false;
  int peer = -1;
  int tag = 0;
  void* data = nullptr;  ///< only read where it is sent
  std::size_t count = 0;
  std::size_t element = 1;  ///< bytes
  std::string_view type = {};
  memory_kind memory = memory_kind::host;  ///< the same on both sides

  const char* name() const { return sends ? "send" : "recv"; }
  std::size_t bytes() const { return count * element; }

  /// Whether both name the same call, whatever its memory: types are compared by
  /// where their names stand, which may take equals for different, never the
  /// reverse.
  bool is(const message_call& other) const {
    return count == other.count && tag == other.tag && peer == other.peer && sends == other.sends && memory == other.memory &&
           element == other.element && type.data() == other.type.data();
  }
};

}  // namespace tutti
