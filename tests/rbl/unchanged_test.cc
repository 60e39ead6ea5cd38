#include "rbl/unchanged.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "nn/cnn.h"
#include "rbl/certificate.h"
#include "rbl/observe.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

// A network with buffers that is not frozen, so that a measurement can do harm.
struct UnchangedTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  nn::Cnn model{theta,
                buffers,
                {.height = 4,
                 .width = 4,
                 .blocks = {{2, 3, 2}},
                 .hidden = {},
                 .classes = 3,
                 .batch_norm = true}};
  Tensor x = Rng(1).stream("x").normal({5, 4, 4, 1}, Dtype::kF32);

  UnchangedTest() { ledger.commit(model.init(Rng(1))); }
  void write(const Store& store, const char* name) {
    const Tensor value = Tensor::full<float>(store.at(name).shape(), 0.5F);
    ledger.commit({.proposer = "test", .writes = {{&store, name, value}}});
  }
};

// A function that does what a careless metric does: it leaves something behind.
class Careless : public nn::Model {
 public:
  Careless(UnchangedTest& test, const Store& store, const char* name)
      : test_(&test), store_(&store), name_(name) {}
  Var forward(nn::Run& run, Var x) const override {
    const Var y = test_->model.forward(run, x);
    test_->write(*store_, name_);
    return y;
  }

 private:
  UnchangedTest* test_;
  const Store* store_;
  const char* name_;
};

// The text of the IdentityError that f throws.
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const IdentityError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST_F(UnchangedTest, AMeasurementGivesWhatItMeasured) {
  EXPECT_EQ(measured("test", model, [] { return 7; }), 7);
  bool done = false;
  measured("test", model, [&] { done = true; });
  EXPECT_TRUE(done);
}

TEST_F(UnchangedTest, AMeasurementThatWritesIsNamedWithTheTensor) {
  EXPECT_TRUE(
      refusal([&] {
        measured("fisher", model, [&] { write(theta, "layer.0.bias"); });
      }).starts_with("fisher: the bytes of theta have changed: theta/layer.0.bias f32 [3]"));
}

TEST_F(UnchangedTest, AMeasurementThatFailsIsHeldToItToo) {
  EXPECT_THROW(measured("test", model, [] { throw std::runtime_error("metric"); }),
               std::runtime_error);
  EXPECT_THROW(measured("test", model,
                        [&] {
                          write(theta, "layer.0.bias");
                          throw std::runtime_error("metric");
                        }),
               IdentityError);
}

TEST_F(UnchangedTest, ObservingIsHeldToItInParametersAndInBuffers) {
  observe(model, model, x);
  const Careless moves(*this, buffers, "block.0.norm.running_mean");
  EXPECT_TRUE(
      refusal([&] { observe(moves, model, x); })
          .starts_with(
              "observe: the bytes of theta have changed: buffers/block.0.norm.running_mean"));
  const Careless writes(*this, theta, "layer.0.bias");
  EXPECT_THROW(observe(writes, theta, x), IdentityError);
}

TEST_F(UnchangedTest, ACertificateIsNotExactIfOnlyTheBuffersDiffer) {
  const Observation before = observe(model, model, x);
  EXPECT_EQ(before.buffers_fingerprint, fingerprint(buffers));
  EXPECT_TRUE(certify(before, before, before).exact());
  Observation after = before;
  write(buffers, "block.0.norm.running_mean");
  after.buffers_fingerprint = fingerprint(buffers);
  const Certificate certificate = certify(before, before, after);
  EXPECT_FALSE(certificate.exact());
  EXPECT_NE(to_text(certificate).find(hex(fingerprint(buffers))), std::string::npos);
}

}  // namespace
}  // namespace palinode::rbl
