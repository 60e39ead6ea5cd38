// results.db: the results as an SQLite database, for questions across studies.
//
//   sqlite3 results/results.db "select model, rollback, rf_mean from groups where study = 'E4'"
//
// Tables rows, groups, points, curves, claims, digests, settings and meta; columns are the fields
// of results.json, those of a nested summary joined by an underscore (rf_mean). What is not finite
// is text, null is NULL. The schema's version is pragma user_version and meta's `schema`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace palinode::experiments {

// results is the object of results.json. The file is written whole or not at all. Throws
// EnvironmentError naming it if it cannot be.
void write_database(const std::string& path, const nlohmann::ordered_json& results);

}  // namespace palinode::experiments
