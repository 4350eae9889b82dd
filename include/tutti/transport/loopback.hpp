#pragma once
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/device/buffer.hpp>
#include <tutti/transport/link.hpp>
#include <tutti/transport/slots.hpp>

namespace tutti {

/// What ranks that are threads of one process share; made once, before the
/// threads.
struct loopback_world {
  verdict_board board;
  bool lends = false;  ///< whether ranks read and write each other's buffers where they lie
};

/// Ranks that are threads of one process: channels through memory that they
/// share anyway. Needs no UCX; every rank makes its own from the same `world`.
class loopback_fabric final : public fabric {
 public:
  using world = loopback_world;

  explicit loopback_fabric(world& all, slot_shape shape = {.slots = 4, .bytes = 16384})
      : world_(all), shape_(shape) {}

  std::unique_ptr<engine_transport> make_engine() override { return std::make_unique<engine>(shape_, world_.lends); }
  verdict_board& board() override { return world_.board; }
  void examine(std::uint64_t, const link&, const std::vector<int>&) override {}
  void declare(const verdict& v) override { world_.board.declare(v); }
  void leave() override {}
  std::string describe() const override { return "loopback: ranks are threads of one process"; }

 private:
  /// The memory of one rank's incoming channels; kept alive by all who use it.
  struct inbox {
    inbox(int peers, slot_shape shape, std::shared_ptr<doorbell> bell, bool shows)
        : owner(std::move(bell)), memory(static_cast<std::size_t>(peers) * shape.footprint()),
          shown(shows ? board_memory::footprint() : 0) {
      for (int peer = 0; peer < peers; ++peer) channel(peer, shape).initialise();
      if (shows) places().initialise();
    }
    board_memory places() { return {shown.data()}; }
    slot_memory channel(int from, slot_shape shape) {
      return {memory.data() + static_cast<std::size_t>(from) * shape.footprint(), shape};
    }
    std::shared_ptr<doorbell> owner;
    rank_status status;
    buffer<std::byte> memory, shown;
  };
  using shared_inbox = std::shared_ptr<inbox>;

  class loopback_link final : public link {
   public:
    loopback_link(std::vector<shared_inbox> inboxes, int me, slot_shape shape, bool lends)
        : inboxes_(std::move(inboxes)), me_(me), lends_(lends) {
      std::vector<board_memory> places;
      std::vector<doorbell*> others;
      for (std::size_t peer = 0; peer < inboxes_.size(); ++peer) {
        places.push_back(inboxes_[peer]->places());
        if (peer != static_cast<std::size_t>(me)) others.push_back(inboxes_[peer]->owner.get());
        inbox &mine = *inboxes_[static_cast<std::size_t>(me)], &theirs = *inboxes_[peer];
        senders_.emplace_back(theirs.channel(me, shape), *theirs.owner);
        receivers_.emplace_back(mine.channel(static_cast<int>(peer), shape), *theirs.owner);
      }
      if (inboxes_.front()->shown.size() > 0) board_.emplace(me, std::move(places), std::move(others));
    }
    ~loopback_link() override { status().left.store(1, std::memory_order_release); }

    send_port& to(int peer) override { return senders_[static_cast<std::size_t>(peer)]; }
    recv_port& from(int peer) override { return receivers_[static_cast<std::size_t>(peer)]; }
    link_kind kind(int peer) const override { return peer == me_ ? link_kind::self : link_kind::loopback; }
    std::size_t bytes() const override {
      const inbox& mine = *inboxes_[static_cast<std::size_t>(me_)];
      return mine.memory.size() + mine.shown.size();
    }
    rank_status& status() final { return inboxes_[static_cast<std::size_t>(me_)]->status; }
    const rank_status* status_of(int peer) const override {
      return &inboxes_[static_cast<std::size_t>(peer)]->status;
    }
    bool lends() const override { return lends_; }
    loan lend(const std::byte* data, std::size_t) const override { return reinterpret_cast<loan>(data); }
    std::byte* borrowed(int, loan from) override { return reinterpret_cast<std::byte*>(from); }
    billboard* board() override { return board_ ? &*board_ : nullptr; }

   private:
    std::vector<shared_inbox> inboxes_;
    int me_;
    bool lends_;
    std::vector<slot_sender> senders_;
    std::vector<slot_receiver> receivers_;
    std::optional<billboard> board_;
  };

  class engine final : public engine_transport {
   public:
    engine(slot_shape shape, bool lends) : shape_(shape), lends_(lends), bell_(std::make_shared<doorbell>()) {}

    std::unique_ptr<link> connect(const std::vector<int>& members, int me, exchange& with, link_use use, std::size_t) override {
      slot_shape shape = shape_;
      if (use != link_use::collectives && shape.bytes > 4096) shape.bytes = 4096;
      auto mine = std::make_shared<inbox>(static_cast<int>(members.size()), shape, bell_, use == link_use::collectives);
      shared_inbox* address = &mine;
      contributions all = with.all_gather(bytes_of(address));
      std::vector<shared_inbox> inboxes;
      for (const auto& bytes : all) {
        shared_inbox* theirs;
        std::memcpy(&theirs, bytes.data(), sizeof theirs);
        inboxes.push_back(*theirs);
      }
      with.all_gather({});  // everybody holds everybody's inbox now
      return std::make_unique<loopback_link>(std::move(inboxes), me, shape, lends_);
    }
    bool progress() override { return false; }
    void sleep(double seconds, bool (*look)(void*), void* context) override {
      bell_->sleep(seconds, [&] { return look(context); });
    }
    void wake() override { bell_->wake(); }

   private:
    slot_shape shape_;
    bool lends_;
    std::shared_ptr<doorbell> bell_;
  };

  world& world_;
  slot_shape shape_;
};

}  // namespace tutti
