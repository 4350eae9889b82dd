// Prints who sends what to whom in an all-reduce: draw [ALGORITHM [RANKS]], a ring of 4 by default.
#include <cstdio>
#include <cstdlib>

#include <tutti/analysis/draw.hpp>

int main(int argc, char** argv) {
  const auto how = tutti::parse_algorithm(argc > 1 ? argv[1] : "ring");
  const tutti::team all{.size = argc > 2 ? std::atoi(argv[2]) : 4};
  if (!how || !tutti::available(tutti::collective::all_reduce, *how, all)) {
    std::fprintf(stderr, "draw: no all-reduce by '%s' among '%s' ranks\n", argv[1], argc > 2 ? argv[2] : "4");
    return 2;
  }
  std::fputs(tutti::draw_text(tutti::collective::all_reduce, *how, all).c_str(), stdout);
}
