// What is measured: a piece of work, and the contenders that can do it.
//
// Adding a kernel is one row in one of the *_cases.cc: its name, the work of a call, the limit of
// the machine that it runs against, our code and the rivals'.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace palinode::bench {

// In what a speed is told: work per second, or the time a piece of work takes.
enum class Unit : std::uint8_t {
  kGflops,        // work is floating-point operations
  kGbytes,        // work is bytes read and written
  kNanoseconds,   // work is elements; the time of one
  kMilliseconds,  // work is calls; the time of one
  kPerSecond,     // work is calls, or what the case says
  kMegabytes,     // work is the inverse of a peak of memory, so that less is faster
};

std::string_view unit_name(Unit unit);  // "GFLOP/s", "GB/s", "ns", "ms", "/s", "MB"

// Work per second as a figure in the unit.
double figure(Unit unit, double rate);

// One way of doing the work.
struct Contender {
  std::string name;          // "Palinode", "OpenBLAS", "Highway", "libm", ...
  std::string variant = {};  // OpenBLAS's core type, ...; empty where there is but one
  bool automatic = false;    // the variant that the library takes of its own accord
  std::function<void()> run = {};
  // Done before a run and not measured; a sample is then a single run.
  std::function<void()> before = {};
  // In place of timing `run`: a sample's cost, in seconds or bytes, as the contender finds it.
  std::function<double()> cost = {};
  double work = 0;  // of a run; 0: that of the case
};

// The least ratio of our speed to a rival's that design asks for.
struct Bar {
  std::string rival;    // a contender's name
  std::string variant;  // its variant; "best" or "auto" for one that fits the word
  double ratio;
  std::string why;  // how the ratio follows from the figures of the reference machine
};

// Something that must be so for the figures to mean anything.
struct Check {
  std::string text;
  bool pass = true;
};

struct Case {
  std::string what;  // "matmul f32 512x512x512"
  Unit unit;
  double work;  // of one call
  std::size_t threads = 1;
  // Makes the buffers, which live as long as the contenders. The first contender is ours.
  std::function<std::vector<Contender>()> make = {};
  std::vector<Bar> bars = {};  // none: an informative row
  std::string note = {};       // a promise in words, such as an error bound
  // Done once, before anything is timed; what it finds is printed beside the row.
  std::function<std::optional<Check>()> check = {};
  bool apart = false;  // in a process of its own, for libtorch: apart.h
};

// All cases, in the order of the table.
std::vector<Case> cases();

// Its parts.
std::vector<Case> matmul_cases();
std::vector<Case> reduce_cases();
std::vector<Case> row_cases();
std::vector<Case> attention_cases();
std::vector<Case> elementwise_cases();
std::vector<Case> training_cases();
std::vector<Case> framework_cases();
std::vector<Case> step_cases();
std::vector<Case> behavior_cases();

// Fixed values from a page boundary on, in [-1, 1) unless told otherwise. Copies share them.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t count, double low = -1, double high = 1)
      : memory_(static_cast<std::byte*>(::operator new (std::max<std::size_t>(count, 1) * sizeof(T),
                                                        std::align_val_t{4096})),
                [](std::byte* bytes) { ::operator delete (bytes, std::align_val_t{4096}); }),
        values_(reinterpret_cast<T*>(memory_.get()), count) {
    std::mt19937_64 bits(count);
    for (T& x : values_) {
      const double unit = static_cast<double>(bits() >> 11) * 0x1p-53;
      x = static_cast<T>(low + (high - low) * unit);
    }
  }

  std::span<const T> in() const { return values_; }
  std::span<T> out() const { return values_; }

 private:
  std::shared_ptr<std::byte> memory_;
  std::span<T> values_;
};

}  // namespace palinode::bench
