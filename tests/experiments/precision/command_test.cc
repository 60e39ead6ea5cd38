// `palinode precision`: what it prints and writes, and one's own kernels.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "tests/experiments/command_line.h"
#include "tests/experiments/precision/library.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::json;

struct Measured {
  Ended ended;
  Json json;
  std::string out;
};

Measured measured(std::vector<std::string> words) {
  const std::string out = own_folder() + "/precision";
  std::filesystem::remove_all(out);
  words.insert(words.begin(), "precision");
  words.insert(words.end(), {"--json", "--quiet", "--sample", "16", "--out", out});
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  Measured result{run(arguments), {}, out};
  if (result.ended.code <= 1) result.json = Json::parse(result.ended.out);
  return result;
}

TEST(PrecisionCommand, WritesWhatItPrints) {
  const Measured m = measured({"exp", "sgd"});
  EXPECT_EQ(m.ended.code, 0) << m.ended.out;
  EXPECT_EQ(Json::parse(read(m.out + "/results.json")), m.json);
  EXPECT_TRUE(read(m.out + "/results.csv").starts_with("kernel,family,contender,measure,value\n"));
  // Without the scripts that are embedded.
  std::string page = read(m.out + "/precision.html");
  page.resize(page.find("!function"));
  EXPECT_NE(page.find("<h2 id=\"functions-title\">"), std::string::npos);
  EXPECT_EQ(page.find(" src="), std::string::npos);
  EXPECT_EQ(page.find("{{"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
}

TEST(PrecisionCommand, HasEveryFieldOfItsSchema) {
  const Json json = measured({"tanh", "f64"}).json;
  EXPECT_EQ(json.at("schema"), 1);
  for (const char* key : {"version", "command", "environment", "unary", "f64", "half", "pairs",
                          "reductions", "products", "rows", "steps", "checks"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  for (const char* key : {"compiler", "simd", "cpu", "flags", "glibc", "mpfr", "reference"}) {
    EXPECT_TRUE(json.at("environment").contains(key)) << key;
  }
  const Json& row = json.at("unary").at(0);
  for (const char* key : {"kernel", "formula", "simd", "inputs", "every", "exhaustive", "compiler",
                          "reference", "identity"}) {
    EXPECT_TRUE(row.contains(key)) << key;
  }
  ASSERT_EQ(row.at("contenders").size(), 4U);
  for (const Json& contender : row.at("contenders")) {
    for (const char* key :
         {"name", "inputs", "max_ulp", "misrounded", "misrounded_share", "special", "zero_sign",
          "histogram", "worst_input", "worst_input_value", "worst_result", "order_violations",
          "symmetry_violations", "ns", "ns_best", "digest"}) {
      EXPECT_TRUE(contender.contains(key)) << key;
    }
    const Json& histogram = contender.at("histogram");
    EXPECT_EQ(histogram.at("to_1").get<int>() + histogram.at("to_2").get<int>() +
                  histogram.at("to_4").get<int>() + histogram.at("above_4").get<int>() +
                  contender.at("special").get<int>(),
              contender.at("misrounded").get<int>());
  }
  for (const Json& one : json.at("f64")) EXPECT_EQ(one.at("lower_bound"), true);
}

TEST(PrecisionCommand, MeasuresTheExampleInC) {
  const std::string library = built("docs/my_kernel.c", "libmine.so");
  const Measured m = measured({"exp", "--kernel", library + ":my_expf"});
  EXPECT_EQ(m.ended.code, 0) << m.ended.err;
  const Json& own = m.json.at("unary").at(0).at("contenders").back();
  EXPECT_EQ(own.at("name"), "libmine.so:my_expf");
  EXPECT_GT(own.at("max_ulp").get<double>(), 1000);
  EXPECT_GT(own.at("ns").get<double>(), 0);

  const Measured both = measured({"exp", "sum", "--kernel", "sum=" + library + ":my_sum"});
  const Json& sums = both.json.at("reductions").at(0).at("contenders");
  EXPECT_EQ(sums.back().at("same_bits_as"), "naive");
}

TEST(PrecisionCommand, MeasuresALibrarysScalarFunction) {
  const Measured m = measured({"tanh", "--scalar-kernel", "libm.so.6:tanhf"});
  EXPECT_EQ(m.ended.code, 0) << m.ended.err;
  const Json& contenders = m.json.at("unary").at(0).at("contenders");
  EXPECT_EQ(contenders.at(4).at("digest"), contenders.at(3).at("digest"));
}

TEST(PrecisionCommand, FailsWhereAPromiseIsNotKept) {
  // A results.json whose own row was changed by hand.
  Measured m = measured({"exp"});
  m.json["unary"][0]["contenders"][0]["misrounded"] = 1;
  const std::string path = temporary("changed.json", m.json.dump());
  const Ended ended =
      run({"precision", "sgd", "--quiet", "--with", path.c_str(), "--out", m.out.c_str()});
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.out.find("FAIL"), std::string::npos);
}

TEST(PrecisionCommand, RendersAResultAgainToTheSamePage) {
  const Measured m = measured({"exp"});
  const std::string page = read(m.out + "/precision.html");
  const std::string copy = temporary("results.json", read(m.out + "/results.json"));
  EXPECT_EQ(run({"precision", "--render", copy.c_str(), "--out", m.out.c_str()}).code, 0);
  EXPECT_EQ(read(m.out + "/precision.html"), page);
}

TEST(PrecisionCommand, HeadsThePageWithChecksAndComparisonsOfItsOwn) {
  Measured m = measured({"exp"});
  for (const bool pass : {true, false}) {
    m.json["checks"].push_back(
        {{"what", "a rival"}, {"expected", ""}, {"found", ""}, {"pass", pass}, {"promise", false}});
  }
  const std::string all = std::to_string(m.json["checks"].size() - 2);
  const std::string path = temporary("compared.json", m.json.dump());
  EXPECT_EQ(run({"precision", "--render", path.c_str(), "--out", m.out.c_str()}).code, 0);
  EXPECT_NE(read(m.out + "/precision.html")
                .find(">All " + all + " checks pass; 1 of 2 comparisons hold</h1>"),
            std::string::npos);
}

// As where an earlier run of ours was joined to one of others.
TEST(PrecisionCommand, PlotsFunctionsOfOursBeforeThoseWeHaveNot) {
  Measured m = measured({"exp", "exp2"});
  std::swap(m.json["unary"][0], m.json["unary"][1]);
  const std::string path = temporary("swapped.json", m.json.dump());
  EXPECT_EQ(run({"precision", "--render", path.c_str(), "--out", m.out.c_str()}).code, 0);
  const std::string page = read(m.out + "/precision.html");
  const std::size_t ours = page.find("<h3>exp</h3>"), other = page.find("<h3>exp2</h3>");
  ASSERT_NE(other, std::string::npos);
  EXPECT_LT(ours, other);
}

TEST(PrecisionCommand, RefusesWhatItCannotMeasure) {
  const std::string folder = testing::TempDir() + "/refused";
  const auto refused = [&folder](std::vector<const char*> words) {
    words.insert(words.begin(), "precision");
    words.insert(words.end(), {"--out", folder.c_str()});
    return run(words);
  };
  expect_one_line(refused({"exq"}), 2, "unknown kernel \"exq\"; there are exp, ");
  expect_one_line(refused({"exp", "--kernel", "libmine.so"}), 2,
                  "expected [KERNEL=]LIBRARY:SYMBOL");
  expect_one_line(refused({"exp", "log", "--kernel", "a.so:f"}), 2, "which function is it?");
  expect_one_line(refused({"exp", "--kernel", "./none.so:f"}), 3, "./none.so");
  expect_one_line(refused({"exp", "--kernel", "libm.so.6:no_such"}), 3,
                  "libm.so.6 has no symbol no_such");
  expect_one_line(refused({"--kernel", "adam=libm.so.6:expf"}), 2, "can be one's own");
  const std::string path = temporary("foreign.json", "{}");
  expect_one_line(refused({"--render", path.c_str()}), 3, "foreign.json");
}

}  // namespace
}  // namespace palinode::experiments::precision
