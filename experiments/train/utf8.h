// Text from a model that writes bytes: it may stop in the middle of a character, or write what is
// none.
#pragma once

#include <string>
#include <string_view>

namespace palinode::experiments::train {

// Turns a stream of bytes into valid UTF-8 as early as it can. Each byte that belongs to no
// character becomes U+FFFD; the beginning of one waits for the rest.
class Utf8Stream {
 public:
  std::string add(std::string_view bytes);
  std::string finish();  // what still waits

 private:
  std::string take(bool last);
  std::string pending_;
};

}  // namespace palinode::experiments::train
