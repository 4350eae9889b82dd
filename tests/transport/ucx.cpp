#include <tutti/transport/ucx.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <tutti/base/clock.hpp>

using namespace tutti;

TEST_CASE("an error of UCX says what was being done and why it failed") {
  CHECK_NOTHROW(ucx::check(UCS_OK, "nothing"));
  try {
    ucx::check(UCS_ERR_UNREACHABLE, "connecting to a peer");
    CHECK(false);
  } catch (const error& e) {
    CHECK(e.code() == errc::link);
    CHECK(std::string(e.what()) == format("UCX: connecting to a peer: %s", ucs_status_string(UCS_ERR_UNREACHABLE)));
  }
}

TEST_CASE("shared memory is zeroed, wholly there, and has a key") {
  ucx::context context;
  for (std::size_t bytes : {std::size_t{1}, std::size_t{4096}, (std::size_t{1} << 20) + 1}) {
    CAPTURE(bytes);
    ucx::shared_memory memory(context, bytes);
    CHECK(memory.size() == bytes);
    REQUIRE(memory.data() != nullptr);
    bool zero = true;
    for (std::size_t i = 0; i < bytes; ++i) zero &= memory.data()[i] == std::byte{0};
    CHECK(zero);
    memory.data()[bytes - 1] = std::byte{1};
    CHECK_FALSE(memory.key().empty());
    CHECK(memory.key() == memory.key());
  }
}

TEST_CASE("a worker's address connects another to it, and its shared memory opens there") {
  ucx::context context;
  ucx::worker here(context), there(context);
  CHECK(here.address() != there.address());
  ucx::endpoint to(here, there.address(), nullptr, nullptr);
  ucx::shared_memory memory(context, 8192);
  memory.data()[5000] = std::byte{42};
  const auto at = reinterpret_cast<std::uint64_t>(memory.data());
  ucx::opened_memory opened(to.get(), memory.key().data(), at);
  REQUIRE(opened.data() != nullptr);
  CHECK(opened.data()[5000] == std::byte{42});
  opened.data()[1] = std::byte{43};
  CHECK(memory.data()[1] == std::byte{43});
  ucx::opened_memory moved = std::move(opened);
  CHECK(opened.data() == nullptr);  // NOLINT: moved from, and said to be empty
  CHECK(moved.data()[5000] == std::byte{42});
}

TEST_CASE("an endpoint may be moved and closed twice") {
  ucx::context context;
  ucx::worker here(context), there(context);
  ucx::endpoint first(here, there.address(), [](void*, ucp_ep_h, ucs_status_t) {}, nullptr);
  ucx::endpoint second = std::move(first);
  CHECK(first.get() == nullptr);  // NOLINT: moved from, and said to be empty
  CHECK(second.get() != nullptr);
  second.close(true);
  CHECK(second.get() == nullptr);
  second.close(false);
}

TEST_CASE("what was sent has arrived once an endpoint is closed, and one that nobody answers is closed all the same") {
  ucx::context context;
  ucx::worker here(context), there(context);
  std::atomic<int> arrived{0};
  ucp_am_handler_param_t handler{};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  handler.id = 1;
  handler.arg = &arrived;
  handler.cb = [](void* count, const void*, std::size_t, void*, std::size_t, const ucp_am_recv_param_t*) {
    ++*static_cast<std::atomic<int>*>(count);
    return UCS_OK;
  };
  ucx::check(ucp_worker_set_am_recv_handler(there.get(), &handler), "setting a handler");
  const std::vector<std::byte> much(100000);
  constexpr int messages = 20;
  for (bool answered : {true, false}) {
    CAPTURE(answered);
    arrived = 0;
    ucx::endpoint to(here, there.address(), [](void*, ucp_ep_h, ucs_status_t) {}, nullptr);
    std::atomic<bool> over{false};
    std::thread mover([&] {
      while (answered && !over) ucp_worker_progress(there.get());
    });
    std::vector<ucs_status_ptr_t> sent;
    ucp_request_param_t whole{};
    whole.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
    whole.flags = UCP_AM_SEND_FLAG_EAGER;
    for (int i = 0; i < messages; ++i) sent.push_back(ucp_am_send_nbx(to.get(), 1, nullptr, 0, much.data(), much.size(), &whole));
    to.close(false);
    CHECK(to.get() == nullptr);
    for (ucs_status_ptr_t s : sent) {
      REQUIRE_FALSE(UCS_PTR_IS_ERR(s));
      if (!UCS_PTR_IS_PTR(s)) continue;
      if (answered) CHECK(ucp_request_check_status(s) == UCS_OK);
      ucp_request_free(s);
    }
    // What has gone out is with the other worker, which may have to look once more.
    for (const double limit = now() + 20; answered && arrived < messages && now() < limit;) ::sched_yield();
    CHECK(arrived == (answered ? messages : 0));
    over = true;
    mover.join();
  }
}

TEST_CASE("of peers that do not answer, all are waited for at once") {
  ucx::context context;
  ucx::worker here(context);
  std::vector<std::unique_ptr<ucx::worker>> silent;  // nobody moves them
  std::vector<std::unique_ptr<ucx::endpoint>> all;
  for (int i = 0; i < 4; ++i) {
    silent.push_back(std::make_unique<ucx::worker>(context));
    all.push_back(std::make_unique<ucx::endpoint>(here, silent.back()->address(), [](void*, ucp_ep_h, ucs_status_t) {}, nullptr));
  }
  const double begun = now();
  ucx::endpoint::close(all, false);
  const double one = now() - begun;
  MESSAGE(one << " s");
  CHECK(one < 2);
  for (const auto& e : all) CHECK(e->get() == nullptr);
}

namespace {

// How much each connection of this process may leave with the kernel, by descriptor.
std::set<int> send_buffers() {
  std::set<int> sizes;
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) continue;
    if (peer.ss_family != AF_INET && peer.ss_family != AF_INET6) continue;
    int bytes = 0;
    length = sizeof bytes;
    if (::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length) == 0) sizes.insert(bytes);
  }
  return sizes;
}

}  // namespace

TEST_CASE("over virtual cables a connection leaves little with the kernel, unless the user says otherwise") {
  unsigned major = 0, minor = 0, release = 0;
  ucp_get_version(&major, &minor, &release);
  int most = 0;
  std::ifstream("/proc/sys/net/core/wmem_max") >> most;
  const int little = 2 * std::min(128 << 10, most);  // the kernel counts what it keeps beside the bytes
  const bool limits = major == 1 && minor <= 13;
  auto connected_by = [](ucx::way messages) {
    ucx::context context(messages);
    ucx::worker here(context), there(context);
    ucx::endpoint to(here, there.address(), [](void*, ucp_ep_h, ucs_status_t) {}, nullptr);
    std::set<int> sizes;
    for (const double limit = now() + 20; sizes.empty() && now() < limit;) {
      ucp_worker_progress(here.get());
      ucp_worker_progress(there.get());
      sizes = send_buffers();
    }
    to.close(true);
    return sizes;
  };
  REQUIRE(send_buffers().empty());
  const char* const was = std::getenv("UCX_TCP_SNDBUF");
  const std::string users = was ? was : "";
  ::unsetenv("UCX_TCP_SNDBUF");
  CHECK(connected_by(ucx::way::within_machine).contains(little) == limits);
  CHECK_FALSE(connected_by(ucx::way::any).contains(little));
  ::setenv("UCX_TCP_SNDBUF", "64k", 1);
  CHECK_FALSE(connected_by(ucx::way::within_machine).contains(little));
  if (was) ::setenv("UCX_TCP_SNDBUF", users.c_str(), 1);
  else ::unsetenv("UCX_TCP_SNDBUF");
}

TEST_CASE("it says which memory it moves: the host's always") {
  ucx::context context;
  CHECK(context.moves(memory_kind::host));
  CHECK(context.moves(memory_kind::as_cuda));
  CHECK(ucx::type_of(memory_kind::cuda) == UCS_MEMORY_TYPE_CUDA);
  CHECK(ucx::type_of(memory_kind::as_cuda) == UCS_MEMORY_TYPE_HOST);
}
