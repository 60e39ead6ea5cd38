// What the lande detector makes of a text before it counts n-grams.
#pragma once

#include <string>
#include <string_view>

namespace palinode::experiments {

// The text in UTF-16, in which the detector counts: hyphens become spaces; all that is no letter,
// mark or white space goes; two or more white spaces become one space; lower case; no white space
// around it, then one space on either side. Bytes that are not UTF-8 go too. As in JavaScript,
// U+0130 becomes two code points, and a capital sigma that ends a word the final one; for that,
// anything but white space counts as part of the word.
std::u16string lande_normalized(std::string_view utf8);

// UTF-8 to UTF-16, without bytes that are not UTF-8.
std::u16string to_utf16(std::string_view utf8);

}  // namespace palinode::experiments
