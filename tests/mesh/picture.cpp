#include <tutti/mesh/picture.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "worlds.hpp"

using namespace tutti;

namespace {

/// Whether every element ends, in order, and nothing but tags has brackets.
bool well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = xml.find_first_of("<>", at)) != std::string::npos;) {
    const std::size_t end = xml.find('>', at);
    if (xml[at] == '>' || end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    std::size_t quotes = 0;
    for (char c : tag) quotes += c == '"';
    if (quotes % 2 != 0 || tag.find('<') != std::string::npos) return false;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    at = end + 1;
  }
  return open.empty();
}

struct drawn_piece {
  double x, y, width, height;
  std::string colour;
};

/// The pieces of every square of a kind.
std::vector<std::vector<drawn_piece>> squares(const std::string& svg, const std::string& kind) {
  std::vector<std::vector<drawn_piece>> all;
  const std::string begin = "<g class=\"" + kind + "\">";
  for (std::size_t at = 0; (at = svg.find(begin, at)) != std::string::npos; at += begin.size()) {
    all.emplace_back();
    const std::string group = svg.substr(at, svg.find("</g>", at) - at);
    for (std::size_t r = 0; (r = group.find("<rect", r)) != std::string::npos; ++r) {
      drawn_piece p{};
      char colour[64] = {};
      REQUIRE(std::sscanf(group.c_str() + r, "<rect x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\" fill=\"%63[^\"]\"", &p.x, &p.y, &p.width,
                          &p.height, colour) == 5);
      p.colour = colour;
      all.back().push_back(p);
    }
  }
  return all;
}

std::string drawn_network(const operation_list& net, const char* rules, const mesh& on) {
  const network_plan plan = plan_network(net, rules, on);
  return picture(net, plan, on, bill(net, plan, on, {0}, 4, least_bytes{on}));
}

}  // namespace

TEST_CASE("in a picture each rank has one drawn_piece of each tensor, pieces do not overlap, and a square's add up to it") {
  const struct {
    const char* on;
    const char* rules;
  } layouts[] = {{"", ""},
                 {"p=4", "batch:p"},
                 {"p=5", "conv*/height:p,dense*/units:p"},
                 {"data=2,model=2", "batch:data,conv*/filters:model,dense*/units:model"},
                 {"data=2,rows=2,columns=2", "conv*/batch:data,conv*/height:rows,conv*/width:columns,dense*/features:rows+columns"}};
  for (const auto& one : layouts) {
    const mesh on = mesh::parse(one.on);
    CAPTURE(std::string(one.rules));
    const std::string svg = drawn_network(worlds::small_network(), one.rules, on);
    CHECK(well_formed(svg));
    CHECK(svg.find("<script") == std::string::npos);
    for (const char* kind : {"values", "weights"}) {
      std::vector<std::string> in_row;  // the colours of one row
      double row = -1;
      for (const std::vector<drawn_piece>& square : squares(svg, kind)) {
        double area = 0, left = 1e9, right = 0, top = 1e9, bottom = 0;
        for (const drawn_piece& a : square) {
          area += a.width * a.height;
          left = std::min(left, a.x), right = std::max(right, a.x + a.width);
          top = std::min(top, a.y), bottom = std::max(bottom, a.y + a.height);
          for (const drawn_piece& b : square)
            if (&a != &b)
              CHECK((a.x + a.width <= b.x + 0.01 || b.x + b.width <= a.x + 0.01 || a.y + a.height <= b.y + 0.01 || b.y + b.height <= a.y + 0.01));
        }
        CHECK(std::abs(area - (right - left) * (bottom - top)) < 1);
        CHECK(std::abs((bottom - top) - 56) < 0.01);
        if (top != row) {
          if (row >= 0) CHECK(in_row.size() == static_cast<std::size_t>(on.size()));
          in_row.clear(), row = top;
        }
        for (const drawn_piece& a : square) {
          for (const std::string& other : in_row) CHECK(other != a.colour);
          in_row.push_back(a.colour);
        }
      }
      CHECK(in_row.size() == static_cast<std::size_t>(on.size()));
    }
  }
}

TEST_CASE("between layers stands what is sent, and its bytes") {
  const std::string svg = drawn_network(worlds::small_network(), "conv*/filters:model", mesh{{"model", 2}});
  CHECK(svg.find("↓ all_gather over model: channels · ") != std::string::npos);
  CHECK(svg.find("↑ ") != std::string::npos);
}

TEST_CASE("of all ranks the one that sends most is named") {
  // Of two rows each, a pool with windows of three and a stride of two reads what the second rank owns, and only that.
  operation_list net({{"batch", 1}, {"channels", 1}, {"height", 4}, {"width", 1}});
  net.pool("pool", {.size = 3, .stride = 2, .pad_low = 0, .pad_high = 1}, {});
  const mesh on{{"r", 2}};
  const network_plan plan = plan_network(net, "height:r", on);
  const step_bill first = bill(net, plan, on, {0}, 4, least_bytes{on}), most = bill_of_busiest(net, plan, on, 4, least_bytes{on});
  REQUIRE(first.items.size() == 1);
  CHECK(first.items[0].sent.bytes == 0);
  CHECK(most.items[0].sent.bytes == 4);
  CHECK(most.items[0].by == rank{1});
  CHECK(busiest(most) == rank{1});
  const std::string svg = picture(net, plan, on, most);
  CHECK(svg.find("what is sent by the rank that sends most (rank 0 where none is named)") != std::string::npos);
  CHECK(svg.find("↓ halo along height over r · 4 B by rank 1<") != std::string::npos);
  CHECK(svg.find(", rank 1 most of all with 4 B in 1 messages, all ranks together 4 B<") != std::string::npos);
  const std::string text = explain(net, plan, on, most);
  CHECK(text.find("over r, 4 B by rank 1: windows") != std::string::npos);
  CHECK(text.find("mesh r=2; bytes are what the rank sends that sends most in an exchange") == 0);
}

TEST_CASE("a part's area is its share of the tensor") {
  const shape whole{{"batch", 3}, {"channels", 4}, {"height", 5}, {"width", 6}};
  const mesh on{{"a", 2}, {"b", 2}};
  const placement at = placement{}.sharded(0, 0).sharded(2, 1);
  double all = 0;
  for (rank r{0}; r.value < 4; ++r.value) {
    const block part = block_of(whole, at, on, r);
    CHECK(drawn(part, whole).area() == doctest::Approx(static_cast<double>(part.elements()) / static_cast<double>(whole.elements())));
    all += drawn(part, whole).area();
  }
  CHECK(all == doctest::Approx(1));
}
