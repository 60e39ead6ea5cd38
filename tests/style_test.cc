// The house rules, applied to every source of the tree. The first half plants faults, so that a
// rule that stopped finding anything is itself a failure.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/style_rules.h"

namespace palinode::style {
namespace {

namespace fs = std::filesystem;

std::vector<std::size_t> lines(const Findings& findings) {
  std::vector<std::size_t> result;
  for (const Finding& finding : findings) result.push_back(finding.line);
  return result;
}

using Lines = std::vector<std::size_t>;

std::string repeated(std::string_view text, std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

// A function of `count` lines whose head is `head`, after two other lines.
Source function_of(std::string_view head, std::size_t count) {
  return {"nn/layer.cc", fmt::format("namespace a {{\n\n{} {{\n{}}}\n}}\n", head,
                                     repeated("  step();\n", count - 2))};
}

// -------------------------------------------------------------------------------------------------

TEST(Scanner, BlanksCommentsAndKeepsTheirLines) {
  EXPECT_EQ(code_of("a // b\nc /* d\ne */ f"), "a     \nc     \n     f");
}

TEST(Scanner, KeepsCommentsWhenAsked) {
  EXPECT_EQ(code_of("a // b\n\"c\"", Comments::kKept), "a // b\n\" \"");
}

TEST(Scanner, BlanksStringsAndTheirEscapes) {
  EXPECT_EQ(code_of(R"(f("a\"//b") + 1)"), R"(f("      ") + 1)");
}

TEST(Scanner, BlanksRawStrings) {
  EXPECT_EQ(code_of("R\"x({\" )\" )x\"; b"), "R\"" + std::string(10, ' ') + "\"; b");
}

TEST(Scanner, TellsCharactersFromDigitSeparators) {
  EXPECT_EQ(code_of("f('{', 1'000'000, L'\"')"), "f(' ', 1'000'000, L' ')");
}

TEST(Scanner, DropsDirectivesWithTheirContinuations) {
  EXPECT_EQ(without_directives("#define A {\\\n {\nb\n"), std::string(12, ' ') + "\n  \nb\n");
}

TEST(Scanner, GivesTheSizeWhenABracketStaysOpen) {
  EXPECT_EQ(closing("f(a(b)", 1), 6U);
  EXPECT_EQ(closing("f(a(b))", 1), 6U);
}

// -------------------------------------------------------------------------------------------------

TEST(FunctionLength, LimitIsSeventyLines) {
  EXPECT_EQ(lines(long_functions(function_of("int f(int a)", 70))), Lines{});
  EXPECT_EQ(lines(long_functions(function_of("int f(int a)", 71))), Lines{3});
}

TEST(FunctionLength, FindsEveryKindOfHead) {
  for (const std::string_view head :
       {"int A::f() const noexcept(false)", "auto f(int a) -> std::vector<int>",
        "A::A(int a) : B(a), c_{a}, d_{{1, 2}}", "A() noexcept : c_{1}", "TEST(A, B)",
        "template <class T = int>\nT f(T a = T{})", "bool operator==(const A& a) const",
        "A& operator=(A&& a)", "struct B : C {\n  ~B() override", "HWY_ATTR void f(int a) HWY_ATTR",
        "const auto f = [](int a)", "extern \"C\" {\nvoid f()", "[[noreturn]] void f()",
        "class B final {\n public:\n  explicit B(int a) : a_(a)"}) {
    Source source = function_of(head, 80);
    if (head.find('{') < head.find('\n') && head.find('\n') != std::string::npos)
      source.text += "}\n";
    EXPECT_EQ(long_functions(source).size(), 1U) << head;
  }
}

TEST(FunctionLength, PassesTablesTypesAndNamespaces) {
  for (const std::string_view head :
       {"constexpr std::array<int, 3> kTable =", "const Table table", "class A : public B<int>",
        "struct A", "enum class A : int", "namespace b", "int values[] ="}) {
    EXPECT_EQ(lines(long_functions(function_of(head, 80))), Lines{}) << head;
  }
}

TEST(FunctionLength, CountsEachMemberOfAClass) {
  const std::string member = "  int f() {\n" + repeated("    g();\n", 40) + "  }\n";
  EXPECT_EQ(lines(long_functions({"nn/a.h", "class A {\n" + member + member + "};\n"})), Lines{});
}

TEST(FunctionLength, RefusesToGuessWhenBracketsDoNotPairUp) {
  EXPECT_EQ(lines(long_functions({"nn/a.cc", "void f() {\n"})), Lines{1});
  EXPECT_EQ(lines(long_functions({"nn/a.cc", "}\n"})), Lines{1});
}

// -------------------------------------------------------------------------------------------------

TEST(Includes, MayPointDownwards) {
  EXPECT_EQ(
      lines(misplaced_includes({"nn/layer.cc",
                                "#include <vector>\n#include \"nn/layer.h\"\n"
                                "#include \"autograd/op.h\"\n#include \"tensor/shape.h\"\n"})),
      Lines{});
}

TEST(Includes, MustNotPointUpwards) {
  EXPECT_EQ(lines(misplaced_includes({"tensor/a.cc", "\n#include \"autograd/op.h\"\n"})), Lines{2});
  EXPECT_EQ(lines(misplaced_includes({"autograd/a.cc", "#  include <nn/layer.h>\n"})), Lines{1});
  EXPECT_EQ(lines(misplaced_includes({"nn/a.h", "#include \"optim/adam.h\"\n"})), Lines{1});
  EXPECT_EQ(lines(misplaced_includes({"optim/a.h", "#include \"rbl/attach.h\"\n"})), Lines{1});
  EXPECT_EQ(lines(misplaced_includes({"rbl/a.h", "#include \"experiments/e4.h\"\n"})), Lines{1});
}

TEST(Includes, MustNotReachIntoTestsOrBesideTheFile) {
  EXPECT_EQ(lines(misplaced_includes({"rbl/a.h", "#include \"tests/support/a.h\"\n"})), Lines{1});
  EXPECT_EQ(lines(misplaced_includes({"rbl/a.h", "#include \"b.h\"\n"})), Lines{1});
}

TEST(Includes, LeadAnywhereFromTestsAndBench) {
  EXPECT_EQ(lines(misplaced_includes({"tests/nn/a_test.cc", "#include \"experiments/a.h\"\n"})),
            Lines{});
  EXPECT_EQ(lines(misplaced_includes({"bench/a.cc", "#include \"rbl/a.h\"\n"})), Lines{});
}

TEST(Includes, ReachHighwayFromKernelsAndWhatMeasuresThemOnly) {
  const std::string text = "#include \"hwy/highway.h\"\n";
  EXPECT_EQ(lines(misplaced_includes({"tensor/kernels/math-inl.h", text})), Lines{});
  EXPECT_EQ(lines(misplaced_includes({"tensor/simd.cc", text})), Lines{});
  EXPECT_EQ(lines(misplaced_includes({"bench/a.cc", text})), Lines{});
  EXPECT_EQ(lines(misplaced_includes({"experiments/precision/a.cc", text})), Lines{});
  EXPECT_EQ(lines(misplaced_includes({"experiments/a.cc", text})), Lines{1});
  EXPECT_EQ(lines(misplaced_includes({"tensor/shape.h", text})), Lines{1});
  EXPECT_EQ(lines(misplaced_includes({"tests/tensor/a_test.cc", "#include <hwy/base.h>\n"})),
            Lines{1});
}

TEST(Includes, AreNotReadFromCommentsOrStrings) {
  EXPECT_EQ(
      lines(misplaced_includes(
          {"nn/a.cc", "// #include \"rbl/a.h\"\nauto s = R\"(\n#include \"rbl/a.h\"\n)\";\n"})),
      Lines{});
}

TEST(FileLength, DependsOnTheKindOfFile) {
  const auto excess = [](const char* path, std::size_t count) {
    return !excess_lines({path, repeated("\n", count)}).empty();
  };
  EXPECT_FALSE(excess("nn/a.h", 200));
  EXPECT_TRUE(excess("nn/a.h", 201));
  EXPECT_FALSE(excess("tensor/kernels/a-inl.h", 400));
  EXPECT_TRUE(excess("tensor/kernels/a-inl.h", 401));
  EXPECT_FALSE(excess("nn/a.cc", 400));
  EXPECT_TRUE(excess("nn/a.cc", 401));
  EXPECT_FALSE(excess("tests/nn/a_test.cc", 500));
  EXPECT_TRUE(excess("tests/nn/a_test.cc", 501));
  EXPECT_TRUE(excess("tests/support/a.h", 201));
}

TEST(Columns, LimitIsAHundredCharacters) {
  EXPECT_EQ(lines(wide_lines({"nn/a.cc", "\n" + repeated("x", 100) + "\n"})), Lines{});
  EXPECT_EQ(lines(wide_lines({"nn/a.cc", "\n" + repeated("x", 101) + "\n"})), Lines{2});
}

TEST(Columns, CountCharactersAndNotBytes) {
  EXPECT_EQ(lines(wide_lines({"nn/a.cc", repeated("\xC3\xBC", 100)})), Lines{});
}

// -------------------------------------------------------------------------------------------------

TEST(BannedWords, AreFoundInCode) {
  for (const std::string_view word : {"int x = rand();",
                                      "std::rand ();",
                                      "std::random_device d;",
                                      "a = fast-math;",
                                      "const_cast<int&>(x)",
                                      "mutable int x;",
                                      "float* x",
                                      "const double *x",
                                      "float const* x",
                                      "hn::ReduceSum(d, v)",
                                      "SumOfLanes(d, v)",
                                      "hn::MulAdd(a, b, c)",
                                      "hn::NegMulAdd(a, b, c)",
                                      "std::exp(x)",
                                      "std::logf(x)",
                                      "std::tanh(x)",
                                      "std::sin(x)",
                                      "std::cosf(x)",
                                      "std::pow(x, y)",
                                      "std::erf(x)"}) {
    EXPECT_EQ(lines(banned_words({"nn/a.cc", fmt::format("\n{}\n", word)})), Lines{2}) << word;
  }
}

TEST(BannedWords, MayStandInCommentsAndStrings) {
  EXPECT_EQ(lines(banned_words({"nn/a.cc", "// mutable\nf(\"const_cast\"); /* rand( */\n"})),
            Lines{});
}

TEST(BannedWords, AreWholeWords) {
  EXPECT_EQ(lines(banned_words(
                {"nn/a.cc", "operand(1); immutable; tanh(x); float(x) * y; std::sqrt(2);"})),
            Lines{});
}

TEST(BannedWords, HavePlacesWhereTheyBelong) {
  EXPECT_EQ(lines(banned_words({"tensor/kernels/a.cc", "float* x;"})), Lines{});
  EXPECT_EQ(lines(banned_words({"bench/a.cc", "float* x;"})), Lines{});
  EXPECT_EQ(lines(banned_words({"tensor/kernels/fma-inl.h", "hn::MulAdd(a, b, c)"})), Lines{});
  EXPECT_EQ(lines(banned_words({"tensor/kernels/math-inl.h", "hn::MulAdd(a, b, c)"})), Lines{1});
  EXPECT_EQ(lines(banned_words({"tests/a_test.cc", "std::exp(x)"})), Lines{});
  EXPECT_EQ(lines(banned_words({"bench/a.cc", "std::exp(x)"})), Lines{});
  EXPECT_EQ(lines(banned_words({"experiments/precision/a.cc", "std::exp(x); float* y;"})), Lines{});
  EXPECT_EQ(lines(banned_words({"experiments/a.cc", "std::exp(x)"})), Lines{1});
}

TEST(BannedWords, IncludeMarksOfUnfinishedWorkEvenInComments) {
  EXPECT_EQ(lines(banned_words({"nn/a.cc",
                                "\n// TO"
                                "DO: later\n"})),
            Lines{2});
  EXPECT_EQ(lines(banned_words({"nn/a.cc",
                                "\n// FIX"
                                "ME\n"})),
            Lines{2});
}

TEST(UnorderedLoops, AreFound) {
  const std::string declared = "std::unordered_map<std::string, std::vector<int>> counts_;\n";
  EXPECT_EQ(
      lines(unordered_loops({"nn/a.cc", declared + "for (const auto& [k, v] : counts_) f(k);"})),
      Lines{2});
  EXPECT_EQ(
      lines(unordered_loops({"nn/a.cc", "for (std::size_t k : this->counts_) f(k);"}, declared)),
      Lines{1});
  EXPECT_EQ(lines(unordered_loops(
                {"nn/a.cc", "void f(const std::unordered_set<int>& s) {\nfor (int i : s) g(i);"})),
            Lines{2});
}

TEST(UnorderedLoops, PassOtherLoopsAndLookups) {
  EXPECT_EQ(lines(unordered_loops({"nn/a.cc",
                                   "std::unordered_set<int> seen;\nstd::vector<int> order;\n"
                                   "for (int i : order) seen.insert(i);\n"
                                   "for (std::size_t i = 0; i < n; ++i) seen.count(i);\n"})),
            Lines{});
}

TEST(Headers, OpenWithACommentAndAGuard) {
  EXPECT_EQ(bare_header({"nn/a.h", "// A layer.\n#pragma once\n"}).size(), 0U);
  EXPECT_EQ(bare_header({"nn/a.h", "#pragma once\n"}).size(), 1U);
  EXPECT_EQ(bare_header({"nn/a.h", "// A layer.\n"}).size(), 1U);
  EXPECT_EQ(
      bare_header({"nn/a-inl.h", "// A\n#if defined(A) == defined(HWY_TARGET_TOGGLE)\n"}).size(),
      0U);
}

// -------------------------------------------------------------------------------------------------

const fs::path& root() {
  static const fs::path path = PALINODE_ROOT;
  return path;
}

std::string content(const fs::path& path) {
  std::ifstream file(root() / path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Every C++ file of the layers, the tests and the benchmarks, by path.
const std::map<std::string, Source>& tree() {
  static const auto sources = [] {
    std::map<std::string, Source> result;
    std::vector<std::string_view> folders(kLayers.begin(), kLayers.end());
    folders.insert(folders.end(), {"tests", "bench"});
    for (const std::string_view folder : folders) {
      if (!fs::exists(root() / folder)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(root() / folder)) {
        const std::string path = fs::relative(entry.path(), root()).generic_string();
        if (!path.ends_with(".h") && !path.ends_with(".cc")) continue;
        result.emplace(path, Source{path, content(path)});
      }
    }
    return result;
  }();
  return sources;
}

void expect_none(const Findings& findings, std::string_view path) {
  for (const Finding& finding : findings) {
    ADD_FAILURE() << fmt::format("{}:{}: {}", path, finding.line, finding.what);
  }
}

void expect_clean(Findings (*rule)(const Source&)) {
  for (const auto& [path, source] : tree()) expect_none(rule(source), path);
}

TEST(Tree, IsWhereTheTestLooks) {
  EXPECT_TRUE(tree().contains("tests/style_test.cc"));
  EXPECT_TRUE(tree().contains("tensor/shape.h"));
}

TEST(Tree, IncludesPointDownwards) { expect_clean(misplaced_includes); }

TEST(Tree, FilesAreShort) { expect_clean(excess_lines); }

TEST(Tree, FunctionsAreShort) { expect_clean(long_functions); }

TEST(Tree, LinesFitInAHundredColumns) { expect_clean(wide_lines); }

TEST(Tree, HasNoBannedWord) { expect_clean(banned_words); }

TEST(Tree, NeverIteratesOverAnUnorderedContainer) {
  for (const auto& [path, source] : tree()) {
    const auto header = tree().find(path.substr(0, path.rfind('.')) + ".h");
    expect_none(unordered_loops(source, header == tree().end() ? "" : header->second.text), path);
  }
}

TEST(Tree, HeadersOpenWithACommentAndAGuard) {
  for (const auto& [path, source] : tree()) {
    if (is_header(path)) expect_none(bare_header(source), path);
  }
}

TEST(Tree, EveryOpHasARowInTheTable) {
  const std::string rows = code_of(content("autograd/ops.def"));
  std::set<std::string> names;
  const std::regex row(R"(\b[A-Z][A-Z_]*\(\s*(\w+))");
  for (std::sregex_iterator it(rows.begin(), rows.end(), row), end; it != end; ++it) {
    names.insert((*it)[1]);
  }
  for (const auto& [path, source] : tree()) {
    if (!path.starts_with("autograd/ops/") || !path.ends_with(".cc")) continue;
    const std::string name = fs::path(path).stem().string();
    EXPECT_TRUE(names.contains(name)) << fmt::format("{}:1: no row in autograd/ops.def", path);
  }
}

TEST(Tree, TopLevelHoldsNothingElse) {
  const std::set<std::string> known = {"tensor",
                                       "autograd",
                                       "nn",
                                       "optim",
                                       "rbl",
                                       "tests",
                                       "bench",
                                       "docs",
                                       "README.md",
                                       "experiments",
                                       "LICENSE",
                                       "CMakeLists.txt",
                                       "CMakePresets.json",
                                       "reproduce",
                                       "check",
                                       "build",
                                       "results",
                                       "runs"};
  for (const auto& entry : fs::directory_iterator(root())) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(name.starts_with('.') || known.contains(name))
        << fmt::format("{}:1: the top level holds only what the style test lists", name);
  }
}

TEST(Tree, BuildFileIsShort) {
  const std::size_t count = lines_of(content("CMakeLists.txt")).size();
  EXPECT_LE(count, 170U) << fmt::format("CMakeLists.txt:{}: at most 170 lines", count);
}

TEST(Tree, BuildNeverTradesBitsForSpeed) {
  const std::regex traded(R"(fast-math|-Ofast|-ffp-contract=(on|fast)|unsafe-math|finite-math)");
  for (const char* name : {"CMakeLists.txt", "CMakePresets.json"}) {
    const std::vector<std::string> build = lines_of(content(name));
    for (std::size_t i = 0; i < build.size(); ++i) {
      EXPECT_FALSE(std::regex_search(build[i], traded)) << fmt::format("{}:{}", name, i + 1);
    }
  }
}

}  // namespace
}  // namespace palinode::style
