#pragma once
#include <cstdlib>
#include <cstring>

#include <tutti/base/environment.hpp>
#include <tutti/base/error.hpp>

namespace tutti {

/// What the launcher takes from the command line and the environment.
struct launch_options {
  int ranks = 0;            ///< local processes to start (`--ranks`); 0: not said
  bool tag_output = false;  ///< `--tag-output`, or `TUTTI_TAG_OUTPUT=1`
  bool survive = false;     ///< `--survive`: a rank that is lost does not end the others
  double grace = 10;        ///< `TUTTI_GRACE`: seconds that the others get after a first failure
  double timeout = 300;     ///< `TUTTI_DEADLINE`: seconds that a living rank may stay away
};

inline constexpr int most_local_ranks = 4096;

/// Takes `--ranks N` (or `--ranks=N`), `--tag-output` and `--survive` out of the command
/// line, and leaves the rest to the program; looks no further than `--`.
/// Throws `invalid_argument` where a value is not one.
inline launch_options parse_launch_options(int& argc, char** argv) {
  launch_options options;
  options.grace = environment_number("TUTTI_GRACE", options.grace, 0, 1e6);
  options.timeout = environment_number("TUTTI_DEADLINE", options.timeout, 0.01, 1e9);
  if (const char* tag = environment("TUTTI_TAG_OUTPUT")) {
    if (std::strcmp(tag, "0") != 0 && std::strcmp(tag, "1") != 0)
      throw error(errc::invalid_argument, format("TUTTI_TAG_OUTPUT is '%s': it takes 0 or 1", tag));
    options.tag_output = *tag == '1';
  }
  int kept = argc > 0 ? 1 : 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--") == 0) {
      while (i < argc) argv[kept++] = argv[i++];
      break;
    }
    if (std::strcmp(argv[i], "--tag-output") == 0) {
      options.tag_output = true;
      continue;
    }
    if (std::strcmp(argv[i], "--survive") == 0) {
      options.survive = true;
      continue;
    }
    bool joined = std::strncmp(argv[i], "--ranks=", 8) == 0;
    if (!joined && std::strcmp(argv[i], "--ranks") != 0) {
      argv[kept++] = argv[i];
      continue;
    }
    if (!joined && i + 1 == argc)
      throw error(errc::invalid_argument, format("--ranks: needs a number from 1 to %d", most_local_ranks));
    const char* text = joined ? argv[i] + 8 : argv[++i];
    char* end = nullptr;
    long value = std::strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > most_local_ranks)
      throw error(errc::invalid_argument,
                  format("--ranks: '%s' is not a number from 1 to %d", text, most_local_ranks));
    options.ranks = static_cast<int>(value);
  }
  argc = kept;
  argv[argc] = nullptr;
  return options;
}

}  // namespace tutti
