// Who wrote this number, when and why: the writes to one tensor, or to one element of it, from a
// ledger file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/ledger_file.h"

namespace palinode {

// "NAME", "NAME[i]" with the place in row-major order, or "NAME[i,j,...]" with a place for each
// axis. NAME is that of an entry, or STORE/ENTRY.
struct Element {
  std::string name;
  std::vector<std::uint64_t> places;  // none: the whole tensor
};

// Throws Error for anything of another form.
Element parse_element(std::string_view text);

// A write as one element saw it. The words are the element's bits; what an entry was before it was
// created, and is after it is removed, is nothing and stands as 0.
struct ElementWrite {
  Record record;
  Dtype dtype = Dtype::kF32;
  std::uint64_t before = 0, after = 0;
};

struct History {
  std::string store, name;
  bool journaled = false;            // else the writes tell nothing of single elements
  std::vector<ElementWrite> writes;  // to the tensor, in the order of the ledger
};

// Payloads are in `journal`, if that is empty in PATH.journal. Throws FormatError for a damaged
// ledger; Error if no entry has this name, entries of several stores have it, or it has no such
// element.
History history_of(const std::string& path, const Element& element,
                   const std::string& journal = "");

// An element as a decimal that reads back as the same bits, and its bits as "0x3f800000".
std::string decimal(Dtype dtype, std::uint64_t word);
std::string hexadecimal(Dtype dtype, std::uint64_t word);

}  // namespace palinode
