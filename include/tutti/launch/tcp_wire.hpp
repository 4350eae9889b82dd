#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include <unistd.h>

#include <tutti/base/error.hpp>
#include <tutti/base/span.hpp>
#include <tutti/launch/socket.hpp>

namespace tutti {

/// Who joins whom, over TCP.
struct tcp_options {
  int rank = 0;
  int size = 1;
  std::string host = "127.0.0.1";  ///< rank 0's, by name or number
  int port = 29500;                ///< rank 0's
  std::string job;                 ///< jobs of different names do not join each other
  double join_timeout = 60;        ///< seconds until all ranks must have joined
  double timeout = 300;            ///< seconds until all must have come to an all-gather
};

}  // namespace tutti

namespace tutti::detail {

// What ranks say to each other while they join. All are of one build, so
// numbers keep the byte order of the machine: another order has another magic.

inline constexpr std::uint64_t tcp_magic = 0x31'2d'69'74'74'75'54'89;  // no text starts with 0x89
inline constexpr std::uint32_t tcp_version = 1;
inline constexpr std::size_t tcp_most_bytes = std::size_t{64} << 20;  ///< of one contribution
inline constexpr std::size_t tcp_longest_text = 4096;                 ///< of a failure

/// The first words of whoever connects to rank 0.
struct tcp_hello {
  std::uint64_t magic = tcp_magic;
  std::uint32_t version = tcp_version;
  std::int32_t rank = 0, size = 0;
  std::uint32_t pid = 0;
  std::uint64_t job = 0;
  char host[64] = {};

  explicit tcp_hello(const tcp_options& options = {})
      : rank(options.rank), size(options.size), pid(static_cast<std::uint32_t>(::getpid())) {
    job = 0xcbf29ce484222325u;  // FNV-1a
    for (char c : options.job) job = (job ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    ::gethostname(host, sizeof host - 1);
  }

  std::string name() const {
    return format("%.*s/%u", static_cast<int>(::strnlen(host, sizeof host)), host, static_cast<unsigned>(pid));
  }
};

enum class tcp_kind : std::uint32_t {
  accepted,  ///< rank 0 has read the hello
  welcome,   ///< all have joined
  data,      ///< a contribution, to rank 0
  result,    ///< `size` lengths of 8 bytes, then all contributions by rank, from rank 0
  failure,   ///< the text of an error, its code and the rank at fault
};

struct tcp_frame {
  std::uint64_t magic = tcp_magic;
  tcp_kind kind = tcp_kind::failure;
  std::int32_t code = 0, rank = -1;
  std::uint32_t padding = 0;
  std::uint64_t round = 0, length = 0;
};

/// One connection between rank 0 and another rank, and the frame that is being read from it.
struct tcp_peer : frame_reader<tcp_frame> {
  socket line;
  std::string name{};  ///< host/pid

  transfer read(std::size_t most) {
    return read_frame(line, most, [](const tcp_frame& f) { return f.magic == tcp_magic; });
  }

  /// A whole frame, `later` at the deadline.
  transfer read_until(double deadline, std::size_t most) {
    for (;;) {
      transfer t = read(most);
      if (t != transfer::later) return t;
      if (!wait_for(line, POLLIN, deadline)) return transfer::later;
    }
  }

  transfer send(tcp_frame head, bytes_view bytes, double deadline) const {
    head.length = bytes.size();
    transfer t = send_all(line, &head, sizeof head, deadline);
    return t == transfer::moved ? send_all(line, bytes.data(), bytes.size(), deadline) : t;
  }

  /// Best effort: a peer that is gone, or that does not read, is not waited for.
  void send_failure(const error& e) const {
    std::string text = e.what();
    if (text.size() > tcp_longest_text) text.resize(tcp_longest_text);
    send({.kind = tcp_kind::failure, .code = static_cast<std::int32_t>(e.code()), .rank = e.rank()},
         {reinterpret_cast<const std::byte*>(text.data()), text.size()}, now() + 1);
  }

  /// The error in a failure frame.
  error failure() const {
    auto code = frame.code >= 0 && frame.code <= static_cast<int>(errc::device)
                    ? static_cast<errc>(frame.code) : errc::launch;
    return error(code, {reinterpret_cast<const char*>(payload.data()), payload.size()}, frame.rank);
  }
};

}  // namespace tutti::detail
