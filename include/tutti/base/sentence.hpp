#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tutti/base/config.hpp>
#include <tutti/base/error.hpp>

namespace tutti {

/// Text in memory of its own, so that the compiler can make it and show it: why
/// something is refused, in the same words before a program runs and while it does.
class sentence {
 public:
  static constexpr std::size_t capacity = 383;

  constexpr sentence() = default;
  constexpr sentence(std::string_view text) { put(text); }  // NOLINT: text is a sentence, and so is a number
  constexpr sentence(const char* text) { put(text); }       // NOLINT
  constexpr sentence(std::size_t number) {                  // NOLINT
    char digits[20] = {};
    std::size_t begin = sizeof digits;
    do digits[--begin] = static_cast<char>('0' + number % 10);
    while ((number /= 10) > 0);
    put({digits + begin, sizeof digits - begin});
  }
  constexpr sentence(int number) {  // NOLINT
    const std::int64_t wide = number;
    if (wide < 0) put("-");
    put(sentence(static_cast<std::size_t>(wide < 0 ? -wide : wide)));
  }
  /// With at most six digits behind the point.
  constexpr sentence(double number) {  // NOLINT
    const double size = (number < 0 ? -number : number) + 0.5e-6;
    const auto whole = static_cast<std::size_t>(size);
    auto part = static_cast<std::size_t>((size - static_cast<double>(whole)) * 1e6);
    if (number < 0) put("-");
    put(sentence(whole));
    if (part > 0) put(".");
    for (std::size_t unit = 100'000; part > 0; part %= unit, unit /= 10) put(sentence(part / unit));
  }
  /// Each `{}` of the pattern stands for one of the words. What exceeds the capacity
  /// is cut off.
  constexpr sentence(std::string_view pattern, std::initializer_list<sentence> words) {
    for (const sentence& next : words) {
      const std::size_t at = pattern.find("{}");
      put(pattern.substr(0, at));
      put(next);
      pattern = pattern.substr(at + 2);
    }
    put(pattern);
  }

  constexpr bool empty() const { return size_ == 0; }
  constexpr std::string_view view() const { return {text_, size_}; }
  std::string text() const { return std::string(view()); }

  constexpr void put(std::string_view text) {
    for (char letter : text)
      if (size_ < capacity) text_[size_++] = letter;
  }
  constexpr void put(const sentence& other) { put(other.view()); }
  constexpr void put(const char* text) { put(std::string_view(text)); }

 private:
  char text_[capacity + 1] = {};
  std::size_t size_ = 0;
};

/// Refuses: while a program runs, throws `invalid_argument`. A constant is made to the
/// end instead, with the first reason in `kept`, where `possible` finds it.
constexpr void refuse(sentence& kept, std::string_view pattern, std::initializer_list<sentence> words = {}) {
  const sentence why(pattern, words);
  if (!std::is_constant_evaluated()) throw error(errc::invalid_argument, why.text());
  if (kept.empty()) kept = why;
}

/// A constant that was refused is none: the compiler stops here.
constexpr void need_accepted(const sentence& refused) {
  if (!refused.empty()) throw error(errc::invalid_argument, refused.text());
}

namespace detail {

/// Some characters of a sentence, as few as a compiler shows in one piece.
template <std::size_t Size>
struct because {
  char text[Size + 1] = {};
};

/// Where piece number `which` lies: pieces end between words.
constexpr std::string_view piece_of(std::string_view text, std::size_t which) {
  for (;; --which) {
    std::size_t end = text.size();
    if (end > TUTTI_SHOWN_CHARACTERS) {
      end = text.substr(0, TUTTI_SHOWN_CHARACTERS + 1).rfind(' ');
      if (end == std::string_view::npos || end == 0) end = TUTTI_SHOWN_CHARACTERS;
    }
    if (which == 0) return text.substr(0, end);
    text = text.substr(end < text.size() && text[end] == ' ' ? end + 1 : end);
  }
}
constexpr std::size_t pieces_of(std::string_view text) {
  std::size_t count = 0;
  while (!piece_of(text, count).empty()) ++count;
  return count;
}

/// With ` in place of ', which compilers would write as \'.
template <auto Why, std::size_t Which>
constexpr auto shown_piece() {
  because<piece_of(Why().view(), Which).size()> piece;
  const sentence all = Why();
  const std::string_view text = piece_of(all.view(), Which);
  for (std::size_t i = 0; i < text.size(); ++i) piece.text[i] = text[i] == '\'' ? '`' : text[i];
  return piece;
}

}  // namespace detail

/// Compiles without pieces only: its arguments are the sentence that says what is wrong.
template <auto... Because>
struct illegal_program {
  static_assert(sizeof...(Because) == 0, "this program cannot be: the arguments of illegal_program say why");
};

/// Whether a reason is empty: `Why` is a constexpr function that gives a sentence. Where
/// it is not, the program does not compile, and the compiler shows the sentence.
template <auto Why>
inline constexpr bool possible = []<std::size_t... Pieces>(std::index_sequence<Pieces...>) {
  return sizeof(illegal_program<detail::shown_piece<Why, Pieces>()...>) > 0;
}(std::make_index_sequence<detail::pieces_of(Why().view())>());

}  // namespace tutti
