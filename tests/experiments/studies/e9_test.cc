// E9: what comes back as models grow, in RF and in outputs that are equal.
#include <algorithm>
#include <cmath>

#include "experiments/studies/texts.h"
#include "nn/gpt.h"
#include "rbl/mutate.h"
#include "rbl/rollback/arms.h"
#include "tensor/error.h"
#include "tests/experiments/studies/small_cell.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

const Outcome& classifier() {
  static const Outcome kOutcome = run_small("E9", "digits-mlp2-32", 1);
  return kOutcome;
}

TEST(Scale, TheShareOfEqualAnswersIsThatOfProbesWhoseClassIsTheOneBefore) {
  const auto share = [](const char* series) {
    return value_of(classifier(), series, "equal-answers", 3466);
  };
  EXPECT_EQ(share("phi, R17"), 1);
  EXPECT_LT(share("theta, R0"), 0.9);
  EXPECT_GT(share("theta, R6 200-steps"), share("theta, R0"));
  for (const Row& row : classifier().rows) {
    if (row.rollback != "R0") continue;
    EXPECT_EQ(share("theta, R0"), 1 - row.top1_changed);
  }
}

TEST(Scale, ALanguageModelIsComparedByItsGreedyTexts) {
  const Outcome outcome = run_small("E9", "bytes-gpt", 1, {"text=12", "prompt=8"});
  const auto share = [&](const char* series) { return value_of(outcome, series, "equal-texts"); };
  EXPECT_EQ(share("phi, R17"), 1);
  EXPECT_LT(share("phi, R0"), 1);
  EXPECT_LT(share("theta, R0"), 1);
  for (const Point& p : outcome.points) {
    EXPECT_EQ(p.quantity, "equal-texts") << "the slope of RF is that of the classifiers";
  }
  EXPECT_EQ(unload_fault(outcome.rows), "");
}

struct Speaker {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  nn::Gpt model{theta, {.vocab = 12, .context = 16, .layers = 1, .heads = 2, .width = 16}};
  Tensor prompts = Tensor::from<std::int32_t>(std::vector<std::int32_t>{1, 2, 3, 4, 5, 6}, {2, 3});
  Speaker() { ledger.commit(model.init(Rng(1))); }
};

TEST(GreedyTexts, TakeTheMostLikelyTokenAgainAndAgain) {
  const Speaker speaker;
  const Texts texts =
      greedy_texts(speaker.model, speaker.prompts, {.context = 16, .prompt = 2, .length = 5});
  ASSERT_EQ(texts.size(), 2U);
  std::vector<std::int32_t> sequence = {4, 5};  // the second prompt's first two tokens
  for (const std::int32_t token : texts[1]) {
    const Tensor logits =
        nn::evaluate(speaker.model, Tensor::from<std::int32_t>(sequence, {1, sequence.size()}))
            .compact();
    const auto last = logits.values<float>().last(12);
    EXPECT_EQ(token, std::ranges::max_element(last) - last.begin());
    sequence.push_back(token);
  }
  EXPECT_EQ(texts[1].size(), 5U);
}

TEST(GreedyTexts, RefuseAPromptThatTheRowsDoNotHave) {
  const Speaker speaker;
  EXPECT_THROW(greedy_texts(speaker.model, speaker.prompts, {.context = 16, .prompt = 4}),
               ShapeError);
  EXPECT_THROW(greedy_texts(speaker.model, speaker.prompts, {.context = 16, .prompt = 0}),
               ShapeError);
}

TEST(ShareEqual, CountsTextsThatAreEqualToTheEnd) {
  EXPECT_EQ(share_equal({{1, 2}, {3, 4}}, {{1, 2}, {3, 5}}), 0.5);
  EXPECT_EQ(share_equal({{1, 2}}, {{1, 2}}), 1);
  EXPECT_MESSAGE(share_equal({{1}}, {}), ShapeError,
                 "share of equal texts: needs as many on both sides, got 1 and 0");
  EXPECT_THROW(share_equal({}, {}), ShapeError);
}

// What reads along changes neither the arm nor its price.
TEST(ReadAfter, SeesTheFunctionThatTheArmEndsAt) {
  const Speaker speaker;
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  ledger.commit(copy_of(speaker.theta, theta));
  const nn::Gpt model(theta, speaker.model.config());
  const auto text = [&](const nn::Model& function) {
    return greedy_texts(function, speaker.prompts, {.context = 16, .prompt = 2, .length = 6});
  };
  Texts seen;
  const auto arm = read_after(rbl::snapshot(), [&](const nn::Model& f) { seen = text(f); });
  arm->before(theta);
  ledger.commit(rbl::noise(theta, 0.5, Rng(2)));
  arm->after(theta);
  EXPECT_NE(text(model), text(speaker.model));
  rbl::Subject subject(ledger, theta, model);
  arm->undo(subject);
  EXPECT_EQ(seen, text(speaker.model));
  EXPECT_EQ(arm->id(), "R1");
  EXPECT_EQ(arm->price().bytes_kept, theta.bytes());
}

}  // namespace
}  // namespace palinode::experiments
