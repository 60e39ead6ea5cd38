// Errors thrown by Palinode, and the assertion for broken invariants.
//
// A mistake of the caller or a bad file is an exception: it names the operation, what was expected
// and what came. A broken invariant of ours is PALINODE_ASSERT, which stays on in release builds.
#pragma once

#include <stdexcept>
#include <string>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "Palinode's bits are those of IEEE arithmetic; compile without -ffast-math and its parts"
#endif

namespace palinode {

// The root of everything the library throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Sizes or ranks that do not fit together.
class ShapeError : public Error {
 public:
  using Error::Error;
};

// An operand of the wrong type.
class DtypeError : public Error {
 public:
  using Error::Error;
};

// A name that is unknown, taken, or used with the wrong role.
class NameError : public Error {
 public:
  using Error::Error;
};

// An attempt to write, or to prepare to write, a frozen store.
class FrozenError : public Error {
 public:
  using Error::Error;
};

// A parameter that was written after somebody read it to compute with.
class StaleReadError : public Error {
 public:
  using Error::Error;
};

// A value that is not a number or not finite where one is required.
class NonFiniteError : public Error {
 public:
  using Error::Error;
};

// A file whose content is not what its format says; names the file and the place.
class FormatError : public Error {
 public:
  using Error::Error;
};

// A machine or process that cannot keep the arithmetic contract, or a file system that fails.
class EnvironmentError : public Error {
 public:
  using Error::Error;
};

// Stops the process: the program's own reasoning was wrong, and going on would write wrong bits.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace palinode

#define PALINODE_ASSERT(expression)    \
  ((expression) ? static_cast<void>(0) \
                : ::palinode::assertion_failed(#expression, __FILE__, __LINE__))
