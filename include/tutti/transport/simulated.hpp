#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include <tutti/transport/port.hpp>

namespace tutti {

/// What a simulated network may do to a message.
struct simulation_options {
  std::uint64_t longest_delay = 20;        ///< ticks until a piece may be seen, and until a send counts as done
  std::size_t longest_piece = 64;         ///< bytes; pieces are cut at random, at whole elements
  std::size_t most_under_way = 3;         ///< pieces of a channel
  int refuse_percent = 25;                ///< chance that a port takes nothing just now
  int direct_percent = 50;                ///< chance that a piece is not copied, but read at the sender's when it is used
};

/// All ranks' ports in one thread, in virtual time: delays, cuts and refusals
/// come from a seed, so that a run can be repeated. A piece that is not copied
/// is read when the receiver uses it: a sender that changed it too early is
/// found out.
class simulated_network {
 public:
  simulated_network(int ranks, std::uint64_t seed, simulation_options options = {})
      : ranks_(static_cast<std::size_t>(ranks)), random_(seed), options_(options) {
    for (std::size_t i = 0; i < ranks_ * ranks_; ++i) channels_.emplace_back(*this);
  }
  simulated_network(const simulated_network&) = delete;
  simulated_network& operator=(const simulated_network&) = delete;

  /// The ports of one rank.
  class view {
   public:
    view(simulated_network& all, std::size_t me) : all_(all), me_(me) {}
    send_port& to(int peer) { return all_.channels_[me_ * all_.ranks_ + static_cast<std::size_t>(peer)].in; }
    recv_port& from(int peer) { return all_.channels_[static_cast<std::size_t>(peer) * all_.ranks_ + me_].out; }

   private:
    simulated_network& all_;
    std::size_t me_;
  };
  view of(int rank) { return {*this, static_cast<std::size_t>(rank)}; }

  /// Lets a tick pass.
  void advance() {
    ++now_;
    for (channel& c : channels_) c.settle();
  }

  /// Ticks after which, if no rank can move, none ever will.
  std::uint64_t patience() const { return options_.longest_delay + 1; }

  std::uint64_t bytes_sent() const { return bytes_sent_; }
  std::uint64_t pieces_sent() const { return pieces_sent_; }

  /// A number from 0 to n − 1 (splitmix64).
  std::uint64_t draw(std::uint64_t n) {
    random_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = random_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
  }

 private:
  struct letter {
    const std::byte* lent = nullptr;  // at the sender's
    std::vector<std::byte> copy{};
    std::size_t bytes = 0, used = 0;
    std::uint64_t fingerprint = 0;
    call what{};
    std::uint64_t visible_at = 0;
    bool consumed = false;
    std::uint64_t done_at = 0;
  };

  struct channel {
    explicit channel(simulated_network& net) : owner(net), in(*this), out(*this) {}
    channel(const channel&) = delete;

    // Sends are done in order, some time after their piece was used, or copied.
    void settle() {
      while (!letters.empty() && letters.front().consumed && letters.front().done_at <= owner.now_) {
        if (letters.front().lent) in.in_flight -= letters.front().bytes;
        letters.pop_front();
        --first_unused;
      }
    }

    struct sender final : send_port {
      explicit sender(channel& c) : c_(c) {}
      std::ptrdiff_t send(const std::byte* data, std::size_t bytes, const envelope& e) override {
        simulated_network& net = c_.owner;
        if (c_.letters.size() >= net.options_.most_under_way) return full;
        if (static_cast<int>(net.draw(100)) < net.options_.refuse_percent) return full;
        std::size_t n = bytes;
        if (n > 0) {
          const std::size_t elements = (n < net.options_.longest_piece ? n : net.options_.longest_piece) / e.element;
          if (elements > 0) n = (1 + net.draw(elements)) * e.element;
          else n = 1 + net.draw(n < net.options_.longest_piece ? n : net.options_.longest_piece);
        }
        letter l{.bytes = n, .fingerprint = e.fingerprint, .what = *e.what,
                 .visible_at = net.now_ + net.draw(net.options_.longest_delay + 1)};
        // What was lent settles in order; a copy behind it must not look done before it.
        if (n > 0 && static_cast<int>(net.draw(100)) < net.options_.direct_percent) {
          l.lent = data;
          in_flight += n;
        } else {
          l.copy.assign(data, data + n);
          if (in_flight > 0) {
            l.lent = l.copy.data();
            in_flight += n;
          }
        }
        net.bytes_sent_ += n;
        ++net.pieces_sent_;
        c_.letters.push_back(std::move(l));
        return static_cast<std::ptrdiff_t>(n);
      }
      channel& c_;
    };

    struct receiver final : recv_port {
      explicit receiver(channel& c) : c_(c) {}
      const piece* receive(std::byte*, std::size_t) override {
        if (c_.first_unused == c_.letters.size()) return nullptr;
        letter& l = c_.letters[c_.first_unused];
        if (l.visible_at > c_.owner.now_) return nullptr;
        piece_.data = (l.lent ? l.lent : l.copy.data()) + l.used;
        piece_.bytes = l.bytes - l.used;
        piece_.from = {.fingerprint = l.fingerprint, .what = &l.what};
        return &piece_;
      }
      void consume(std::size_t bytes) override {
        letter& l = c_.letters[c_.first_unused];
        l.used += bytes;
        if (l.used < l.bytes) return;
        l.consumed = true;
        l.done_at = c_.owner.now_ + c_.owner.draw(c_.owner.options_.longest_delay + 1);
        ++c_.first_unused;
      }
      channel& c_;
      piece piece_{};
    };

    simulated_network& owner;
    std::deque<letter> letters;
    std::size_t first_unused = 0;
    sender in;
    receiver out;
  };

  std::size_t ranks_;
  std::uint64_t random_, now_ = 0, bytes_sent_ = 0, pieces_sent_ = 0;
  simulation_options options_;
  std::deque<channel> channels_;
};

}  // namespace tutti
