#include "tensor/npy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/little_endian.h"
#include "tensor/rng.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

std::string raw(const Tensor& tensor) {
  std::string bytes;
  append_values(bytes, tensor);
  return bytes;
}

// A file with this header, of version 1.0 or 2.0, and this much data.
std::string file_of(const std::string& header, std::size_t data_size, unsigned version = 1) {
  std::string bytes = "\x93NUMPY";
  append_unsigned(bytes, version, 2);
  append_unsigned(bytes, header.size(), version == 1 ? 2 : 4);
  return bytes + header + std::string(data_size, '\x01');
}

std::string header_of(const std::string& descr, const std::string& order,
                      const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

std::string verdict(const std::string& bytes) {
  try {
    parse_npy(bytes, "x");
  } catch (const FormatError& error) {
    const std::string message = error.what(), prefix = "npy: x: ";
    EXPECT_TRUE(message.starts_with(prefix)) << message;
    return message.substr(prefix.size());
  }
  return "accepted";
}

std::vector<Tensor> examples() {
  const std::vector<std::uint32_t> words = {0x7fc00001, 0xffa5a5a5, 0x7f800001, 0x80000000, 1, 2};
  std::vector<float> floats;
  for (const std::uint32_t word : words) floats.push_back(std::bit_cast<float>(word));
  const Tensor f32 = Tensor::from<float>(floats, {2, 3});
  const std::vector<std::int32_t> integers = {-1, 2147483647};
  return {f32,
          f32.transpose(),
          Tensor::from<std::int32_t>(integers, {2}),
          Tensor::full<Float16>({1, 1, 2}, {0xfe01}),
          Tensor::scalar(-0.0, Dtype::kF64),
          Tensor::zeros({0, 7}, Dtype::kF64),
          Tensor::zeros({1, 2, 1, 2, 1, 2, 1, 2}, Dtype::kF32)};
}

TEST(Npy, RoundTripKeepsEveryBit) {
  for (const Tensor& tensor : examples()) {
    const Tensor back = parse_npy(npy_bytes(tensor), "x");
    EXPECT_EQ(back.describe(), tensor.describe());
    EXPECT_EQ(raw(back), raw(tensor));
  }
}

// As numpy.save wrote it.
TEST(Npy, HasTheBytesOfNumPy) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  std::string header = header_of("<f4", "False", "(2, 3)");
  header.resize(117, ' ');
  const std::string data("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40\0\0\xc0\x40",
                         24);
  EXPECT_EQ(npy_bytes(Tensor::from<float>(values, {2, 3})),
            std::string("\x93NUMPY\x01\0v\0", 10) + header + "\n" + data);
}

TEST(Npy, WritesOneAxisAsATuple) {
  EXPECT_NE(npy_bytes(Tensor::zeros({3}, Dtype::kF16)).find("'<f2'"), std::string::npos);
  EXPECT_NE(npy_bytes(Tensor::zeros({3}, Dtype::kF16)).find("(3,)"), std::string::npos);
  EXPECT_NE(npy_bytes(Tensor::zeros({}, Dtype::kF64)).find("()"), std::string::npos);
}

TEST(Npy, InFortranOrderIsReadRowMajor) {
  std::string bytes = file_of(header_of("<i4", "True", "(2, 3)"), 0);
  for (const unsigned value : {1U, 4U, 2U, 5U, 3U, 6U}) append_unsigned(bytes, value, 4);
  const Tensor x = parse_npy(bytes, "x");
  EXPECT_EQ(x.shape(), (Shape{2, 3}));
  for (std::int32_t i = 0; i < 6; ++i) {
    EXPECT_EQ(x.values<std::int32_t>()[static_cast<std::size_t>(i)], i + 1);
  }
}

TEST(Npy, MayBeOfVersionTwoAndLooselyWritten) {
  EXPECT_EQ(verdict(file_of(header_of("<f4", "False", "(2,)"), 8, 2)), "accepted");
  EXPECT_EQ(verdict(file_of(R"( {"shape":( 2 ,3),"descr":"<f4" , 'fortran_order':False} )", 24)),
            "accepted");
  EXPECT_EQ(verdict(file_of(header_of("<f4", "False", "(1152921504606846976, 0)"), 0)), "accepted");
}

TEST(Npy, OnDiskIsReadBack) {
  const std::string path = testing::TempDir() + "palinode_" + std::to_string(::getpid()) + ".npy";
  const Tensor x = examples()[0];
  write_npy(path, x);
  EXPECT_EQ(raw(read_npy(path)), raw(x));
  EXPECT_MESSAGE(write_npy(path, x.to(Dtype::kBf16)), DtypeError,
                 "npy: has no type for bf16 [2, 3]; convert it with to()");
  EXPECT_EQ(raw(read_npy(path)), raw(x));
  std::filesystem::remove(path);
  EXPECT_MESSAGE(read_npy(path), FormatError,
                 "cannot read " + path + ": No such file or directory");
}

struct Attack {
  std::string header;
  std::size_t data_size;
  std::string message;
};

const Attack kAttacks[] = {
    {header_of(">f4", "False", "(2,)"), 8, "header: 'descr': '>f4' is big-endian"},
    {header_of("<i8", "False", "(2,)"), 16,
     "header: 'descr': '<i8' is not supported; '<f4', '<f8', '<i4' and '<f2' are"},
    {header_of("|O", "False", "(2,)"), 16,
     "header: 'descr': '|O' is not supported; '<f4', '<f8', '<i4' and '<f2' are"},
    {header_of("\x1b[2J", "False", "(2,)"), 16,
     "header: 'descr': '?[2J' is not supported; '<f4', '<f8', '<i4' and '<f2' are"},
    {"{'descr': [('a', '<f4')]}", 4, "header: expected a string at byte 20"},
    {header_of("<f4", "0", "(2,)"), 8, "header: expected True or False at byte 44"},
    {header_of("<f4", "False", "2"), 8, "header: expected ( at byte 60"},
    {header_of("<f4", "False", "(2)"), 8, "header: 'shape': not a tuple"},
    {header_of("<f4", "False", "(-1,)"), 4,
     "header: expected a whole number below 2^64 at byte 61"},
    {header_of("<f4", "False", "(02,)"), 8,
     "header: expected a whole number below 2^64 at byte 61"},
    {header_of("<f4", "False", "(18446744073709551616,)"), 0,
     "header: expected a whole number below 2^64 at byte 61"},
    {header_of("<f4", "False", "(2.0,)"), 8, "header: expected a comma or ) at byte 62"},
    {header_of("<f4", "False", "(2L,)"), 8, "header: expected a comma or ) at byte 62"},
    {header_of("<f4", "False", "(,)"), 4, "header: expected a whole number below 2^64 at byte 61"},
    {header_of("<f4", "False", "(2 3)"), 24, "header: expected a comma or ) at byte 63"},
    {header_of("<f4", "False", "(1,1,1,1,1,1,1,1,1)"), 4, "header: 'shape': more than 8 axes"},
    {header_of("<f8", "False", "(4294967296, 4294967296)"), 0,
     "header: shape: too many elements in [4294967296, 4294967296]"},
    {header_of("<f8", "False", "(1152921504606846976,)"), 8,
     "data: f64 [1152921504606846976] takes 9223372036854775808 bytes, the file has 8"},
    {header_of("<f4", "False", "(2,)"), 7, "data: f32 [2] takes 8 bytes, the file has 7"},
    {header_of("<f4", "False", "(2,)"), 9, "data: f32 [2] takes 8 bytes, the file has 9"},
    {header_of("<f4", "False", "(2,)") + "x", 8, "header: more than a dictionary at byte 67"},
    {header_of("<f4", "False", "(2,)") + "\n\n", 8, "header: more than a dictionary at byte 68"},
    {"{'descr': '<f4', 'descr': '<f4', }", 4, "header: 'descr' is repeated"},
    {"{'fortran_order': True, 'fortran_order': True}", 4, "header: 'fortran_order' is repeated"},
    {"{'shape': (), 'shape': ()}", 4, "header: 'shape' is repeated"},
    {"{'descr': '<f4', 'shape': ()}", 4, "header: 'fortran_order' is missing"},
    {"{'fortran_order': True, 'shape': ()}", 4, "header: 'descr' is missing"},
    {"{'descr': '<f4', 'fortran_order': True}", 4, "header: 'shape' is missing"},
    {"{'order': 1}", 4, "header: 'order' is not a key of a header"},
    {"{'descr': '<f4' 'shape': ()}", 4, "header: expected } at byte 26"},
    {"{'descr' '<f4'}", 4, "header: expected : at byte 19"},
    {"{'descr': '<f4", 4, "header: expected a string at byte 20"},
    {"", 4, "header: expected { at byte 10"},
};

TEST(Npy, RefusesHostileHeadersByNameAndPlace) {
  for (const Attack& attack : kAttacks) {
    EXPECT_EQ(verdict(file_of(attack.header, attack.data_size)), attack.message) << attack.header;
  }
}

TEST(Npy, RefusesABeginningThatDoesNotFit) {
  EXPECT_EQ(verdict(""), "does not begin like an npy file");
  EXPECT_EQ(verdict("\x93NUMPX\x01"), "does not begin like an npy file");
  EXPECT_EQ(verdict("\x93NUMPY\x01"), "ends before the version");
  EXPECT_EQ(verdict(std::string("\x93NUMPY\x03\0\0", 9)),
            "version 3.0 is not supported; 1.0 and 2.0 are");
  EXPECT_EQ(verdict("\x93NUMPY\x01\x01"), "version 1.1 is not supported; 1.0 and 2.0 are");
  EXPECT_EQ(verdict(std::string("\x93NUMPY\x01\0v", 9)), "ends before the length of the header");
  EXPECT_EQ(verdict(std::string("\x93NUMPY\x01\0v\0{}", 12)),
            "a header of 118 bytes, but the file ends 2 bytes after its length");
  EXPECT_EQ(verdict(std::string("\x93NUMPY\x02\0\xff\xff\xff\xff", 12)),
            "a header of 4294967295 bytes, more than the limit of 65535");
}

TEST(Npy, RefusesEveryTruncation) {
  const std::string whole = npy_bytes(examples()[0]);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(verdict(whole.substr(0, size)), "accepted") << size;
  }
}

// Either refused, or read into what can be written and read again to the same bytes.
bool refused_or_well_formed(std::string_view bytes) {
  try {
    const std::string again = npy_bytes(parse_npy(bytes, "x"));
    return npy_bytes(parse_npy(again, "x")) == again;
  } catch (const FormatError&) {
    return true;
  }
}

TEST(Npy, SurvivesEveryChangeOfOneByteOfTheHeader) {
  const std::string whole = npy_bytes(examples()[0]);
  for (std::size_t place = 0; place < 128; ++place) {
    std::string changed = whole;
    for (int change = 1; change < 256; ++change) {
      changed[place] = static_cast<char>(whole[place] ^ change);
      ASSERT_TRUE(refused_or_well_formed(changed)) << "byte " << place << " xor " << change;
    }
  }
}

TEST(Npy, SurvivesRandomDamage) {
  const std::string header = header_of("<f4", "False", "(2, 3)");
  const std::vector<std::string> pieces = {
      "0", "-1",   "4294967296",           "{",   "}", "(", ")", ",", "'",
      ":", "True", "18446744073709551615", "<f8", "\n"};
  const Rng rng = Rng(1).stream("npy-damage");
  for (std::uint64_t trial = 0, at = 0; trial < 5000; ++trial) {
    const auto below = [&](std::size_t n) { return rng.below(at++, n); };
    std::string changed = header;
    for (std::uint64_t count = 1 + below(3); count > 0; --count) {
      const std::size_t place = below(changed.size()), length = below(9);
      const std::string moved = changed.substr(below(changed.size()), below(20));
      const std::string& piece = below(2) == 0 ? moved : pieces[below(pieces.size())];
      changed.replace(place, length, piece);
    }
    ASSERT_TRUE(refused_or_well_formed(file_of(changed, 24))) << "trial " << trial;
  }
}

}  // namespace
}  // namespace palinode
