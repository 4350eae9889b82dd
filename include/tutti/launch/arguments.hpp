#pragma once
#include <cerrno>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/launch/options.hpp>

namespace tutti {

/// The command line of a program: flags with values, flags alone, and words.
///
///     int epochs = 3;
///     arguments line("train", "Trains a network.");
///     line.value("--epochs", epochs, "E", "passes over the data", 1, 1000);
///     if (auto code = line.read(argc, argv)) return *code;
///
/// Values are written as `--epochs 5` or `--epochs=5`. Knows the launcher's own
/// flags, and leaves them for `run`. Variables keep what they hold where a flag
/// is not given; that is shown as the default.
class arguments {
 public:
  arguments(std::string program, std::string purpose) : program_(std::move(program)), purpose_(std::move(purpose)) {}

  /// A flag alone.
  void flag(const char* name, bool& to, const char* help) {
    entries_.push_back({.name = name, .help = help, .to = &to, .set = [](const entry& e, const char*) {
                          *static_cast<bool*>(e.to) = true;
                        }});
  }

  /// A whole number from `least` to `most`.
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  void value(const char* name, T& to, const char* what, const char* help, T least = 0,
             T most = std::numeric_limits<T>::max()) {
    add_number(name, to, what, help, static_cast<long double>(least), static_cast<long double>(most), false);
  }

  /// A number from `least` to `most`.
  template <std::floating_point T>
  void value(const char* name, T& to, const char* what, const char* help, std::type_identity_t<T> least = 0,
             std::type_identity_t<T> most = std::numeric_limits<T>::max()) {
    add_number(name, to, what, help, static_cast<long double>(least), static_cast<long double>(most), false);
  }

  /// A number of bytes: 4096, 64K, 1M, 2G; powers of 1024.
  void bytes(const char* name, std::size_t& to, const char* what, const char* help, std::size_t least = 0) {
    add_number(name, to, what, help, static_cast<long double>(least),
               static_cast<long double>(std::numeric_limits<std::int64_t>::max()), true);
  }

  /// Any text.
  void value(const char* name, std::string& to, const char* what, const char* help) {
    entries_.push_back({.name = name, .what = what, .help = help, .shown = to, .to = &to, .set = set_text});
  }

  /// One of several words.
  void choice(const char* name, std::string& to, std::vector<std::string> words, const char* help) {
    entries_.push_back({.name = name, .what = "WORD", .help = help, .shown = to, .words = std::move(words), .to = &to,
                        .set = set_text});
  }

  /// The next word that is no flag, which must be given unless `to` holds
  /// something; one of `words` where there are any.
  void word(const char* what, std::string& to, const char* help, std::vector<std::string> words = {}) {
    words_.push_back({.what = what, .help = help, .shown = to, .words = std::move(words), .to = &to, .set = set_text});
  }

  /// Reads the command line. Where the program should end now, its exit code:
  /// 0 after `--help`, 2 after an error, which is printed.
  std::optional<int> read(int argc, char** argv) {
    try {
      if (parse(argc, argv)) return std::nullopt;
      std::fputs(help().c_str(), stdout);
      return 0;
    } catch (const error& e) {
      std::fprintf(stderr, "%s: %s\n", program_.c_str(), e.what());
      return 2;
    }
  }

  /// Like `read`, but throws `invalid_argument`; false where help was asked for.
  bool parse(int argc, char** argv) {
    std::vector<char*> rest(argv, argv + argc);
    rest.push_back(nullptr);
    int count = argc;
    parse_launch_options(count, rest.data());
    std::size_t words = 0;
    for (int i = 1; i < count; ++i) {
      std::string text = rest[static_cast<std::size_t>(i)];
      if (text == "--help" || text == "-h") return false;
      if (text.size() < 2 || text[0] != '-') {
        if (words == words_.size()) throw error(errc::invalid_argument, format("'%s' is one word too many", text.c_str()));
        set(words_[words++], text.c_str());
        continue;
      }
      std::size_t equals = text.find('=');
      std::string name = text.substr(0, equals);
      const entry& e = find(name);
      bool has_value = equals != std::string::npos;
      if (!e.what) {
        if (has_value) throw error(errc::invalid_argument, format("%s takes no value", e.name));
        e.set(e, nullptr);
      } else if (has_value) {
        set(e, text.c_str() + equals + 1);
      } else if (i + 1 < count) {
        set(e, rest[static_cast<std::size_t>(++i)]);
      } else {
        throw error(errc::invalid_argument, format("%s needs a value: %s", e.name, e.help));
      }
    }
    for (; words < words_.size(); ++words)
      if (words_[words].shown.empty())
        throw error(errc::invalid_argument, format("%s is missing: %s%s", words_[words].what, words_[words].help,
                                                   one_of(words_[words]).c_str()));
    return true;
  }

  std::string help() const {
    std::string text = "usage: " + program_;
    for (const entry& e : words_) text += format(e.shown.empty() ? " %s" : " [%s]", e.what);
    text += " [flags]\n" + purpose_ + "\n\n";
    for (const entry& e : words_) add_line(text, e);
    for (const entry& e : entries_) add_line(text, e);
    add_line(text, {.name = "--ranks", .what = "N", .help = "start N local processes (not under mpirun or srun)"});
    add_line(text, {.name = "--survive", .help = "let these go on where some of them are lost"});
    add_line(text, {.name = "--tag-output", .help = "put the rank before every line of their output"});
    add_line(text, {.name = "--help", .help = "this text"});
    return text;
  }

 private:
  struct entry {
    const char* name = nullptr;
    const char* what = nullptr;  // its value; none where it is a flag alone
    const char* help = "";
    std::string shown{};  // the default
    std::vector<std::string> words{};
    long double least = 0, most = 0;
    bool suffixes = false;
    void* to = nullptr;
    void (*set)(const entry&, const char*) = nullptr;
    const char* label() const { return name ? name : what; }
  };

  static void set_text(const entry& e, const char* text) { *static_cast<std::string*>(e.to) = text; }

  template <class T>
  void add_number(const char* name, T& to, const char* what, const char* help, long double least, long double most,
                  bool suffixes) {
    entries_.push_back({.name = name, .what = what, .help = help, 
                        .shown = suffixes ? with_suffix(static_cast<std::size_t>(to))
                                          : format("%.10Lg", static_cast<long double>(to)),
                        .least = least, .most = most, .suffixes = suffixes, .to = &to,
                        .set = [](const entry& e, const char* text) {
                          *static_cast<T*>(e.to) = static_cast<T>(number(e, text, std::is_integral_v<T>));
                        }});
  }

  static long double number(const entry& e, const char* text, bool whole) {
    char* end = nullptr;
    errno = 0;
    static_assert(std::numeric_limits<long double>::digits >= 64, "it must hold every 64-bit integer");
    long double value = 0;
    if (!whole) value = std::strtold(text, &end);
    else if (std::strchr(text, '-')) value = static_cast<long double>(std::strtoll(text, &end, 10));
    else value = static_cast<long double>(std::strtoull(text, &end, 10));
    bool read = end != text && errno == 0;
    if (read && e.suffixes) {
      constexpr const char* letters = "KMGT";
      if (const char* letter = *end ? std::strchr(letters, *end) : nullptr) {
        for (const char* l = letters; l <= letter; ++l) value *= 1024;
        ++end;
      }
    }
    if (!read || *end != '\0' || !(value >= e.least && value <= e.most))
      throw error(errc::invalid_argument,
                  format("%s: '%s' is not a %s ", e.name, text,
                         e.suffixes ? "number of bytes (4096, 64K, 1M)" : whole ? "whole number" : "number") +
                      (e.most >= open_ended ? format("of at least %.19Lg", e.least)
                                            : format("from %.19Lg to %.19Lg", e.least, e.most)));
    return value;
  }

  static constexpr long double open_ended = std::numeric_limits<int>::max();  // no bound that anyone named

  static std::string with_suffix(std::size_t bytes) {
    int letter = 0;
    while (letter < 4 && bytes > 0 && bytes % 1024 == 0) bytes /= 1024, ++letter;
    return letter == 0 ? std::to_string(bytes) : std::to_string(bytes) + "KMGT"[letter - 1];
  }

  static std::string list(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) (text += text.empty() ? "" : ", ") += word;
    return text;
  }

  static std::string one_of(const entry& e) {
    return e.words.empty() ? "" : format(" (one of %s)", list(e.words).c_str());
  }

  static void set(const entry& e, const char* text) {
    bool known = e.words.empty();
    for (const std::string& word : e.words) known = known || word == text;
    if (!known)
      throw error(errc::invalid_argument, format("%s: '%s' is none of %s", e.label(), text, list(e.words).c_str()));
    e.set(e, text);
  }

  const entry& find(const std::string& name) const {
    std::vector<std::string> known;
    for (const entry& e : entries_) {
      if (name == e.name) return e;
      known.push_back(e.name);
    }
    for (const char* own : {"--ranks", "--survive", "--tag-output", "--help"}) known.push_back(own);
    throw error(errc::invalid_argument, format("unknown flag '%s': there are %s", name.c_str(), list(known).c_str()));
  }

  static void add_line(std::string& text, const entry& e) {
    std::string left = e.name ? e.name : "";
    if (e.what) (left += left.empty() ? "" : " ") += e.what;
    text += format("  %-18s %s", left.c_str(), e.help) + one_of(e);
    // Not "…" + std::string, in which g++ 12 at -O3 imagines an overlap (its bug 105651).
    if (e.name && e.what && !e.shown.empty()) ((text += " [") += e.shown) += "]";
    text += "\n";
  }

  std::string program_, purpose_;
  std::vector<entry> entries_, words_;
};

}  // namespace tutti
