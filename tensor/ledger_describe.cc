// The records of a commit: their text up to the chain, and at the level journal their payloads.
#include <fmt/compile.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <iterator>
#include <span>
#include <utility>

#include "tensor/difference.h"
#include "tensor/ledger.h"
#include "tensor/ledger_records.h"
#include "tensor/ledger_staged.h"

namespace palinode {
namespace {

// JSON has no word for what is not finite. A NaN has no sign in a record: which one it has is the
// processor's choice.
void append_number(Text& text, double x) {
  const auto out = std::back_inserter(text);
  if (std::isnan(x)) {
    fmt::format_to(out, FMT_COMPILE("\"nan\""));
  } else if (std::isinf(x)) {
    fmt::format_to(out, FMT_COMPILE("\"{}\""), x);
  } else {
    fmt::format_to(out, FMT_COMPILE("{}"), x);
  }
}

void append_hex(Text& text, const Xxh3Digest& digest) {
  std::array<char, 2 * sizeof(Xxh3Digest)> letters{};
  write_hex(digest, letters.data());
  text.append(letters.data(), letters.data() + letters.size());
}

}  // namespace

// The record of each value: its text up to the chain.
void Ledger::describe(const Proposal& proposal, std::span<const Staged> staged, Records& records) {
  if (level_ == Level::kOff) return;
  records.ends.reserve(staged.size());
  Text& text = records.text;
  const auto out = std::back_inserter(text);
  for (const Staged& each : staged) {
    fmt::format_to(out,
                   FMT_COMPILE(R"({{"seq":{},"store":"{}","name":"{}","reason":"{}","by":"{}",)"
                               R"("seed":{},"step":{},"elements":{},"changed":{},"max_abs":)"),
                   each.seq, each.target.store->name(), each.target.name,
                   reason_name(proposal.reason), proposal.proposer.view(), proposal.seed,
                   proposal.step, each.written.value.elements(),
                   each.written.change.elements_changed);
    append_number(text, each.written.change.max_abs);
    fmt::format_to(out, FMT_COMPILE(R"(,"l2":)"));
    append_number(text, each.written.change.l2);
    if (each.target.removed) fmt::format_to(out, FMT_COMPILE(R"(,"removed":true)"));
    if (level_ >= Level::kDigest) {
      fmt::format_to(out, FMT_COMPILE(R"(,"old":")"));
      if (each.target.old != nullptr) {
        append_hex(text, each.target.store->entries_[each.target.place].digest.value());
      }
      fmt::format_to(out, FMT_COMPILE(R"(","new":")"));
      if (!each.target.removed) append_hex(text, each.written.digest.value());
      text.push_back('"');
    }
    if (level_ >= Level::kJournal) {
      describe_difference(each, staged.front().seq, staged.back().seq, records);
    }
    records.ends.push_back(text.size());
  }
}

// What the level journal adds: of an entry that comes or goes all that makes it anew, the records
// of the commit, and the payload.
void Ledger::describe_difference(const Staged& staged, std::uint64_t first, std::uint64_t last,
                                 Records& records) {
  const auto out = std::back_inserter(records.text);
  const Tensor& after = staged.written.value;
  const bool made = staged.target.old == nullptr;
  if (made || staged.target.removed) {
    fmt::format_to(out, FMT_COMPILE(R"(,"role":"{}","dtype":"{}","shape":[)"),
                   role_name(staged.target.store->role()), dtype_name(after.dtype()));
    for (std::size_t axis = 0; axis < after.shape().rank(); ++axis) {
      fmt::format_to(out, FMT_COMPILE("{}{}"), axis == 0 ? "" : ",", after.shape()[axis]);
    }
    records.text.push_back(']');
  }
  const Tensor before = made ? Tensor::zeros(after.shape(), after.dtype()) : *staged.target.old;
  const std::size_t bytes = encoder_->append(before, after, records.payloads);
  const std::span<const char> payload = std::span(std::as_const(records.payloads)).last(bytes);
  std::array<char, 2 * sizeof(Sha256Digest)> digest{};
  write_hex(sha_.add(std::as_bytes(payload)).finish(), digest.data());
  fmt::format_to(out, FMT_COMPILE(R"(,"commit":[{},{}],"journal":{},"sha256":"{}")"), first, last,
                 bytes, std::string_view(digest.data(), digest.size()));
}

}  // namespace palinode
