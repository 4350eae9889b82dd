#pragma once
#include <concepts>
#include <optional>
#include <type_traits>

#include <tutti/base/numbers.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/comm/device_call.hpp>
#include <tutti/device/nccl_library.hpp>

namespace tutti::detail {

/// The type of NCCL's that is combined as T is; none where it has none. Its fp8s are
/// left out: which devices add them up, and in what, depends on version and device.
template <class T>
constexpr std::optional<nccl::element> nccl_element() {
  using as = nccl::element;
  if constexpr (std::same_as<T, half>) return as::float16;
  else if constexpr (std::same_as<T, bfloat16>) return as::bfloat16;
  else if constexpr (std::same_as<T, float>) return as::float32;
  else if constexpr (std::same_as<T, double>) return as::float64;
  else if constexpr (!std::integral<T> || std::same_as<T, bool>) return {};
  else if constexpr (sizeof(T) == 1) return std::signed_integral<T> ? as::int8 : as::uint8;
  else if constexpr (sizeof(T) == 4) return std::signed_integral<T> ? as::int32 : as::uint32;
  else if constexpr (sizeof(T) == 8) return std::signed_integral<T> ? as::int64 : as::uint64;
  else return {};
}

template <class Op>
constexpr std::optional<nccl::reduction> nccl_reduction() {
  using by = nccl::reduction;
  if constexpr (std::same_as<Op, plus>) return by::sum;
  else if constexpr (std::same_as<Op, multiplies>) return by::product;
  else if constexpr (std::same_as<Op, maximum>) return by::max;
  else if constexpr (std::same_as<Op, minimum>) return by::min;
  else return {};
}

/// Why such a call goes by NCCL only where NCCL is asked for, though it has it: because it
/// gives other results than Tutti's own ways; null where it does not.
template <class T, class Op>
constexpr const char* why_not_unasked(collective what) {
  constexpr bool is_short = std::same_as<T, half> || std::same_as<T, bfloat16>, floats = is_short || std::floating_point<T>;
  if (!reduces(what)) return nullptr;
  if (is_short && std::same_as<Op, plus>) return "NCCL does not promise to add up short floats in float";
  if (floats && (std::same_as<Op, minimum> || std::same_as<Op, maximum>)) return "of a NaN and a number, NCCL's min and max may take the other one";
  return nullptr;
}

/// Why NCCL has no such collective of that type and operation; null where it has.
/// What only moves goes as bytes, whatever its type.
template <class T, class Op>
constexpr const char* why_not_by_nccl(collective what) {
  if (what == collective::scan || what == collective::exclusive_scan) return "NCCL has no scans";
  if (what == collective::barrier) return "NCCL has no barrier";
  if (!reduces(what)) return nullptr;
  if (!nccl_reduction<Op>()) return "NCCL has sum, product, min and max, and no other operation";
  if (!nccl_element<T>()) return "NCCL combines integers of 8, 32 and 64 bits, half, bfloat16, float and double, and nothing else";
  if ((std::same_as<T, half> || std::same_as<T, bfloat16>) && std::same_as<Op, multiplies>)
    return "NCCL would round a product of short floats after every factor";
  return nullptr;
}

}  // namespace tutti::detail
