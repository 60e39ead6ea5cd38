// The records of a commit: their text up to the chain, and at the level journal their payloads.
#include <fmt/compile.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <iterator>
#include <optional>
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

using HexDigest = std::array<char, 2 * sizeof(Xxh3Digest)>;

// "" for nothing.
std::string_view hex_of(const std::optional<Xxh3Digest>& digest, HexDigest& room) {
  if (!digest) return "";
  write_hex(*digest, room.data());
  return {room.data(), room.size()};
}

}  // namespace

void append_text(Text& text, const RecordText& record) {
  const auto out = std::back_inserter(text);
  fmt::format_to(out,
                 FMT_COMPILE(R"({{"seq":{},"store":"{}","name":"{}","reason":"{}","by":"{}",)"
                             R"("seed":{},"step":{},"elements":{},"changed":{},"max_abs":)"),
                 record.seq, record.store, record.name, record.commit.reason,
                 record.commit.proposer, record.commit.seed, record.commit.step, record.elements,
                 record.changed);
  append_number(text, record.max_abs);
  fmt::format_to(out, FMT_COMPILE(R"(,"l2":)"));
  append_number(text, record.l2);
  if (record.removed) fmt::format_to(out, FMT_COMPILE(R"(,"removed":true)"));
  if (!record.digests) return;
  fmt::format_to(out, FMT_COMPILE(R"(,"old":"{}","new":"{}")"), record.before, record.after);
}

// The record of each value: what the chain covers, and its text where it is kept.
void Ledger::describe(const Proposal& proposal, std::span<const Staged> staged, Records& records) {
  if (level_ == Level::kOff || staged.empty()) return;
  const bool links = format_of(level_) == LedgerFormat::kCommits;
  const LinkHead head{.first = staged.front().seq,
                      .reason = reason_name(proposal.reason),
                      .proposer = proposal.proposer.view(),
                      .seed = proposal.seed,
                      .step = proposal.step};
  if (links) append_link(records.link, head);
  const bool kept = output_ != nullptr || memory_ != nullptr;
  if (kept || !links) records.ends.reserve(staged.size());
  for (const Staged& each : staged) {
    const bool made = each.target.old == nullptr;
    const Store& store = *each.target.store;
    const Entry* const entry = made ? nullptr : &store.entries()[each.target.place];
    const kernels::Change& change = each.written.change;
    const std::uint64_t elements = each.written.value.elements();
    if (links) {
      append_link(records.link, LinkRecord{.previous = made ? 0 : entry->written,
                                           .removed = each.target.removed,
                                           .store = store.name(),
                                           .name = each.target.name,
                                           .elements = elements,
                                           .changed = change.elements_changed,
                                           .max_abs = change.max_abs,
                                           .l2 = change.l2,
                                           .after = each.written.digest});
      if (!kept) continue;
    }
    HexDigest before, after;
    append_text(records.text, {.seq = each.seq,
                               .store = store.name(),
                               .name = each.target.name,
                               .commit = head,
                               .elements = elements,
                               .changed = change.elements_changed,
                               .max_abs = change.max_abs,
                               .l2 = change.l2,
                               .removed = each.target.removed,
                               .digests = level_ >= Level::kDigest,
                               .before = made ? "" : hex_of(entry->digest, before),
                               .after = hex_of(each.written.digest, after)});
    if (level_ >= Level::kJournal) {
      describe_difference(each, staged.front().seq, staged.back().seq, records);
    }
    records.ends.push_back(records.text.size());
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
