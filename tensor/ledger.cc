#include "tensor/ledger.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "tensor/difference.h"
#include "tensor/error.h"
#include "tensor/ledger_file.h"
#include "tensor/ledger_memory.h"
#include "tensor/ledger_output.h"
#include "tensor/ledger_records.h"

namespace palinode {
namespace {

// In the order of Ledger::Level.
constexpr std::array<std::string_view, 4> kLevels = {"off", "summary", "digest", "journal"};

}  // namespace

std::string_view level_name(Ledger::Level level) {
  return kLevels[static_cast<std::size_t>(level)];
}

std::optional<Ledger::Level> level_named(std::string_view name) {
  const auto found = std::ranges::find(kLevels, name);
  if (found == kLevels.end()) return std::nullopt;
  return static_cast<Ledger::Level>(found - kLevels.begin());
}

std::string_view reason_name(Reason reason) {
  switch (reason) {
    case Reason::kInit:
      return "init";
    case Reason::kLoad:
      return "load";
    case Reason::kSgd:
      return "sgd";
    case Reason::kAdam:
      return "adam";
    case Reason::kRmsProp:
      return "rmsprop";
    case Reason::kPolicyGradient:
      return "policy-gradient";
    case Reason::kNoise:
      return "noise";
    case Reason::kRestore:
      return "restore";
    case Reason::kSubtract:
      return "subtract";
    case Reason::kUndo:
      return "undo";
    case Reason::kPrune:
      return "prune";
    case Reason::kQuantize:
      return "quantize";
    case Reason::kMerge:
      return "merge";
    case Reason::kDestroy:
      return "destroy";
  }
  PALINODE_ASSERT(false);
}

// Names appear verbatim in records, messages and file names, so they hold nothing that needs an
// escape.
void Ledger::check_name(std::string_view what, std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._/-").find(c) != std::string_view::npos;
  };
  if (!name.empty() && name.size() <= 255 && std::ranges::all_of(name, allowed)) return;
  throw NameError(fmt::format(
      "{}: a name has 1 to 255 of the characters A-Z a-z 0-9 . _ / -, got \"{}\"", what, name));
}

Ledger::Ledger(Level level) : level_(level) { start(); }

Ledger::Ledger(Level level, const std::string& path)
    : level_(level),
      path_(path),
      output_(std::make_unique<LedgerOutput>(path, level == Level::kJournal)) {
  start();
}

Ledger::~Ledger() = default;

void Ledger::start() {
  start_journal();
  const std::string body = fmt::format(R"({{"seq":0,"palinode_ledger":{},"level":"{}")",
                                       static_cast<int>(format_of(level_)), level_name(level_));
  append(body);
  sequence_ = 1;
}

void Ledger::start_journal() {
  if (level_ != Level::kJournal) return;
  encoder_ = std::make_unique<DifferenceEncoder>();
  if (output_ != nullptr) return;
  memory_ = std::make_unique<LedgerMemory>();
  memory_->first = sequence_;
  memory_->head = head_;
}

LedgerReader Ledger::read() const {
  if (memory_ != nullptr) return LedgerReader(*memory_);
  if (output_ == nullptr || level_ == Level::kOff) {
    throw Error(fmt::format("ledger: its level is {}{}: no records are kept to read",
                            level_name(level_), output_ == nullptr ? " and it has no file" : ""));
  }
  return LedgerReader(path_);
}

Store& Ledger::add(std::string name, Role role) {
  for (const auto& store : stores_) {
    if (store->name() == name) {
      throw NameError(fmt::format("open: there is a store named {} already", name));
    }
  }
  stores_.push_back(std::unique_ptr<Store>(new Store(std::move(name), role)));
  return *stores_.back();
}

const Store& Ledger::open(std::string name, Role role) {
  check_name("open", name);
  for (const auto& store : stores_) {
    if (store->name() != name || store->open_) continue;
    if (store->role() != role) {
      throw NameError(fmt::format("open: {} was kept with the role {}, not {}", name,
                                  role_name(store->role()), role_name(role)));
    }
    store->open_ = true;
    return *store;
  }
  return add(std::move(name), role);
}

std::vector<const Store*> Ledger::stores() const {
  std::vector<const Store*> all;
  for (const auto& store : stores_) all.push_back(store.get());
  return all;
}

Store& Ledger::mine(const Store* store) {
  const auto found =
      std::ranges::find_if(stores_, [store](const auto& owned) { return owned.get() == store; });
  if (found == stores_.end()) throw NameError("commit: the store belongs to another ledger");
  return **found;
}

// A record is its body and, where a link of the chain ends, the head; all records of a commit reach
// the file before any value changes.
void Ledger::append(const Records& records) {
  if (level_ == Level::kOff || (records.ends.empty() && records.link.empty())) return;
  const bool kept = output_ != nullptr || memory_ != nullptr;
  const bool one_link = !records.link.empty();
  Sha256Digest head = head_;
  if (one_link) {
    const std::string_view link(records.link.data(), records.link.size());
    head = sha_.add(head).add(link).finish();
  }
  Text lines;
  std::size_t begin = 0;
  for (const std::size_t end : records.ends) {
    const std::string_view body(records.text.data() + begin, end - begin);
    if (!one_link) head = sha_.add(head).add(body).finish();
    begin = end;
    if (!kept) continue;
    lines.append(body);
    if (!one_link || end == records.ends.back()) {
      std::array<char, 2 * sizeof(Sha256Digest)> chain{};
      write_hex(head, chain.data());
      fmt::format_to(std::back_inserter(lines), FMT_COMPILE(",\"chain\":\"{}\""),
                     std::string_view(chain.data(), chain.size()));
    }
    lines.append(std::string_view("}\n"));
  }
  const std::string_view text(lines.data(), lines.size());
  const std::string_view payloads(records.payloads.data(), records.payloads.size());
  if (output_ != nullptr) output_->append(text, payloads);
  if (memory_ != nullptr) {
    memory_->payloads.reserve(memory_->payloads.size() + payloads.size());
    memory_->records += text;
    memory_->payloads += payloads;
  }
  head_ = head;
}

void Ledger::append(std::string_view body) {
  Records one;
  one.text.append(body.data(), body.data() + body.size());
  one.ends.push_back(body.size());
  append(one);
}

Proposal copy_of(const Store& from, const Store& to) {
  Proposal proposal{.reason = Reason::kLoad, .proposer = from.name()};
  for (const Entry& entry : from.entries()) {
    proposal.writes.push_back({&to, entry.name, entry.value, !to.contains(entry.name)});
  }
  return proposal;
}

}  // namespace palinode
