#include "tensor/note.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "tensor/error.h"
#include "tensor/ledger.h"

namespace palinode {
namespace {

using Json = nlohmann::ordered_json;

// What a record of another sort says by these may not be said by a note.
constexpr std::array<std::string_view, 9> kTaken = {
    "seq", "event", "chain", "store", "freeze", "commit", "journal", "sha256", "palinode_ledger"};

// ASCII, so that a record is one line of plain text whatever was written into it.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace

const std::string& Note::at(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &std::pair<std::string, std::string>::first);
  if (found != fields.end()) return found->second;
  throw FormatError(fmt::format("note: {} has no field {}", event, name));
}

std::string Note::find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &std::pair<std::string, std::string>::first);
  return found == fields.end() ? "" : found->second;
}

std::optional<Note> parse_note(std::string_view record) {
  const Json json = Json::parse(record, nullptr, false);
  if (!json.is_object()) throw FormatError("note: the line is no record");
  const auto event = json.find("event");
  if (event == json.end() || !event->is_string()) return std::nullopt;
  Note note{.event = event->get<std::string>()};
  for (const auto& [name, value] : json.items()) {
    if (name == "seq" || name == "event" || name == "chain") continue;
    if (!value.is_string()) throw FormatError(fmt::format("note: {} is no text", name));
    note.fields.emplace_back(name, value.get<std::string>());
  }
  return note;
}

void Ledger::note(const Note& note) {
  check_name("note", note.event);
  std::string body = fmt::format(R"({{"seq":{},"event":"{}")", sequence_, note.event);
  for (const auto& [name, text] : note.fields) {
    check_name("note", name);
    if (std::ranges::find(kTaken, name) != kTaken.end()) {
      throw NameError(fmt::format("note: {} is a word of the ledger's own", name));
    }
    body += fmt::format(R"(,"{}":{})", name, quoted(text));
  }
  append(body);
  ++sequence_;
}

}  // namespace palinode
