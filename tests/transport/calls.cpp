#include <tutti/transport/calls.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace tutti;

TEST_CASE("one that is called and does not answer is lost: at once where nobody listens, later where nothing is heard") {
  const detail::reach here = detail::reach::mine();
  std::uint16_t nobody = 0;
  {
    const detail::socket gone = detail::listen_for_peers(true);
    nobody = detail::port_of(gone);
  }
  const detail::socket silent = detail::listen_for_peers(true);  // takes connections and says nothing
  detail::socket listener = detail::listen_for_peers(true);
  const std::uint16_t own = detail::port_of(listener);
  detail::peer_lines lines(0, std::vector<detail::reach>(4, here), {own, nobody, detail::port_of(silent), nobody},
                           detail::session_secret::fresh(), std::move(listener));
  struct {
    void opened(detail::heartbeat_line&) {}
    void came(detail::heartbeat_line&) {}
    void ended(detail::heartbeat_line&) {}
  } events;
  detail::calls all(4);
  CHECK(!all.under_way());
  all.all(1);
  std::vector<double> lost_at(4);
  for (double t = 1; t < 4 && all.under_way(); t += 0.01, ::usleep(200)) {
    all.step(t, {.first = 0.1, .refused = 0.5, .silent = 2}, lines, [&](int r) { return (r == 1 || r == 2) && lost_at[static_cast<std::size_t>(r)] == 0; },
             [&](int r) { lost_at[static_cast<std::size_t>(r)] = t; });
    lines.move(t, events);
  }
  CHECK(!all.under_way());
  CHECK(lost_at[1] > 1.5);
  CHECK(lost_at[1] < 1.6);
  CHECK(lost_at[2] > 3);
  CHECK(lost_at[3] == 0);  // it was not wanted
}
