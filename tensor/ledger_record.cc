#include "tensor/ledger_record.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "tensor/error.h"

namespace palinode {
namespace {

using nlohmann::json;

const json& field(const json& record, const char* name) {
  const auto found = record.find(name);
  if (found == record.end()) throw FormatError(fmt::format("the record lacks \"{}\"", name));
  return *found;
}

[[noreturn]] void throw_form(const char* name, const char* what) {
  throw FormatError(fmt::format("\"{}\" of the record is not {}", name, what));
}

std::string text(const json& record, const char* name) {
  const json& value = field(record, name);
  if (!value.is_string()) throw_form(name, "a text");
  return value.get<std::string>();
}

std::uint64_t natural(const json& value, const char* name) {
  if (!value.is_number_unsigned()) throw_form(name, "a natural number");
  return value.get<std::uint64_t>();
}

std::uint64_t natural_field(const json& record, const char* name) {
  return natural(field(record, name), name);
}

// A number, or the word that stands for one that is not finite.
double measure(const json& record, const char* name) {
  const json& value = field(record, name);
  if (value.is_number()) return value.get<double>();
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (value == "inf") return std::numeric_limits<double>::infinity();
  throw_form(name, "a number");
}

Role role_named(const std::string& name) {
  for (const Role role : {Role::kIdentity, Role::kBehavior, Role::kOptimizer, Role::kBuffer}) {
    if (role_name(role) == name) return role;
  }
  throw_form("role", "a role");
}

Dtype dtype_named(const std::string& name) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF64, Dtype::kI32, Dtype::kBf16, Dtype::kF16}) {
    if (dtype_name(dtype) == name) return dtype;
  }
  throw_form("dtype", "a type");
}

std::vector<std::size_t> naturals(const json& record, const char* name) {
  const json& value = field(record, name);
  if (!value.is_array()) throw_form(name, "a row of numbers");
  std::vector<std::size_t> all;
  for (const json& each : value) all.push_back(natural(each, name));
  return all;
}

Record::Journal journal_of(const json& record, std::uint64_t elements, bool names_entry) {
  Record::Journal journal{.bytes = natural_field(record, "journal"),
                          .sha256 = text(record, "sha256")};
  const std::vector<std::size_t> commit = naturals(record, "commit");
  if (commit.size() != 2) throw_form("commit", "the first and the last record");
  journal.first = commit[0];
  journal.last = commit[1];
  if (!names_entry) return journal;
  journal.dtype = dtype_named(text(record, "dtype"));
  try {
    journal.shape = Shape(naturals(record, "shape"));
  } catch (const ShapeError& error) {
    throw FormatError(fmt::format("\"shape\" of the record: {}", error.what()));
  }
  if (journal.shape.elements() != elements) throw_form("shape", "that of its elements");
  return journal;
}

Record write_of(const json& j) {
  Record record{.kind = Record::Kind::kWrite,
                .store = text(j, "store"),
                .name = text(j, "name"),
                .reason = text(j, "reason"),
                .proposer = text(j, "by"),
                .seed = natural_field(j, "seed"),
                .step = natural_field(j, "step"),
                .elements = natural_field(j, "elements"),
                .changed = natural_field(j, "changed"),
                .max_abs = measure(j, "max_abs"),
                .l2 = measure(j, "l2"),
                .removed = j.contains("removed"),
                .before = {},
                .after = {},
                .journal = {},
                .role = {},
                .fingerprint = {}};
  if (j.contains("new")) {
    record.before = text(j, "old");
    record.after = text(j, "new");
  }
  if (!j.contains("journal")) return record;
  if (record.removed != record.after.empty() || (record.removed && record.before.empty())) {
    throw FormatError("the record has no digest before or after its write");
  }
  const bool names_entry = record.removed || record.before.empty();
  record.journal = journal_of(j, record.elements, names_entry);
  if (names_entry) record.role = role_named(text(j, "role"));
  return record;
}

}  // namespace

std::string_view text_field(std::string_view body, std::string_view name) {
  const std::string key = fmt::format(",\"{}\":\"", name);
  const std::size_t begin = body.find(key);
  if (begin == std::string_view::npos) return "";
  const std::size_t from = begin + key.size();
  return body.substr(from, body.find('"', from) - from);
}

std::optional<Record::Journal> journal_suffix(std::string_view body) {
  constexpr std::string_view kBegin = R"(,"commit":[)", kEnd = "\"";
  const std::size_t begin = body.rfind(kBegin);
  if (begin == std::string_view::npos || !body.ends_with(kEnd)) return std::nullopt;
  std::string_view rest = body.substr(begin + kBegin.size());
  const auto number = [&rest](std::uint64_t& out, std::string_view after) {
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out);
    if (error != std::errc()) return false;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (!rest.starts_with(after)) return false;
    rest.remove_prefix(after.size());
    return true;
  };
  Record::Journal journal{.sha256 = {}};
  if (!number(journal.first, ",") || !number(journal.last, R"(],"journal":)") ||
      !number(journal.bytes, R"(,"sha256":")")) {
    return std::nullopt;
  }
  journal.sha256 = rest.substr(0, rest.size() - kEnd.size());
  return journal;
}

Record parse_record(std::string_view body) {
  const json j = json::parse(std::string(body) + "}", nullptr, false);
  if (!j.is_object()) throw FormatError("the record is not a JSON object");
  Record record;
  if (j.contains("store")) {
    record = write_of(j);
  } else if (j.contains("freeze")) {
    record.kind = Record::Kind::kFreeze;
    record.store = text(j, "freeze");
    record.fingerprint = text(j, "fingerprint");
    if (j.contains("role")) record.role = role_named(text(j, "role"));
  } else if (!j.contains("palinode_ledger")) {
    throw FormatError("the record is neither a write nor a freeze");
  }
  record.seq = natural_field(j, "seq");
  return record;
}

}  // namespace palinode
