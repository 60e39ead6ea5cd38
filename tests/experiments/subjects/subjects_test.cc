// Subjects: one training of each model and seed, with the same bits whoever asks first.
#include "experiments/subjects/subjects.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "experiments/studies/study.h"
#include "experiments/subjects/labelled_task.h"
#include "experiments/usage_error.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

TEST(Subjects, AreNamedInTheErrorOfANameThatIsNotThere) {
  try {
    subject_info("digits-mpl");
    ADD_FAILURE();
  } catch (const NameError& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with("unknown model \"digits-mpl\"; there are digits-mlp, "));
    for (const SubjectInfo& info : subject_infos()) {
      EXPECT_NE(message.find(info.name), std::string::npos) << info.name;
    }
  }
  Subjects subjects{Options{}};
  EXPECT_THROW(subjects.get("digits-mpl", 1), NameError);
  EXPECT_FALSE(is_subject("digits-mpl"));
  EXPECT_EQ(scale_of("digits-mpl"), Scale::kSmall);
}

TEST(Subjects, HaveNamesOfTheirOwn) {
  for (const SubjectInfo& info : subject_infos()) {
    EXPECT_EQ(&subject_info(info.name), &info);
    EXPECT_TRUE(is_subject(info.name));
    EXPECT_EQ(scale_of(info.name), info.scale);
  }
}

TEST(Mechanisms, AreNamedInTheErrorOfANameThatIsNotThere) {
  EXPECT_EQ(mechanism_named("policy-gradient"), Mechanism::kPolicyGradient);
  EXPECT_MESSAGE(mechanism_named("lion"), UsageError,
                 "no mechanism \"lion\"; there are sgd, momentum, adam, adamw, policy-gradient");
}

TEST(Subjects, AreTrainedOnceHoweverManyAsk) {
  Subjects subjects{Options{}};
  std::vector<const Identity*> seen(8);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      threads.emplace_back([&seen, &subjects, i] { seen[i] = &subjects.get("digits-mlp2-32", 3); });
    }
  }
  for (const Identity* identity : seen) EXPECT_EQ(identity, seen.front());
  // Its first weights and 800 steps of Adam, of theta and of the moments.
  const std::uint64_t records = seen.front()->ledger->sequence();
  EXPECT_GE(records, 801U);
  EXPECT_EQ(subjects.get("digits-mlp2-32", 3).ledger->sequence(), records);
  EXPECT_NE(&subjects.get("digits-mlp2-32", 4), seen.front());
  Subjects others{Options{}};
  EXPECT_EQ(others.get("digits-mlp2-32", 3).ledger->sequence(), records);
}

TEST(Subjects, HaveTheSameBitsWhateverWasAskedForFirst) {
  Subjects one{Options{}}, other{Options{}};
  const Identity& first = one.get("digits-mlp2-32", 1);
  other.get("digits-mlp2-72", 1);
  other.get("digits-mlp2-32", 2);
  const Identity& last = other.get("digits-mlp2-32", 1);
  EXPECT_EQ(first.seen.fingerprint, last.seen.fingerprint);
  EXPECT_TRUE(rbl::same_bits(first.seen.logits, last.seen.logits));
  EXPECT_NE(first.seen.fingerprint, other.get("digits-mlp2-32", 2).seen.fingerprint);
}

TEST(Subjects, AreFrozen) {
  Subjects subjects{Options{}};
  const Identity& identity = subjects.get("digits-mlp2-32", 1);
  EXPECT_THROW(identity.ledger->commit(identity.init(*identity.theta)), Error);
}

// Cells on several threads train the same identity again (R18 in E4 and E14), each at its own pace.
TEST(Batches, AreTheSameOnEveryThread) {
  const std::size_t rows = 600;
  TensorBuilder x({rows, 1}, Dtype::kF32), y({rows}, Dtype::kI32);
  for (std::size_t i = 0; i < rows; ++i) {
    x.values<float>()[i] = static_cast<float>(i);
    y.values<std::int32_t>()[i] = static_cast<std::int32_t>(i);
  }
  const Labelled examples{std::move(x).build(), std::move(y).build()};
  const Task task = labelled_task("counting", examples, examples);
  constexpr std::uint64_t kSteps = 4000;
  Batches alone(examples, Rng(1), 32);
  std::vector<std::int32_t> want;
  for (std::uint64_t t = 0; t < kSteps; ++t)
    want.push_back(alone.at(t).y.values<std::int32_t>()[7]);

  const BatchAt at = task.batches(Rng(1), 32);
  std::vector<std::vector<std::int32_t>> got(4, std::vector<std::int32_t>(kSteps));
  {
    std::vector<std::jthread> threads;
    for (std::size_t k = 0; k < got.size(); ++k) {
      threads.emplace_back([&, k] {
        for (std::uint64_t i = 0; i < kSteps; ++i) {
          const std::uint64_t t = (i + 997 * k) % kSteps;  // other epochs at the same time
          got[k][t] = at(t).y.values<std::int32_t>()[7];
        }
      });
    }
  }
  for (const std::vector<std::int32_t>& each : got) EXPECT_EQ(each, want);
}

}  // namespace
}  // namespace palinode::experiments
