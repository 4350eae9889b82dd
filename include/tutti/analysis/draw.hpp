#pragma once
#include <string>
#include <vector>

#include <tutti/analysis/step_graph.hpp>
#include <tutti/base/error.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace tutti {

/// Everyone's schedules for one collective, in rank order.
inline std::vector<schedule> team_schedules(collective what, algorithm how, const team& all, rank root = {}) {
  if (!available(what, how, all))
    throw error(errc::invalid_argument, format("there is no %s %s", name_of(how), name_of(what)));
  std::vector<schedule> schedules;
  for (rank r{0}; r.value < all.size; ++r.value) schedules.push_back(make_schedule(what, how, all, r, root));
  return schedules;
}

/// A transfer or a copy, and the row of time in which the symbolic run completes it.
struct drawn_event {
  int sent = -1, done = 0, row = 0;
};

/// Everything that happens, by rows of time. Throws errc::invalid_argument
/// where the schedules cannot be run.
inline std::vector<drawn_event> drawn_events(const step_graph& graph) {
  std::vector<drawn_event> events;
  proof found = graph.fault();
  if (found.ok) {
    const int stuck = graph.run([&](int sent, int done, int row) { events.push_back({sent, done, row}); });
    if (stuck >= 0)
      found = {.ok = false, .found = flaw::deadlock, .who = graph.rank_of(stuck), .step = graph.index(stuck)};
  }
  if (!found.ok) throw error(errc::invalid_argument, "cannot draw these schedules: " + explain(found));
  return events;
}

/// Chunks in a drawing: c2, c0-3, and s1 for a scratch chunk.
inline std::string name_of(chunks c, int parts) {
  const bool scratch = c.first.value >= parts;
  const int first = c.first.value - (scratch ? parts : 0);
  std::string text = format("%c%d", scratch ? 's' : 'c', first);
  if (c.count > 1) text += format("-%d", first + c.count - 1);
  return text;
}

/// A step in a drawing, as its rank sees it.
inline std::string name_of(const step& s, int parts) {
  const std::string where = name_of(s.where, parts), with = name_of(s.with, parts);
  const std::string peer = std::to_string(s.peer.value);
  const std::string target = s.with == s.where ? "" : where + "=";
  switch (s.what) {
    case verb::send: return where + "→" + peer;
    case verb::recv: return where + "←" + peer;
    case verb::recv_reduce: return target + (s.incoming == side::left ? peer + "∘" + with : with + "∘" + peer);
    case verb::copy: return where + "=" + with;
    case verb::fold: return where + "=" + (s.incoming == side::left ? with + "∘" + where : where + "∘" + with);
  }
  return {};
}

/// Schedules as text, a column a rank and a row for what happens at the same time:
/// "c3→1" sends chunk 3 to rank 1, "c3←0" receives it from rank 0, "0∘c3" folds
/// what rank 0 sends with chunk 3, the operands in this order; "s0" is scratch.
inline std::string draw_text(const std::vector<schedule>& team) {
  struct cell {
    std::vector<std::string> sends, others;
  };
  auto width = [](const std::string& text) {
    std::size_t points = 0;
    for (char c : text) points += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    return points;
  };
  auto padded = [&](std::string text, std::size_t to) {
    while (width(text) < to) text += ' ';
    return text;
  };

  const step_graph graph(team);
  std::vector<std::vector<cell>> rows;
  std::size_t left = 0, right = 0;
  for (const drawn_event& event : drawn_events(graph)) {
    while (rows.size() <= static_cast<std::size_t>(event.row)) rows.emplace_back(team.size());
    for (int number : {event.sent, event.done}) {
      if (number < 0) continue;
      cell& in = rows.back()[static_cast<std::size_t>(graph.rank_of(number).value)];
      const bool sends = graph[number].what == verb::send;
      const std::string text = name_of(graph[number], team.front().parts);
      (sends ? in.sends : in.others).push_back(text);
      std::size_t& widest = sends ? left : right;
      if (width(text) > widest) widest = width(text);
    }
  }

  const std::size_t column = left + 1 + right < 7 ? 7 : left + 1 + right;
  std::string head = "     ", rule = "─────", text;
  for (std::size_t r = 0; r < team.size(); ++r) {
    head += "│ " + padded(format("rank %zu", r), column) + ' ';
    rule += "┼";
    for (std::size_t i = 0; i < column + 2; ++i) rule += "─";
  }
  auto finish = [&](std::string line) {
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += line + '\n';
  };
  finish(head);
  finish(rule);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    std::size_t lines = 1;
    for (const cell& c : rows[row])
      for (std::size_t n : {c.sends.size(), c.others.size()})
        if (n > lines) lines = n;
    for (std::size_t i = 0; i < lines; ++i) {
      std::string line = i == 0 ? format("%4zu ", row + 1) : "     ";
      for (const cell& c : rows[row]) {
        const std::string send = i < c.sends.size() ? c.sends[i] : "", other = i < c.others.size() ? c.others[i] : "";
        line += "│ " + padded(padded(send, left + 1) + other, column) + ' ';
      }
      finish(line);
    }
  }
  return text;
}

/// Schedules as a picture: a lane a rank, time downwards, an arrow a transfer
/// with its chunks; a circle where it arrives is a fold, a square a copy.
inline std::string draw_svg(const std::vector<schedule>& team) {
  constexpr int lane = 120, row_height = 64, left = 60, top = 56;
  const step_graph graph(team);
  const std::vector<drawn_event> events = drawn_events(graph);
  const int ranks = static_cast<int>(team.size()), parts = ranks > 0 ? team.front().parts : 1;
  const int rows = events.empty() ? 0 : events.back().row + 1;
  const int width = 2 * left + (ranks - 1) * lane, height = top + rows * row_height + 24;
  auto x = [&](int number) { return left + graph.rank_of(number).value * lane; };

  std::string svg = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
      "font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      width, height, width, height);
  for (int c = 0; c < parts; ++c)  // one a chunk: a marker cannot take its line's colour everywhere
    svg += format("<marker id=\"tip%d\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "
                  "orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"hsl(%d 70%% 40%%)\"/></marker>\n",
                  c, c * 360 / parts);
  for (int r = 0; r < ranks; ++r)
    svg += format("<text x=\"%d\" y=\"28\" font-weight=\"bold\">rank %d</text>"
                  "<line x1=\"%d\" y1=\"40\" x2=\"%d\" y2=\"%d\" stroke=\"#bbb\"/>\n",
                  left + r * lane, r, left + r * lane, left + r * lane, height - 16);
  for (const drawn_event& event : events) {
    const step& done = graph[event.done];
    const int y = top + event.row * row_height, to = x(event.done);
    const int colour = done.where.first.value % parts, hue = colour * 360 / parts;
    const std::string chunk_name = name_of(event.sent < 0 ? done.where : graph[event.sent].where, parts);
    if (event.sent < 0) {
      svg += format("<rect x=\"%d\" y=\"%d\" width=\"8\" height=\"8\" fill=\"hsl(%d 70%% 40%%)\"/>"
                    "<text x=\"%d\" y=\"%d\">%s</text>\n",
                    to - 4, y + 20, hue, to + 28, y + 28, name_of(done, parts).c_str());
      continue;
    }
    const int from = x(event.sent), stop = y + 40;
    svg += format("<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"hsl(%d 70%% 40%%)\" stroke-width=\"1.5\" "
                  "marker-end=\"url(#tip%d)\"/>",
                  from, y, to, stop, hue, colour);
    if (done.what == verb::recv_reduce)
      svg += format("<circle cx=\"%d\" cy=\"%d\" r=\"5\" fill=\"none\" stroke=\"hsl(%d 70%% 40%%)\"/>", to, stop, hue);
    const int away = to > from ? 1 : -1, near = 30;  // of the sender, where arrows do not cross yet
    svg += format("<text x=\"%d\" y=\"%d\" fill=\"hsl(%d 70%% 30%%)\" stroke=\"white\" stroke-width=\"3\" "
                  "paint-order=\"stroke\">%s</text>\n",
                  from + away * near, y - 3 + 40 * near / ((to - from) * away), hue, chunk_name.c_str());
  }
  return svg + "</svg>\n";
}

inline std::string draw_text(collective what, algorithm how, const team& all, rank root = {}) {
  return draw_text(team_schedules(what, how, all, root));
}
inline std::string draw_svg(collective what, algorithm how, const team& all, rank root = {}) {
  return draw_svg(team_schedules(what, how, all, root));
}

}  // namespace tutti
