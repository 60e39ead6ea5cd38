// Note: an event in a ledger that is no write, such as the attaching of a behavior. It stands in
// the chain like any record:
//
//   {"seq":7,"event":"attach","unit":"polite","digest":"9e17...","place":"0","chain":"..."}
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace palinode {

struct Note {
  std::string event;
  std::vector<std::pair<std::string, std::string>> fields = {};  // by name, in this order

  // The text of a field; throws FormatError naming it if there is none.
  const std::string& at(std::string_view name) const;
  // The same, or "".
  std::string find(std::string_view name) const;
};

// The event in a line of a ledger file; none if the record is something else. Throws FormatError
// for a line that is no record.
std::optional<Note> parse_note(std::string_view record);

}  // namespace palinode
