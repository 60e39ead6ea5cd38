// E1: every kind of behavior on every model it fits, attached, trained and detached.
#include <map>

#include "rbl/behavior.h"
#include "tests/experiments/studies/small_cell.h"

namespace palinode::experiments {
namespace {

const Outcome& seen(const char* model) {
  static std::map<std::string, Outcome> outcomes;
  const auto [place, added] = outcomes.try_emplace(model);
  if (added) place->second = run_small("E1", model, 1, {"kind_steps=3", "kind_steps_large=3"});
  return place->second;
}

const Row* row_of_kind(const Outcome& outcome, std::string_view kind) {
  for (const Row& row : outcome.rows) {
    if (row.variant == kind) return &row;
  }
  return nullptr;
}

TEST(Unload, EveryKindIsTriedOnTheModelOfTokensAndLeavesNothing) {
  for (const rbl::BehaviorKind& kind : rbl::behavior_kinds()) {
    const Row* row = row_of_kind(seen("bytes-gpt"), kind.name);
    ASSERT_NE(row, nullptr) << kind.name;
    EXPECT_EQ(row->rollback, "R17");
    EXPECT_EQ(row->steps, 3U);
    EXPECT_GT(row->kl_adapt, 0) << kind.name << " did nothing that could be undone";
    EXPECT_EQ(row->kl_rec, 0) << kind.name;
    EXPECT_EQ(row->words_changed, 0U) << kind.name;
    EXPECT_TRUE(row->logits_bit_equal) << kind.name;
  }
  EXPECT_EQ(unload_fault(seen("bytes-gpt").rows), "");
}

TEST(Unload, AKindWithoutASiteInTheModelIsLeftOut) {
  for (const rbl::BehaviorKind& kind : rbl::behavior_kinds()) {
    const bool fits = !kind.sites(*small_subjects().get("digits-mlp", 1).network).empty();
    EXPECT_EQ(row_of_kind(seen("digits-mlp"), kind.name) != nullptr, fits) << kind.name;
  }
  EXPECT_EQ(row_of_kind(seen("digits-mlp"), "soft-prompt"), nullptr);
}

TEST(Unload, TheAdaptationsOfTheModelOfTokensReachTheirScore) {
  for (const Row& row : seen("bytes-gpt").rows) {
    if (!row.mechanism.starts_with("adam") || !row.variant.empty()) continue;
    EXPECT_TRUE(row.score_reached);
    EXPECT_GT(row.steps, 0U);
  }
}

// A soft prompt of the usual length needs places of the context that no sequence takes.
TEST(Unload, OneModelOfTheQuickRunHasRoomForASoftPrompt) {
  const Settings quick(find_study("E1").knobs, Size::kQuick);
  std::size_t with_room = 0;
  for (const std::string& name : quick.words("models")) {
    with_room += small_subjects().get(name, 1).room > 0 ? 1 : 0;
  }
  EXPECT_GE(with_room, 1U);
}

}  // namespace
}  // namespace palinode::experiments
