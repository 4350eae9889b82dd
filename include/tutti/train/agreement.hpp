#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include <zlib.h>

#include <tutti/base/error.hpp>
#include <tutti/comm/collectives.hpp>

namespace tutti {

/// What every rank must have alike before they do something together.
class agreement {
 public:
  /// Texts must outlive the agreement. Every rank names the same things in the
  /// same order; where several differ, the first is the one that is reported.
  void on(const char* what, std::uint64_t value) { terms_.push_back({what, kind::whole, value}); }
  void on(const char* what, double value) { terms_.push_back({what, kind::real, std::bit_cast<std::uint64_t>(value)}); }
  /// Of what has no figure that would tell a reader something: a hash.
  void on_hash(const char* what, std::uint64_t value) { terms_.push_back({what, kind::hash, value}); }
  /// Of `elements` (n), by their bytes: differences go unseen once in 2³².
  template <class T>
  void on_content(const char* what, span<const T> elements) {
    on_hash(what, hash_of(elements));
  }
  template <class T>
  static std::uint64_t hash_of(span<const T> elements) {
    return ::crc32_z(0, reinterpret_cast<const unsigned char*>(elements.data()), elements.size() * sizeof(T));
  }

  /// Collective: one all_gather of 8 bytes a term. Throws `errc::mismatch`, the
  /// same on all ranks, naming what differs and the first rank that has it
  /// otherwise than rank 0.
  void check(communicator& comm) const {
    std::vector<std::uint64_t> mine, all(terms_.size() * static_cast<std::size_t>(comm.size()));
    for (const term& t : terms_) mine.push_back(t.value);
    all_gather(comm, mine, all);  // (ranks, terms)
    for (std::size_t i = 0; i < terms_.size(); ++i)
      for (std::size_t r = 1; r * terms_.size() < all.size(); ++r)
        if (const std::uint64_t theirs = all[r * terms_.size() + i]; theirs != all[i])
          refuse(terms_[i], all[i], static_cast<int>(r), theirs);
  }

 private:
  enum class kind : std::uint8_t { whole, real, hash };
  struct term {
    const char* what;
    kind is;
    std::uint64_t value;
    std::string text(std::uint64_t v, int digits) const {
      return is == kind::real ? format("%.*g", digits, std::bit_cast<double>(v))
                              : format("%llu", static_cast<unsigned long long>(v));
    }
  };

  [[noreturn]] static void refuse(const term& t, std::uint64_t first, int rank, std::uint64_t theirs) {
    if (t.is == kind::hash)
      throw error(errc::mismatch,
                  format("the ranks disagree on the %s: rank %d has other than rank 0", t.what, rank));
    // As many digits as show that they differ.
    const int digits = t.text(first, 6) != t.text(theirs, 6) ? 6 : 17;
    throw error(errc::mismatch, format("the ranks disagree on the %s: rank 0 has %s, rank %d has %s", t.what,
                                       t.text(first, digits).c_str(), rank, t.text(theirs, digits).c_str()));
  }

  std::vector<term> terms_;
};

}  // namespace tutti
