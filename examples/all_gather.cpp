// Ranks that nobody started together meet in an empty folder that all of them
// see: all_gather FOLDER RANK RANKS, once for each rank.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <tutti/tutti.hpp>

struct folder_bootstrap {
  std::filesystem::path folder;
  int me, ranks, round = 0;

  int rank() const { return me; }
  int size() const { return ranks; }

  tutti::contributions all_gather(tutti::bytes_view mine) {
    const auto name = [&](int r) { return folder / (std::to_string(round) + "." + std::to_string(r)); };
    std::ofstream(folder / std::to_string(me), std::ios::binary)
        .write(reinterpret_cast<const char*>(mine.data()), static_cast<std::streamsize>(mine.size()));
    std::filesystem::rename(folder / std::to_string(me), name(me));  // seen once it is whole
    tutti::contributions all;
    for (int r = 0; r < ranks; ++r) {
      while (!std::filesystem::exists(name(r))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::ifstream theirs(name(r), std::ios::binary);
      all.emplace_back();
      for (std::istreambuf_iterator<char> c(theirs), end; c != end; ++c) all.back().push_back(static_cast<std::byte>(*c));
    }
    ++round;
    return all;
  }
};

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("all_gather FOLDER RANK RANKS\n", stderr), 2;
  try {
    folder_bootstrap ranks{.folder = argv[1], .me = std::atoi(argv[2]), .ranks = std::atoi(argv[3])};
    tutti::session joined(ranks);
    tutti::communicator world(joined);
    std::vector<int> x{world.rank()};
    tutti::all_reduce(world, x, tutti::plus{});
    std::printf("rank %d of %d: %d\n", world.rank(), world.size(), x[0]);
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "all_gather: %s\n", e.what()), 1;
  }
}
