#include "tensor/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "tensor/error.h"
#include "tensor/kernels/change.h"
#include "tensor/storage.h"

namespace palinode {
namespace {

constexpr std::size_t kCacheLine = 64;

std::string_view level_name(Ledger::Level level) {
  return level == Ledger::Level::kDigest    ? "digest"
         : level == Ledger::Level::kSummary ? "summary"
                                            : "off";
}

// Names appear verbatim in records, messages and file names, so they hold nothing that needs an
// escape.
void check_name(std::string_view what, std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._/-").find(c) != std::string_view::npos;
  };
  if (!name.empty() && name.size() <= 255 && std::ranges::all_of(name, allowed)) return;
  throw NameError(fmt::format(
      "{}: a name has 1 to 255 of the characters A-Z a-z 0-9 . _ / -, got \"{}\"", what, name));
}

bool finite(const Tensor& tensor) {
  const Tensor compact = tensor.compact();
  return with_element(compact.dtype(), [&]<class T>() {
    return std::ranges::all_of(compact.values<T>(), [](T x) { return is_finite(x); });
  });
}

kernels::Change change_between(const Tensor& before, const Tensor& after) {
  return with_element(after.dtype(), [&]<class T>() {
    return kernels::change(before.values<T>(), after.values<T>());
  });
}

// JSON has no word for what is not finite.
std::string number(double x) {
  return std::isfinite(x) ? fmt::format("{}", x) : fmt::format("\"{}\"", x);
}

}  // namespace

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
    case Reason::kPolicyGradient:
      return "policy-gradient";
    case Reason::kNoise:
      return "noise";
    case Reason::kRestore:
      return "restore";
    case Reason::kSubtract:
      return "subtract";
  }
  PALINODE_ASSERT(false);
}

Ledger::Ledger(Level level) : level_(level) { start(level_name(level)); }

Ledger::Ledger(Level level, const std::string& path)
    : level_(level), path_(path), file_(path, std::ios::binary | std::ios::trunc) {
  if (!file_) throw EnvironmentError(fmt::format("ledger: cannot write {}", path));
  start(level_name(level));
}

Ledger::~Ledger() = default;

void Ledger::start(std::string_view level) {
  const std::string body = fmt::format(R"({{"seq":0,"palinode_ledger":1,"level":"{}")", level);
  append(std::span<const std::string>(&body, 1));
}

const Store& Ledger::open(std::string name, Role role) {
  check_name("open", name);
  for (const auto& store : stores_) {
    if (store->name() == name) {
      throw NameError(fmt::format("open: there is a store named {} already", name));
    }
  }
  stores_.push_back(std::unique_ptr<Store>(new Store(std::move(name), role)));
  return *stores_.back();
}

Store& Ledger::mine(const Store* store) {
  const auto found =
      std::ranges::find_if(stores_, [store](const auto& owned) { return owned.get() == store; });
  if (found == stores_.end()) throw NameError("commit: the store belongs to another ledger");
  return **found;
}

void Ledger::check(const Proposal& proposal) {
  check_name("commit: proposer", proposal.proposer);
  std::set<std::pair<const Store*, std::string_view>> seen;
  for (const Write& write : proposal.writes) {
    const Store& store = mine(write.store);
    const std::string where = fmt::format("{}/{}", store.name(), write.name);
    const auto by = [&] {
      return fmt::format("proposed by {}, step {}", proposal.proposer, proposal.step);
    };
    if (store.frozen()) {
      throw FrozenError(fmt::format("commit: {} {} is frozen since write {}; {}", where,
                                    write.value.describe(), store.frozen_since(), by()));
    }
    if (!seen.emplace(&store, write.name).second) {
      throw NameError(fmt::format("commit: {} is written twice; {}", where, by()));
    }
    if (write.create) {
      check_name("commit", write.name);
      if (store.contains(write.name)) {
        throw NameError(fmt::format("commit: {} exists already; {}", where, by()));
      }
    } else {
      const Tensor& old = store.at(write.name);
      if (old.dtype() != write.value.dtype()) {
        throw DtypeError(fmt::format("commit: {} is {}, the new value is {}; {}", where,
                                     old.describe(), write.value.describe(), by()));
      }
      if (old.shape() != write.value.shape()) {
        throw ShapeError(fmt::format("commit: {} is {}, the new value is {}; {}", where,
                                     old.describe(), write.value.describe(), by()));
      }
    }
    if (proposal.finite_only && !finite(write.value)) {
      throw NonFiniteError(
          fmt::format("commit: {} would hold a NaN or an infinity; {}", where, by()));
    }
  }
}

std::vector<std::string> Ledger::describe(const Proposal& proposal) const {
  std::vector<std::string> bodies;
  if (level_ == Level::kOff) return bodies;
  bodies.reserve(proposal.writes.size());
  std::uint64_t seq = sequence_;
  for (const Write& write : proposal.writes) {
    const Tensor after = write.value.compact();
    const Tensor before = write.create ? Tensor::zeros(after.shape(), after.dtype())
                                       : write.store->at(write.name).compact();
    const kernels::Change change = change_between(before, after);
    std::string body = fmt::format(
        R"({{"seq":{},"store":"{}","name":"{}","reason":"{}","by":"{}","seed":{},"step":{},)"
        R"("elements":{},"changed":{},"max_abs":{},"l2":{})",
        seq++, write.store->name(), write.name, reason_name(proposal.reason), proposal.proposer,
        proposal.seed, proposal.step, after.elements(), change.elements_changed,
        number(change.max_abs), number(change.l2));
    if (level_ == Level::kDigest) {
      body += fmt::format(R"(,"old":"{}","new":"{}")", write.create ? "" : hex(xxh3(before)),
                          hex(xxh3(after)));
    }
    bodies.push_back(std::move(body));
  }
  return bodies;
}

// A record is its body and the chain over it; all records of a commit reach the file before any
// value changes.
void Ledger::append(std::span<const std::string> bodies) {
  if (level_ == Level::kOff) return;
  Sha256Digest head = head_;
  std::string lines;
  for (const std::string& body : bodies) {
    head = sha_.add(head).add(body).finish();
    if (file_.is_open()) lines += fmt::format("{},\"chain\":\"{}\"}}\n", body, hex(head));
  }
  if (file_.is_open() &&
      !file_.write(lines.data(), static_cast<std::streamsize>(lines.size())).flush()) {
    throw EnvironmentError(fmt::format("ledger: cannot write {}", path_));
  }
  head_ = head;
  sequence_ += bodies.size();
}

// One write with all the memory it needs, so that putting it in place cannot fail.
struct Ledger::Staged {
  Store* store;
  std::size_t place;
  Entry entry;
  std::map<std::string, std::size_t, std::less<>>::node_type name;  // of a new entry
};

std::vector<Ledger::Staged> Ledger::stage(const Proposal& proposal) {
  std::vector<Staged> staged;
  staged.reserve(proposal.writes.size());
  std::map<Store*, std::size_t> sizes;
  std::uint64_t seq = sequence_;
  for (const Write& write : proposal.writes) {
    Store* store = &mine(write.store);
    std::size_t& size = sizes.try_emplace(store, store->entries_.size()).first->second;
    const std::size_t place = write.create ? size++ : store->index(write.name);
    staged.push_back({store, place, {write.name, write.value.copy(), seq}, {}});
    if (write.create) {
      std::map<std::string, std::size_t, std::less<>> one{{write.name, place}};
      staged.back().name = one.extract(one.begin());
    }
    if (level_ != Level::kOff) ++seq;
  }
  for (const auto& [store, size] : sizes) store->entries_.reserve(size);
  return staged;
}

void Ledger::commit(const Proposal& proposal) {
  check(proposal);
  std::vector<Staged> staged = stage(proposal);
  append(describe(proposal));
  for (Staged& write : staged) {
    std::vector<Entry>& entries = write.store->entries_;
    if (write.name.empty()) {
      entries[write.place] = std::move(write.entry);
    } else {
      entries.push_back(std::move(write.entry));
      write.store->places_.insert(std::move(write.name));
    }
  }
}

Sha256Digest Ledger::freeze(const Store& store) {
  Store& target = mine(&store);
  const Sha256Digest print = fingerprint(store);
  if (store.frozen()) return print;

  std::size_t size = 0;
  for (const Entry& entry : store.entries()) {
    size += (entry.value.bytes() + kCacheLine - 1) / kCacheLine * kCacheLine;
  }
  const auto arena = std::make_shared<Arena>(size);
  std::vector<Tensor> moved;
  std::size_t offset = 0;
  for (const Entry& entry : store.entries()) {
    std::byte* place = arena->data() + offset;
    if (!entry.value.empty()) std::memcpy(place, entry.value.data_.get(), entry.value.bytes());
    moved.push_back(Tensor(std::shared_ptr<const std::byte>(arena, place), entry.value.shape(),
                           entry.value.dtype()));
    offset += (entry.value.bytes() + kCacheLine - 1) / kCacheLine * kCacheLine;
  }
  arena->protect();
  PALINODE_ASSERT(moved.size() == target.entries_.size());

  const std::uint64_t seq = sequence_;
  const std::string body =
      fmt::format(R"({{"seq":{},"freeze":"{}","fingerprint":"{}")", seq, store.name(), hex(print));
  append(std::span<const std::string>(&body, 1));
  for (std::size_t i = 0; i < moved.size(); ++i) target.entries_[i].value = moved[i];
  target.frozen_ = true;
  target.frozen_since_ = seq;
  return print;
}

Proposal copy_of(const Store& from, const Store& to) {
  Proposal proposal{.reason = Reason::kLoad, .proposer = from.name()};
  for (const Entry& entry : from.entries()) {
    proposal.writes.push_back({&to, entry.name, entry.value, !to.contains(entry.name)});
  }
  return proposal;
}

}  // namespace palinode
