#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <ucp/api/ucp.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/environment.hpp>
#include <tutti/base/error.hpp>
#include <tutti/base/space.hpp>
#include <tutti/base/span.hpp>

// UCX's handles as objects that close themselves. Each must be destroyed before
// what it was made from.

namespace tutti::ucx {

inline void check(ucs_status_t status, const char* doing) {
  if (status != UCS_OK) throw error(errc::link, format("UCX: %s: %s", doing, ucs_status_string(status)));
}

constexpr ucs_memory_type_t type_of(memory_kind kind) { return kind == memory_kind::cuda ? UCS_MEMORY_TYPE_CUDA : UCS_MEMORY_TYPE_HOST; }

/// Whether messages can go over tcp only: no adapter for remote memory is on
/// this host, and the user has not chosen between the protocols.
inline bool only_tcp() {
  if (environment("UCX_RNDV_THRESH")) return false;
  std::error_code none;
  return std::filesystem::is_empty("/sys/class/infiniband", none) || none;
}

/// Where messages go that leave a host.
enum class way {
  any,             ///< out of this machine, or nowhere
  within_machine,  ///< over virtual cables only: the other hosts are namespaces of this machine
};

class context {
 public:
  explicit context(way messages = way::any) {
    ucp_config_t* config = nullptr;
    check(ucp_config_read(nullptr, nullptr, &config), "reading its configuration");
    // What a sender leaves with the kernel goes on from whatever core takes acknowledgements
    // in. Over a virtual cable each core has a way of its own, packets overtake one another,
    // and are taken for lost: so it may leave little, which does for a way this short.
    if (messages == way::within_machine && names_are_bare() && !environment("UCX_TCP_SNDBUF"))
      ucp_config_modify(config, "SNDBUF", "128k");  // where UCX takes none it goes as it may
    ucp_params_t params{};
    params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_MT_WORKERS_SHARED | UCP_PARAM_FIELD_NAME;
    params.features = UCP_FEATURE_AM | UCP_FEATURE_RMA | UCP_FEATURE_WAKEUP;
    params.mt_workers_shared = 1;
    params.name = "tutti";
    ucs_status_t status = ucp_init(&params, config, &handle_);
    ucp_config_release(config);
    check(status, "opening a context");
  }
  context(const context&) = delete;
  context& operator=(const context&) = delete;
  ~context() { ucp_cleanup(handle_); }

  ucp_context_h get() const { return handle_; }

  /// Whether this build of UCX, on this machine, has a way to move that.
  bool moves(memory_kind kind) const {
    ucp_context_attr_t attributes{};
    attributes.field_mask = UCP_ATTR_FIELD_MEMORY_TYPES;
    check(ucp_context_query(handle_, &attributes), "asking which memory it moves");
    return (attributes.memory_types & UCS_BIT(type_of(kind))) != 0;
  }

 private:
  /// Whether settings of a transport are asked for without its name, as they were in
  /// UCX 1.13: what later ones take has not been seen, and they warn of any other.
  static bool names_are_bare() {
    unsigned major = 0, minor = 0, release = 0;
    ucp_get_version(&major, &minor, &release);
    return major == 1 && minor <= 13;
  }

  ucp_context_h handle_ = nullptr;
};

class worker {
 public:
  explicit worker(const context& from) {
    ucp_worker_params_t params{};
    params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
    params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
    check(ucp_worker_create(from.get(), &params, &handle_), "making a worker");
  }
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  ~worker() { ucp_worker_destroy(handle_); }

  ucp_worker_h get() const { return handle_; }

  std::vector<std::byte> address() const {
    ucp_address_t* data = nullptr;
    std::size_t size = 0;
    check(ucp_worker_get_address(handle_, &data, &size), "asking for a worker's address");
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    std::vector<std::byte> copy(begin, begin + size);
    ucp_worker_release_address(handle_, data);
    return copy;
  }

 private:
  ucp_worker_h handle_ = nullptr;
};

/// Memory that UCX allocated, so that peers on the same host can open it. What is
/// not used takes none of the machine's.
class shared_memory {
 public:
  shared_memory(const context& from, std::size_t bytes) : context_(from.get()), size_(bytes) {
    ucp_mem_map_params_t params{};
    params.field_mask = UCP_MEM_MAP_PARAM_FIELD_LENGTH | UCP_MEM_MAP_PARAM_FIELD_FLAGS;
    params.length = bytes;
    params.flags = UCP_MEM_MAP_ALLOCATE;
    check(ucp_mem_map(context_, &params, &handle_), "allocating shared memory");
    ucp_mem_attr_t attributes{};
    attributes.field_mask = UCP_MEM_ATTR_FIELD_ADDRESS;
    check(ucp_mem_query(handle_, &attributes), "asking where shared memory lies");
    data_ = static_cast<std::byte*>(attributes.address);
  }
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;
  ~shared_memory() { ucp_mem_unmap(context_, handle_); }

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  /// What a peer needs to open it.
  std::vector<std::byte> key() const {
    void* data = nullptr;
    std::size_t size = 0;
    check(ucp_rkey_pack(context_, handle_, &data, &size), "packing a memory key");
    const auto* begin = static_cast<const std::byte*>(data);
    std::vector<std::byte> copy(begin, begin + size);
    ucp_rkey_buffer_release(data);
    return copy;
  }

 private:
  ucp_context_h context_;
  ucp_mem_h handle_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_;
};

/// A peer's shared memory, opened for loads and stores.
class opened_memory {
 public:
  /// Null data where it cannot be opened.
  opened_memory() = default;
  opened_memory(ucp_ep_h endpoint, const std::byte* key, std::uint64_t remote_address) {
    if (ucp_ep_rkey_unpack(endpoint, key, &key_) != UCS_OK) {
      key_ = nullptr;
      return;
    }
    void* data = nullptr;
    if (ucp_rkey_ptr(key_, remote_address, &data) == UCS_OK) data_ = static_cast<std::byte*>(data);
  }
  opened_memory(opened_memory&& other) noexcept
      : key_(std::exchange(other.key_, nullptr)), data_(std::exchange(other.data_, nullptr)) {}
  opened_memory& operator=(opened_memory&& other) noexcept {
    std::swap(key_, other.key_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~opened_memory() {
    if (key_) ucp_rkey_destroy(key_);
  }

  std::byte* data() const { return data_; }

 private:
  ucp_rkey_h key_ = nullptr;
  std::byte* data_ = nullptr;
};

/// A connection of a worker to another.
class endpoint {
 public:
  endpoint(const worker& from, bytes_view to, ucp_err_handler_cb_t on_error, void* context)
      : worker_(from.get()), forced_(on_error != nullptr) {
    ucp_ep_params_t params{};
    params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
    params.address = reinterpret_cast<const ucp_address_t*>(to.data());
    params.err_mode = on_error ? UCP_ERR_HANDLING_MODE_PEER : UCP_ERR_HANDLING_MODE_NONE;
    if (on_error) {
      params.field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLER;
      params.err_handler = {.cb = on_error, .arg = context};
    }
    check(ucp_ep_create(worker_, &params, &handle_), "connecting to a peer");
  }
  endpoint(endpoint&& other) noexcept
      : worker_(other.worker_), handle_(std::exchange(other.handle_, nullptr)), forced_(other.forced_) {}
  endpoint& operator=(endpoint&&) = delete;
  ~endpoint() { close(true); }

  ucp_ep_h get() const { return handle_; }

  /// Closes it: with `force` at once, without once all that was sent has gone
  /// out, or after a second.
  void close(bool force) { wait_for({start_to_close(force)}); }

  /// The same of several, in a second altogether.
  static void close(const std::vector<std::unique_ptr<endpoint>>& all, bool force) {
    std::vector<closing> begun;
    for (const auto& e : all)
      if (e) begun.push_back(e->start_to_close(force));
    wait_for(begun);
  }

 private:
  struct closing {
    ucp_worker_h worker;
    void* request;  // no pointer where it is closed
  };

  closing start_to_close(bool force) {
    if (!handle_) return {worker_, nullptr};
    ucp_request_param_t params{};
    params.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
    params.flags = force && forced_ ? UCP_EP_CLOSE_FLAG_FORCE : 0;
    return {worker_, ucp_ep_close_nbx(std::exchange(handle_, nullptr), &params)};
  }
  static void wait_for(const std::vector<closing>& all) {
    const double limit = now() + 1.0;
    for (const closing& c : all) {
      if (!UCS_PTR_IS_PTR(c.request)) continue;
      while (ucp_request_check_status(c.request) == UCS_INPROGRESS && now() < limit) ucp_worker_progress(c.worker);
      ucp_request_free(c.request);
    }
  }

  ucp_worker_h worker_;
  ucp_ep_h handle_ = nullptr;
  bool forced_;
};

}  // namespace tutti::ucx
