// Rows, points and outcomes as JSON: the same bits again, and nothing taken that is not whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "experiments/results/groups.h"
#include "experiments/suite/outcome_json.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kHard[] = {0.0,    -0.0,           0.1,    -1.0 / 3, 0x1p-1074, -0x1.8p-1060,
                            0x1p53, 0x1.fffffp1023, 1e22,   5e-324,   kInf,      -kInf,
                            kNan,   -kNan,          1e-300, 2.0};

constexpr double Row::*kNumbers[] = {&Row::kl_adapt,
                                     &Row::js_adapt,
                                     &Row::kl_rec,
                                     &Row::js_rec,
                                     &Row::ils_mean,
                                     &Row::ils_max,
                                     &Row::top1_changed,
                                     &Row::distance_adapt,
                                     &Row::distance_rec,
                                     &Row::task_metric_base,
                                     &Row::task_metric_adapt,
                                     &Row::task_metric_rec,
                                     &Row::identity_metric_base,
                                     &Row::identity_metric_adapt,
                                     &Row::identity_metric_rec,
                                     &Row::flops};
constexpr std::uint64_t Row::*kCounts[] = {
    &Row::seed,       &Row::ils_flagged,    &Row::words_changed,  &Row::words, &Row::steps,
    &Row::bytes_kept, &Row::bytes_snapshot, &Row::bytes_behavior, &Row::passes};
constexpr std::string Row::*kTexts[] = {&Row::study,
                                        &Row::model,
                                        &Row::data,
                                        &Row::locus,
                                        &Row::mechanism,
                                        &Row::rollback,
                                        &Row::variant,
                                        &Row::theta_fingerprint_before,
                                        &Row::theta_fingerprint_after,
                                        &Row::phi_digest,
                                        &Row::backend};

constexpr std::vector<double> Row::*kLists[] = {&Row::kl_adapt_resampled, &Row::js_adapt_resampled,
                                                &Row::kl_rec_resampled, &Row::js_rec_resampled};

// The same bits; of what is not a number only that.
bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

// Hard numbers in its fields, turned by `turn` places.
Row row_of(std::size_t turn) {
  Row row;
  const auto hard = [turn](std::size_t i) { return kHard[(i + turn) % std::size(kHard)]; };
  std::size_t i = 0;
  for (const auto field : kNumbers) row.*field = hard(i++);
  for (const auto field : kCounts) row.*field = (std::uint64_t{1} << 62U) + i++ + turn;
  for (const auto field : kTexts) row.*field = "text " + std::to_string(i++) + " \"\xC3\xA4\",";
  row.alpha = hard(i++);
  row.svar = hard(i++);
  row.seconds = hard(i++);
  row.rf = {.state = rbl::Recoverability::State::kValue, .value = hard(i++)};
  row.rf_geometry = {.state = rbl::Recoverability::State::kValue, .value = hard(i++)};
  for (const auto field : kLists) {
    (row.*field).assign(std::begin(kHard), std::end(kHard));
    std::ranges::rotate(row.*field,
                        (row.*field).begin() + static_cast<std::ptrdiff_t>(i++ % std::size(kHard)));
  }
  row.logits_bit_equal = turn % 2 == 0;
  row.score_reached = turn % 2 == 1;
  return row;
}

// Written and read as a file is.
template <class From>
auto again(const ordered_json& json, From from) {
  return from(ordered_json::parse(json.dump()));
}

TEST(RowJson, BringsEveryFieldBackBitForBit) {
  for (std::size_t turn = 0; turn < std::size(kHard); ++turn) {
    const Row row = row_of(turn), back = again(row_json(row), row_from_json);
    for (const auto field : kNumbers) EXPECT_TRUE(same(back.*field, row.*field)) << row.*field;
    for (const auto field : kCounts) EXPECT_EQ(back.*field, row.*field);
    for (const auto field : kTexts) EXPECT_EQ(back.*field, row.*field);
    EXPECT_TRUE(same(*back.alpha, *row.alpha));
    EXPECT_TRUE(same(*back.svar, *row.svar));
    EXPECT_TRUE(same(back.seconds, row.seconds));
    EXPECT_TRUE(same(back.rf.value, row.rf.value));
    EXPECT_TRUE(same(back.rf_geometry.value, row.rf_geometry.value));
    EXPECT_EQ(back.logits_bit_equal, row.logits_bit_equal);
    EXPECT_EQ(back.score_reached, row.score_reached);
    for (const auto field : kLists) {
      EXPECT_TRUE(std::ranges::equal(back.*field, row.*field, same));
    }
    EXPECT_EQ(row_digest(back), row_digest(row));
  }
}

TEST(RowJson, KeepsWhatIsNotThereApartFromZero) {
  Row row = row_of(0);
  row.alpha = row.svar = std::nullopt;
  row.phi_digest = "";
  for (const auto state :
       {rbl::Recoverability::State::kUndefined, rbl::Recoverability::State::kBelowFloor}) {
    row.rf = row.rf_geometry = {.state = state, .value = 0};
    const Row back = again(row_json(row), row_from_json);
    EXPECT_EQ(back.rf.state, state);
    EXPECT_EQ(back.rf_geometry.state, state);
    EXPECT_FALSE(back.alpha || back.svar);
    EXPECT_EQ(back.phi_digest, "");
  }
}

// The sign of 0 / 0 depends on the processor; no digest may.
TEST(RowJson, HasOneWordForWhatIsNotANumber) {
  EXPECT_EQ(json_number(kNan), "nan");
  EXPECT_EQ(json_number(std::copysign(kNan, -1.0)), "nan");
  Row row = row_of(0), other = row;
  row.kl_rec = std::copysign(kNan, 1.0);
  other.kl_rec = std::copysign(kNan, -1.0);
  EXPECT_EQ(row_digest(row), row_digest(other));
}

// Expects that `from` refuses the record without a field, and with an object in its place, naming
// it.
template <class From>
void expect_each_field_is_needed(const ordered_json& whole, From from) {
  ASSERT_NO_THROW(from(whole));
  for (const auto& [name, value] : whole.items()) {
    ordered_json missing = whole, wrong = whole;
    missing.erase(name);
    wrong[name] = {{"of", "another type"}};
    for (const ordered_json& broken : {missing, wrong}) {
      try {
        from(broken);
        ADD_FAILURE() << "taken without a right \"" << name << "\"";
      } catch (const FormatError& error) {
        EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      }
    }
  }
}

TEST(RowJson, IsRefusedWithoutOneOfItsFieldsOrWithAnotherType) {
  expect_each_field_is_needed(row_json(row_of(0)), row_from_json);
  EXPECT_THROW(row_from_json(ordered_json::array()), FormatError);
}

TEST(RowJson, IsRefusedIfItsDigestIsNotThatOfItsFields) {
  const ordered_json whole = row_json(row_of(0));
  const auto changed = [&whole](const char* name, ordered_json value) {
    ordered_json json = whole;
    json[name] = std::move(value);
    return json;
  };
  EXPECT_THROW(row_from_json(changed("kl_rec", 0.25)), FormatError);
  EXPECT_THROW(row_from_json(changed("words", 7U)), FormatError);
  EXPECT_THROW(row_from_json(changed("rollback", "R6")), FormatError);
  EXPECT_THROW(row_from_json(changed("js_rec_resampled", ordered_json::array())), FormatError);
  EXPECT_THROW(row_from_json(changed("digest", std::string(64, '0'))), FormatError);
  EXPECT_NO_THROW(row_from_json(changed("seconds", 3.5)));  // not a result
}

Point point_of(double at, double value) {
  return {.study = "E8",
          .model = "m",
          .data = "d",
          .series = "s",
          .variable = "cycles",
          .at = at,
          .quantity = "drift",
          .seed = std::uint64_t{1} << 62U,
          .value = value};
}

TEST(PointJson, BringsEveryFieldBackBitForBit) {
  for (const double hard : kHard) {
    const Point point = point_of(hard, -hard), back = again(point_json(point), point_from_json);
    EXPECT_TRUE(same(back.at, point.at)) << hard;
    EXPECT_TRUE(same(back.value, point.value)) << hard;
    EXPECT_EQ(back.seed, point.seed);
    EXPECT_EQ(back.study + back.model + back.data + back.series + back.variable + back.quantity,
              "E8mdscyclesdrift");
  }
}

TEST(PointJson, IsRefusedWithoutOneOfItsFieldsOrWithAnotherType) {
  expect_each_field_is_needed(point_json(point_of(1, 2)), point_from_json);
}

Outcome outcome_of() {
  Outcome outcome;
  outcome.rows = {row_of(0), row_of(1)};
  outcome.points = {point_of(1, 2), point_of(2, kNan), point_of(3, -0.0)};
  rbl::Certificate certificate{};
  std::uint8_t byte = 1;
  for (auto* digest : {&certificate.fingerprint_before, &certificate.fingerprint_during,
                       &certificate.fingerprint_after}) {
    for (auto& each : *digest) each = byte = static_cast<std::uint8_t>(byte * 5 + 7);
  }
  for (auto* digest :
       {&certificate.logits_before, &certificate.logits_during, &certificate.logits_after}) {
    for (auto& each : *digest) each = byte = static_cast<std::uint8_t>(byte * 5 + 7);
  }
  certificate.kl_during = 0.5;
  certificate.js_during = 0x1p-1074;
  certificate.kl_after = -0.0;
  certificate.js_after = kInf;
  certificate.probes = 512;
  outcome.certificate = certificate;
  return outcome;
}

TEST(OutcomeJson, BringsRowsPointsAndCertificateBack) {
  const Outcome outcome = outcome_of(), back = again(outcome_json(outcome), outcome_from_json);
  EXPECT_EQ(study_digest(back.rows, back.points), study_digest(outcome.rows, outcome.points));
  ASSERT_TRUE(back.certificate);
  const rbl::Certificate &a = *outcome.certificate, &b = *back.certificate;
  EXPECT_EQ(b.fingerprint_before, a.fingerprint_before);
  EXPECT_EQ(b.fingerprint_during, a.fingerprint_during);
  EXPECT_EQ(b.fingerprint_after, a.fingerprint_after);
  EXPECT_EQ(b.logits_before, a.logits_before);
  EXPECT_EQ(b.logits_during, a.logits_during);
  EXPECT_EQ(b.logits_after, a.logits_after);
  EXPECT_TRUE(same(b.kl_during, a.kl_during));
  EXPECT_TRUE(same(b.js_during, a.js_during));
  EXPECT_TRUE(same(b.kl_after, a.kl_after));
  EXPECT_TRUE(same(b.js_after, a.js_after));
  EXPECT_EQ(b.probes, a.probes);
  EXPECT_FALSE(again(outcome_json(Outcome{}), outcome_from_json).certificate);
}

TEST(OutcomeJson, IsRefusedWithoutOneOfItsPartsOrWithABrokenCertificate) {
  const ordered_json whole = outcome_json(outcome_of());
  for (const char* name : {"rows", "points", "certificate"}) {
    ordered_json missing = whole, wrong = whole;
    missing.erase(name);
    wrong[name] = 3;
    EXPECT_THROW(outcome_from_json(missing), FormatError) << name;
    EXPECT_THROW(outcome_from_json(wrong), FormatError) << name;
  }
  expect_each_field_is_needed(whole.at("certificate"), [&whole](const ordered_json& certificate) {
    ordered_json json = whole;
    json["certificate"] = certificate;
    return outcome_from_json(json);
  });
  ordered_json letters = whole;
  letters["certificate"]["logits_after"] = std::string(32, 'g');
  EXPECT_THROW(outcome_from_json(letters), FormatError);
}

// Fields of a line of CSV (RFC 4180).
std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> found = {""};
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      found.back() += line[i++];
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      found.emplace_back();
    } else {
      found.back() += line[i];
    }
  }
  return found;
}

TEST(ResultsText, HasALineForEachRecordAndIsTheSameJson) {
  ordered_json results = {{"schema", 7}, {"environment", {{"cpu", "a \"b\",\n"}}}};
  results["rows"] = {row_json(row_of(0)), row_json(row_of(1)), row_json(row_of(2))};
  results["groups"] = ordered_json::array();
  const std::string text = results_text(results);
  EXPECT_EQ(ordered_json::parse(text).dump(), results.dump());
  EXPECT_EQ(std::ranges::count(text, '\n'), 12);
  for (const ordered_json& row : results["rows"]) {
    EXPECT_NE(text.find("\n " + row.dump()), std::string::npos);
  }
}

TEST(Csv, LeavesTheListsOut) {
  const Row row = row_of(0);
  ASSERT_TRUE(row_json(row).contains("js_adapt_resampled"));
  EXPECT_EQ(rows_csv(std::span<const Row>(&row, 1)).find("resampled"), std::string::npos);
}

TEST(Csv, HasAFieldForEveryColumnWhateverIsInIt) {
  const Row row = row_of(0);
  const std::string text = rows_csv(std::span<const Row>(&row, 1));
  const std::size_t end = text.find('\n');
  const std::vector<std::string> header = fields(text.substr(0, end));
  const std::vector<std::string> values = fields(text.substr(end + 1, text.size() - end - 2));
  ASSERT_EQ(values.size(), header.size());
  const ordered_json json = row_json(row);
  for (std::size_t i = 0; i < header.size(); ++i) {
    const ordered_json& want = json.at(header[i]);
    EXPECT_EQ(values[i], want.is_string() ? want.get<std::string>() : want.dump()) << header[i];
  }
}

}  // namespace
}  // namespace palinode::experiments
