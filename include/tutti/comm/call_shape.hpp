#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tutti/base/span.hpp>
#include <tutti/comm/kept_functor.hpp>
#include <tutti/device/fold.hpp>
#include <tutti/schedule/algorithm.hpp>
#include <tutti/schedule/contract.hpp>

namespace tutti {

/// The shape of a call: all that decides how it is done. `count` is what the
/// call's definition counts: of the whole vector for all_reduce, broadcast and
/// reduce, of one rank's block for what is cut by ranks (`blocked`); where blocks
/// are uneven, of all that this rank knows together.
struct call_shape {
  collective what = collective::all_reduce;
  std::size_t count = 0;
  std::size_t element = 1;  ///< bytes, as it travels
  std::size_t staging = 0;  ///< bytes of the input as it travels, where that is not as it is given
  std::size_t folded = 0;   ///< bytes of an element as it is folded, where that is not as it travels
  int root = -1;
  bool commutative = true;
  bool in_place = false;  ///< of all_to_all, on this rank: the output is the input
  std::string_view type = {};
  std::string_view operation = {};
  tutti::algorithm algorithm = tutti::algorithm::automatic;
  /// Blocks differ in length. Those of `counts`, one a rank: of all_gather and
  /// reduce_scatter everyone's; of an all_to_all what this rank sends to each,
  /// and `received` from each; of gather and scatter at the root everyone's, and
  /// elsewhere none, `count` being this rank's own. Whoever makes the shape keeps them.
  bool uneven = false;
  span<const std::size_t> counts = {};
  span<const std::size_t> received = {};

  /// Several calls issued as one, by their shapes, and then nothing else counts.
  span<const call_shape> calls = {};

  /// Whether nobody knows all counts, so that any two ranks must agree on theirs.
  bool by_pair() const { return uneven && what != collective::all_gather && what != collective::reduce_scatter; }
  /// Of vectors that are sent as one: tells their lengths, in their order.
  std::uint64_t pieces = 0;
  /// For `plan_for`: every rank's buffers are the library's, so that neighbours
  /// read and write them where they lie.
  bool lent = false;

  /// Whether both name the same call: names are compared by where they stand,
  /// which may take equals for different, never the reverse.
  bool is(const call_shape& other) const {
    return what == other.what && count == other.count && element == other.element && staging == other.staging && folded == other.folded &&
           root == other.root && pieces == other.pieces &&
           algorithm == other.algorithm && operation.data() == other.operation.data() &&
           type.data() == other.type.data() && commutative == other.commutative && in_place == other.in_place &&
           uneven == other.uneven && counts.size() == other.counts.size() && received.size() == other.received.size() &&
           calls.size() == other.calls.size() && ((counts.empty() && received.empty() && calls.empty()) || lists_are(other));
  }

 private:
  bool lists_are(const call_shape& other) const {
    return alike(counts, other.counts) && alike(received, other.received) &&
           std::equal(calls.begin(), calls.end(), other.calls.begin(), [](const call_shape& a, const call_shape& b) { return a.is(b); });
  }
  static bool alike(span<const std::size_t> a, span<const std::size_t> b) {
    return a.size() == b.size() && (a.data() == b.data() || std::equal(a.begin(), a.end(), b.begin()));
  }
};

/// What tells a call of one communicator from all others that are done at once in the
/// same way, in less than its shape: `kind` stands for the collective and its types.
struct call_key {
  const void* kind = nullptr;
  std::size_t count = 0;
  int root = -1;

  friend bool operator==(const call_key&, const call_key&) = default;
};

/// The memories of a call.
struct call_memories {
  const void* input = nullptr;
  void* output = nullptr;
  std::size_t alignment = 1;
  fold_function fold{};
  functor_keeper keep = nullptr;  ///< copies the fold's operation into the call's
  bool waits = false;             ///< the caller does, at once: it may be done before that, and what it folds with need not be copied
  bool stateless = false;         ///< one operation of that type is as good as another
  const void* context = nullptr;  ///< of the two that follow; null for the fold's operation
  /// `before` makes what is reduced
  /// instead of the input, in `staging` bytes of the operation's memory, of which
  /// those from `staged_output` on take the result; `after` is called with the
  /// result once all else is done.
  void (*before)(void* staging, const void* context) = nullptr;
  void (*after)(const void* result, const void* context) = nullptr;
  std::size_t staged_output = 0;  ///< bytes
  const void* kind = nullptr;     ///< of the call's key; null where the key would not say all
};

/// How a call will be done, for people who ask.
struct plan {
  collective what = collective::all_reduce;
  tutti::algorithm algorithm = tutti::algorithm::automatic;
  double seconds = 0;            ///< as the model predicts; 0 where no model was asked
  std::size_t bytes_sent = 0;    ///< payload that this rank sends
  std::size_t scratch_bytes = 0; ///< that this rank needs besides its buffers
};

}  // namespace tutti
