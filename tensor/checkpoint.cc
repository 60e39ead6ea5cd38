#include "tensor/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <span>
#include <utility>

#include "tensor/error.h"
#include "tensor/safetensors.h"

namespace palinode {
namespace {

constexpr std::string_view kNote = "note.";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// The metadata of one file, read as strictly as it is written.
class Parser {
 public:
  Parser(const std::string& path, SafetensorsFile& file) : path_(path), file_(file) {}

  Checkpoint parse() {
    if (metadata("palinode_checkpoint") != "1") fail("it is not a checkpoint of version 1");
    Checkpoint checkpoint;
    const std::string ledger = metadata("ledger");
    const auto words = split(ledger, ' ');
    if (words.size() != 3) fail("\"ledger\" is not LEVEL SEQUENCE HEAD");
    checkpoint.level = level(words[0]);
    checkpoint.sequence = number(words[1]);
    checkpoint.head = digest<Sha256Digest>(words[2]);
    stores(checkpoint);
    for (const auto& [key, value] : file_.metadata) {
      if (key.starts_with(kNote)) checkpoint.notes[key.substr(kNote.size())] = value;
    }
    return checkpoint;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw FormatError(fmt::format("checkpoint: {}: {}", path_, what));
  }

  const std::string& metadata(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end()) fail(fmt::format("its metadata lack \"{}\"", key));
    return found->second;
  }

  std::uint64_t number(std::string_view text) const {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      fail(fmt::format("\"{}\" is not a number", text));
    }
    return value;
  }

  template <class Digest>
  Digest digest(std::string_view text) const {
    Digest bytes{};
    const bool long_enough = text.size() == 2 * bytes.size();
    for (std::size_t i = 0; long_enough && i < bytes.size(); ++i) {
      std::from_chars(text.data() + 2 * i, text.data() + 2 * i + 2, bytes[i], 16);
    }
    if (hex(bytes) != text) fail(fmt::format("\"{}\" is not a digest", text));
    return bytes;
  }

  Ledger::Level level(std::string_view name) const {
    if (const auto level = level_named(name)) return *level;
    fail(fmt::format("\"{}\" is not a level", name));
  }

  Role role(std::string_view name) const {
    for (const Role role : {Role::kIdentity, Role::kBehavior, Role::kOptimizer, Role::kBuffer}) {
      if (role_name(role) == name) return role;
    }
    fail(fmt::format("\"{}\" is not a role", name));
  }

  void stores(Checkpoint& checkpoint) {
    std::map<std::string, Tensor> values;
    for (Named& each : file_.tensors) values[each.name] = std::move(each.value);
    const std::string& text = metadata("stores");
    for (const std::string_view line : split(text, '\n')) {
      if (line.empty() && text.empty()) break;
      const auto words = split(line, ' ');
      if (words.size() == 4 && words[0] == "store") {
        checkpoint.stores.push_back({.name = std::string(words[1]), .role = role(words[2])});
        if (words[3] != "-") checkpoint.stores.back().frozen_since = number(words[3]);
      } else if (words.size() == 3 && !checkpoint.stores.empty()) {
        Checkpoint::Kept& store = checkpoint.stores.back();
        store.entries.push_back(entry(store.name, words, values));
      } else {
        fail(fmt::format("\"{}\" is neither a store nor an entry", line));
      }
    }
    if (!values.empty()) fail(fmt::format("{} is of no store", values.begin()->first));
  }

  Entry entry(const std::string& store, std::span<const std::string_view> words,
              std::map<std::string, Tensor>& values) const {
    const auto found = values.find(fmt::format("{}:{}", store, words[0]));
    if (found == values.end()) fail(fmt::format("{}/{} has no value", store, words[0]));
    Entry entry{std::string(words[0]), found->second, number(words[1]),
                digest<Xxh3Digest>(words[2])};
    values.erase(found);
    if (xxh3(entry.value) != entry.digest) {
      fail(fmt::format("{}/{} has not the bits of its digest", store, words[0]));
    }
    return entry;
  }

  const std::string& path_;
  SafetensorsFile& file_;
};

}  // namespace

const Checkpoint::Kept& Checkpoint::at(std::string_view store) const {
  const auto found =
      std::ranges::find_if(stores, [store](const Kept& kept) { return kept.name == store; });
  if (found == stores.end()) {
    throw NameError(fmt::format("checkpoint: no store named {}", store));
  }
  return *found;
}

Checkpoint checkpoint_of(const Ledger& ledger, Notes notes) {
  Checkpoint checkpoint{.level = ledger.level(),
                        .sequence = ledger.sequence(),
                        .head = ledger.head(),
                        .notes = std::move(notes)};
  for (const Store* store : ledger.stores()) {
    Checkpoint::Kept kept{.name = store->name(), .role = store->role()};
    if (store->frozen()) kept.frozen_since = store->frozen_since();
    for (const Entry& entry : store->entries()) {
      kept.entries.push_back(entry);
      if (!entry.digest) kept.entries.back().digest = xxh3(entry.value);
    }
    checkpoint.stores.push_back(std::move(kept));
  }
  return checkpoint;
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  SafetensorsFile file;
  std::string stores;
  for (const Checkpoint::Kept& store : checkpoint.stores) {
    const std::string frozen = store.frozen_since ? fmt::to_string(*store.frozen_since) : "-";
    stores += fmt::format("{}store {} {} {}", stores.empty() ? "" : "\n", store.name,
                          role_name(store.role), frozen);
    for (const Entry& entry : store.entries) {
      stores += fmt::format("\n{} {} {}", entry.name, entry.written, hex(entry.digest.value()));
      file.tensors.push_back({fmt::format("{}:{}", store.name, entry.name), entry.value});
    }
  }
  file.metadata = {{"palinode_checkpoint", "1"},
                   {"ledger", fmt::format("{} {} {}", level_name(checkpoint.level),
                                          checkpoint.sequence, hex(checkpoint.head))},
                   {"stores", stores}};
  for (const auto& [key, value] : checkpoint.notes) {
    file.metadata[fmt::format("{}{}", kNote, key)] = value;
  }
  write_safetensors(path, file);
}

void save_checkpoint(const std::string& path, const Ledger& ledger, Notes notes) {
  ledger.sync();
  save_checkpoint(path, checkpoint_of(ledger, std::move(notes)));
}

Checkpoint load_checkpoint(const std::string& path) {
  SafetensorsFile file = read_safetensors(path);
  return Parser(path, file).parse();
}

Proposal load_store(const Checkpoint& checkpoint, std::string_view store, const Store& to) {
  Proposal proposal{.reason = Reason::kLoad, .proposer = std::string(store)};
  for (const Entry& entry : checkpoint.at(store).entries) {
    proposal.writes.push_back({&to, entry.name, entry.value, !to.contains(entry.name)});
  }
  return proposal;
}

}  // namespace palinode
