#include "tensor/ledger_link.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace palinode {
namespace {

// Beside the texts: a link of the usual size is made without growing.
constexpr std::size_t kUsual = 4096;
constexpr std::uint64_t kRemoved = std::uint64_t{1} << 63;

static_assert(std::endian::native == std::endian::little, "numbers are little-endian");

// Fills room that was made at once.
class Filler {
 public:
  Filler(LinkBytes& bytes, std::size_t size) {
    const std::size_t from = bytes.size();
    bytes.resize(from + size);
    at_ = bytes.data() + from;
  }
  template <class T>
  void put(const T& value) {
    std::memcpy(at_, &value, sizeof(value));
    at_ += sizeof(value);
  }
  void put(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
    *at_++ = 0;
  }

 private:
  char* at_;
};

// Which NaN it is, is the processor's choice.
double canonical(double x) { return std::isnan(x) ? std::numeric_limits<double>::quiet_NaN() : x; }

}  // namespace

void append_link(LinkBytes& bytes, const LinkHead& head) {
  bytes.reserve(kUsual);
  Filler out(bytes, 1 + 3 * sizeof(std::uint64_t) + head.reason.size() + head.proposer.size() + 2);
  out.put(char{2});
  for (const std::uint64_t number : {head.first, head.seed, head.step}) out.put(number);
  for (const std::string_view text : {head.reason, head.proposer}) out.put(text);
}

void append_link(LinkBytes& bytes, const LinkRecord& record) {
  const bool made = record.previous == 0;
  const std::size_t names = record.store.size() + record.name.size() + 2 + sizeof(std::uint64_t);
  Filler out(bytes, 4 * sizeof(std::uint64_t) + (made ? names : 0) +
                        (record.after ? sizeof(Xxh3Digest) : 0));
  out.put(record.previous | (record.removed ? kRemoved : 0));
  if (made) {
    out.put(record.store);
    out.put(record.name);
    out.put(record.elements);
  }
  out.put(record.changed);
  out.put(canonical(record.max_abs));
  out.put(canonical(record.l2));
  if (record.after) out.put(*record.after);
}

}  // namespace palinode
