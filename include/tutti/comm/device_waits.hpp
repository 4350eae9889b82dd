#pragma once
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tutti {

/// What lets streams of a device wait for other ranks while nobody looks.
class device_wait {
 public:
  /// Throws what went wrong since.
  virtual void check() const = 0;
  /// No stream waits for it from here on, nor does the host.
  virtual void give_up(const std::string& why) = 0;
  /// Several are given up in between: what waits for the device must not keep the next of
  /// them from being so.
  virtual void begin_together() {}
  virtual void end_together() {}

 protected:
  ~device_wait() = default;
};

/// Those of a session. Each is looked at and given up by the thread that added it, which
/// uses it: while one thread gives up what is its own, another may.
class device_waits {
 public:
  void add(device_wait& w) {
    const std::lock_guard held(mutex_);
    all_.push_back({&w, std::this_thread::get_id()});
  }
  void remove(const device_wait& w) {
    const std::lock_guard held(mutex_);
    all_.remove_if([&](const entry& e) { return e.what == &w; });
  }

  /// Throws what the first says that has something to say.
  void check() const {
    for (const device_wait* w : of_this_thread()) w->check();
  }
  void give_up(const std::string& why) {
    const std::vector<device_wait*> mine = of_this_thread();
    for (device_wait* w : mine) w->begin_together();
    for (device_wait* w : mine) w->give_up(why);
    for (device_wait* w : mine) w->end_together();
  }

 private:
  struct entry {
    device_wait* what;
    std::thread::id by;
  };

  std::vector<device_wait*> of_this_thread() const {
    const std::lock_guard held(mutex_);
    std::vector<device_wait*> mine;
    for (const entry& e : all_)
      if (e.by == std::this_thread::get_id()) mine.push_back(e.what);
    return mine;
  }

  mutable std::mutex mutex_;
  std::list<entry> all_;
};

}  // namespace tutti
