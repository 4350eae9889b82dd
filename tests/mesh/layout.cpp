#include <tutti/mesh/layout.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace tutti;

static_assert(matches("*", "") && matches("conv*", "conv12") && matches("*.bias", "dense1.bias") && matches("a*b*c", "axxbbc"));
static_assert(!matches("conv*", "dense1") && !matches("a*b", "ac") && !matches("", "a"));
static_assert(layout("conv*/batch:data,batch:").rule_for("conv1", "batch")->cuts == 0);

namespace {
std::string axes(const layout& l, const char* layer, const char* dimension) {
  const layout_rule* rule = l.rule_for(layer, dimension);
  if (!rule) return "no rule";
  std::string all;
  for (const name& axis : rule->along()) all += (all.empty() ? "" : "+") + axis.text();
  return all;
}
}  // namespace

TEST_CASE("the last rule that names a layer's dimension holds") {
  const layout l("batch:data,conv*/filters:model,dense*/units:data+model,dense2/units:");
  CHECK(axes(l, "conv1", "batch") == "data");
  CHECK(axes(l, "conv1", "filters") == "model");
  CHECK(axes(l, "dense1", "units") == "data+model");
  CHECK(axes(l, "dense2", "units") == "");
  CHECK(axes(l, "dense1", "filters") == "no rule");
}

TEST_CASE("a rule for what a layer makes is none for the layer, and the other way round") {
  const layout l("batch:data,conv*.output/channels:model,conv2/filters:model,conv2.output/channels:");
  CHECK(axes(l, "conv1", "channels") == "no rule");
  CHECK(l.rule_for_output("conv1", "batch") == nullptr);
  CHECK(l.rule_for_output("conv1", "channels")->cuts == 1);
  CHECK(l.rule_for_output("conv2", "channels")->cuts == 0);
  CHECK(l.rule_for_output("dense1", "channels") == nullptr);
  CHECK(l.text() == "batch:data,conv*.output/channels:model,conv2/filters:model,conv2.output/channels:");
}

TEST_CASE("what is no layout is refused in a sentence that quotes it") {
  CHECK_THROWS_WITH_AS(layout("batch"), "the layout 'batch' is no rule such as 'batch:data' or 'conv*/filters:model'", error);
  CHECK_THROWS_WITH_AS(layout(":data"), "the layout ':data' is no rule such as 'batch:data' or 'conv*/filters:model'", error);
  CHECK_THROWS_WITH_AS(layout("/batch:data"), "the layout '/batch:data' has nothing before the '/': layers stand there, as in 'conv*/filters:model'", error);
  CHECK_THROWS_WITH_AS(layout("batch:data,"), "the layout 'batch:data,' ends in a comma: leave it out, or say one rule more", error);
  CHECK_THROWS_WITH_AS(layout("batch:data+"), "the layout 'batch:data+' has a '+' with no axis beside it: leave it out, or say one, as in 'batch:pod+data'", error);
  CHECK_THROWS_WITH_AS(layout("batch:data+data"), "the layout 'batch:data+data' names an axis twice: once is all that it can cut", error);
  CHECK_THROWS_WITH_AS(layout("batch:a+b+c+d+e"), "the layout 'batch:a+b+c+d+e' names more axes than a mesh can have, which is 4", error);
}

TEST_CASE("A layout's text is what it is read from") {
  for (const char* text : {"", "batch:data", "conv*/filters:model,batch:pod+data,dense2/units:"}) CHECK(layout(text).text() == text);
  CHECK(layout("*/batch:data").text() == "batch:data");
}
