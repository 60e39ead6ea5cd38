#include "experiments/results/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "experiments/results/groups.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  void operator()(unsigned char* bytes) const { sqlite3_free(bytes); }
};
using Database = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Close>;

void check(sqlite3* database, int code, int wanted = SQLITE_OK) {
  if (code == wanted) return;
  throw EnvironmentError(fmt::format("results.db: {}", sqlite3_errmsg(database)));
}

void run(sqlite3* database, const std::string& sql) {
  check(database, sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr));
}

std::string quoted(const std::string& name) { return fmt::format("\"{}\"", name); }

// Columns of a record: a nested object gives one for each of its fields.
std::vector<std::pair<std::string, ordered_json>> columns(const ordered_json& record) {
  std::vector<std::pair<std::string, ordered_json>> all;
  for (const auto& [name, value] : record.items()) {
    if (!value.is_object()) {
      all.emplace_back(name, value);
      continue;
    }
    for (const auto& [part, inner] : value.items()) all.emplace_back(name + "_" + part, inner);
  }
  return all;
}

void bind(sqlite3* database, sqlite3_stmt* statement, int place, const ordered_json& value) {
  if (value.is_null()) {
    check(database, sqlite3_bind_null(statement, place));
  } else if (value.is_boolean()) {
    check(database, sqlite3_bind_int(statement, place, value.get<bool>() ? 1 : 0));
  } else if (value.is_number_integer()) {
    // SQLite's integers are signed.
    check(database, sqlite3_bind_int64(statement, place, value.get<std::int64_t>()));
  } else if (value.is_number()) {
    check(database, sqlite3_bind_double(statement, place, value.get<double>()));
  } else {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    check(database, sqlite3_bind_text(statement, place, text.c_str(), static_cast<int>(text.size()),
                                      SQLITE_TRANSIENT));
  }
}

// A summary that is null in one record is an object in another: the table has every column that any
// of them has, in the order of their first appearance.
void add_table(sqlite3* database, const std::string& name,
               const std::vector<ordered_json>& records) {
  std::vector<std::string> names;
  const auto known = [&names](const std::string& column) {
    return std::ranges::find(names, column) != names.end();
  };
  const auto nested = [&records](const std::string& column) {
    return std::ranges::any_of(records, [&column](const ordered_json& record) {
      return record.contains(column) && record.at(column).is_object();
    });
  };
  for (const ordered_json& record : records) {
    for (const auto& [column, value] : columns(record)) {
      if (!known(column) && !nested(column)) names.push_back(column);
    }
  }
  if (names.empty()) return;
  std::string list, marks;
  for (const std::string& column : names) {
    list += (list.empty() ? "" : ", ") + quoted(column);
    marks += marks.empty() ? "?" : ", ?";
  }
  run(database, fmt::format("create table {} ({})", quoted(name), list));
  sqlite3_stmt* raw = nullptr;
  const std::string sql = fmt::format("insert into {} values ({})", quoted(name), marks);
  check(database, sqlite3_prepare_v2(database, sql.c_str(), -1, &raw, nullptr));
  const Statement statement(raw);
  for (const ordered_json& record : records) {
    check(database, sqlite3_reset(raw));
    check(database, sqlite3_clear_bindings(raw));
    for (const auto& [column, value] : columns(record)) {
      const auto place = std::ranges::find(names, column);
      if (place == names.end()) continue;
      bind(database, raw, static_cast<int>(place - names.begin()) + 1, value);
    }
    check(database, sqlite3_step(raw), SQLITE_DONE);
  }
}

std::vector<ordered_json> records_of(const ordered_json& results, const char* part) {
  std::vector<ordered_json> records;
  if (results.contains(part)) records.assign(results.at(part).begin(), results.at(part).end());
  return records;
}

}  // namespace

void write_database(const std::string& path, const ordered_json& results) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open(":memory:", &raw);
  const Database database(raw);
  check(raw, opened);
  run(raw, fmt::format("pragma user_version = {}", kResultsSchema));
  run(raw, "begin");
  for (const char* part : {"rows", "groups", "points", "curves", "claims", "judgements"}) {
    add_table(raw, part, records_of(results, part));
  }
  std::vector<ordered_json> digests, settings, meta;
  for (const auto& [study, check] : results.at("digests").items()) {
    ordered_json record{{"study", study}};
    record.update(check);
    digests.push_back(std::move(record));
  }
  for (const auto& [study, values] : results.at("settings").items()) {
    for (const auto& [name, value] : values.items()) {
      settings.push_back({{"study", study}, {"name", name}, {"value", value.dump()}});
    }
  }
  for (const char* name : {"schema", "version"}) {
    meta.push_back({{"key", name}, {"value", results.at(name)}});
  }
  for (const auto& [name, value] : results.at("environment").items()) {
    meta.push_back({{"key", name}, {"value", value}});
  }
  add_table(raw, "digests", digests);
  add_table(raw, "settings", settings);
  add_table(raw, "meta", meta);
  run(raw, "commit");
  sqlite3_int64 size = 0;
  const std::unique_ptr<unsigned char, Close> bytes(sqlite3_serialize(raw, "main", &size, 0));
  if (bytes == nullptr) throw EnvironmentError("results.db: out of memory");
  write_file_atomically(
      path, {reinterpret_cast<const char*>(bytes.get()), static_cast<std::size_t>(size)});
}

}  // namespace palinode::experiments
