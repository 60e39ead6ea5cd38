// Stray writes, one after the other in this process: each is tried, and a handler sees whether it
// faulted.
#include <gtest/gtest.h>

#include <setjmp.h>
#include <signal.h>

#include <cstdint>
#include <vector>

#include "nn/cnn.h"
#include "nn/gpt.h"
#include "rbl/identity.h"
#include "tensor/ledger.h"

namespace palinode::rbl {
namespace {

constexpr std::size_t kWrites = 100'000;

sigjmp_buf landing;
volatile std::uintptr_t fault = 0;

void on_fault(int, siginfo_t* info, void*) {
  fault = reinterpret_cast<std::uintptr_t>(info->si_addr);
  siglongjmp(landing, 1);
}

// While it lives, a write that faults jumps to `landing`.
class FaultHandler {
 public:
  FaultHandler() {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;  // so that no jump has a mask to restore
    sigaction(SIGSEGV, &action, &before_);
  }
  ~FaultHandler() { sigaction(SIGSEGV, &before_, nullptr); }
  FaultHandler(const FaultHandler&) = delete;
  FaultHandler& operator=(const FaultHandler&) = delete;

 private:
  struct sigaction before_ {};
};

// Inverts the byte at an address. Whether that faulted, and there.
bool traps(std::uintptr_t address) {
  fault = 0;
  if (sigsetjmp(landing, 0) != 0) return fault == address;
  auto* const place = reinterpret_cast<volatile std::uint8_t*>(address);
  const std::uint8_t old = *place;
  *place = static_cast<std::uint8_t>(~old);
  return false;
}

enum Place { kFirst, kLast, kMiddle, kRandom, kPlaces };

// Networks of every kind of store and a store of every type, frozen behind one guard.
struct Frozen {
  Ledger ledger;
  const Store& cnn_theta = ledger.open("cnn", Role::kIdentity);
  const Store& cnn_buffers = ledger.open("cnn.buffers", Role::kBuffer);
  const Store& gpt_theta = ledger.open("gpt", Role::kIdentity);
  const Store& mixed = ledger.open("mixed", Role::kIdentity);
  nn::Cnn cnn{cnn_theta,
              cnn_buffers,
              {.height = 8, .width = 8, .blocks = {{4, 3, 2}}, .hidden = {7}, .batch_norm = true}};
  nn::Gpt gpt{gpt_theta,
              {.vocab = 17, .context = 8, .layers = 2, .heads = 2, .width = 16, .tied = true}};
  std::vector<const Store*> stores{&cnn_theta, &cnn_buffers, &gpt_theta, &mixed};

  Frozen() {
    ledger.commit(cnn.init(Rng(1)));
    ledger.commit(gpt.init(Rng(1)));
    const Tensor x = Rng(1).normal({3, 5}, Dtype::kF64);
    ledger.commit({.proposer = "test",
                   .writes = {{&mixed, "f64", x, true},
                              {&mixed, "f16", x.to(Dtype::kF16), true},
                              {&mixed, "bf16", x.to(Dtype::kBf16), true},
                              {&mixed, "i32", Tensor::full<std::int32_t>({}, 7), true},
                              {&mixed, "none", Tensor::zeros({0, 4}, Dtype::kF32), true}}});
  }
  void freeze(Guard guard) {
    Identity::freeze(ledger, cnn, guard);
    Identity::freeze(ledger, gpt, guard);
    ledger.freeze(mixed, guard);
  }
  // All that have bytes.
  std::vector<Tensor> tensors() const {
    std::vector<Tensor> all;
    for (const Store* store : stores) {
      for (const Entry& entry : store->entries()) {
        if (!entry.value.empty()) all.push_back(entry.value);
      }
    }
    return all;
  }
  std::vector<Sha256Digest> fingerprints() const {
    std::vector<Sha256Digest> all;
    for (const Store* store : stores) all.push_back(fingerprint(*store));
    return all;
  }
};

std::uintptr_t target(const Tensor& tensor, Place place, std::uint64_t random) {
  const auto begin = with_element(tensor.dtype(), [&]<class T>() {
    return reinterpret_cast<std::uintptr_t>(tensor.values<T>().data());
  });
  const std::size_t size = tensor.bytes();
  switch (place) {
    case kFirst:
      return begin;
    case kLast:
      return begin + size - 1;
    case kMiddle:
      return begin + size / 2;
    default:
      return begin + random % size;
  }
}

// Tries `writes` of them over all tensors and places in turn; how many did not trap.
std::size_t landed(const std::vector<Tensor>& tensors, std::size_t writes) {
  const FaultHandler handler;
  const Rng rng = Rng(1).stream("stray");
  std::size_t count = 0;
  for (std::size_t i = 0; i < writes; ++i) {
    const Tensor& tensor = tensors[i % tensors.size()];
    const auto place = static_cast<Place>(i / tensors.size() % kPlaces);
    if (!traps(target(tensor, place, rng.word(i)))) ++count;
  }
  return count;
}

struct StrayWriteTest : testing::TestWithParam<Guard> {
  Frozen frozen;
};

TEST_P(StrayWriteTest, AHundredThousandOverAllFrozenTensorsAllTrapAndNoneLands) {
  const std::vector<Sha256Digest> before = frozen.fingerprints();
  frozen.freeze(GetParam());
  if (frozen.mixed.guard() != GetParam()) GTEST_SKIP() << "no sealed memory on this system";
  const std::vector<Tensor> tensors = frozen.tensors();
  ASSERT_GE(kWrites / (tensors.size() * kPlaces), 100U);  // of each place of each tensor
  EXPECT_EQ(landed(tensors, kWrites), 0U);
  EXPECT_EQ(frozen.fingerprints(), before);
}

INSTANTIATE_TEST_SUITE_P(Guards, StrayWriteTest, testing::Values(Guard::kSealed, Guard::kProtected),
                         [](const auto& guard) { return std::string(guard_name(guard.param)); });

TEST(StrayWrite, LandsInATensorThatIsNotFrozen) {
  const Frozen open;
  const std::vector<Sha256Digest> before = open.fingerprints();
  const std::vector<Tensor> tensors = open.tensors();
  EXPECT_EQ(landed(tensors, tensors.size()), tensors.size());
  const std::vector<Sha256Digest> after = open.fingerprints();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NE(after[i], before[i]);
}

}  // namespace
}  // namespace palinode::rbl
