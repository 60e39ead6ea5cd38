// InlineVector: at most N values, held in place; for the short lists of a training step, which
// should not allocate.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>

#include "tensor/error.h"

namespace palinode {

// Going beyond N is a broken invariant, not an error of the caller's data.
template <class T, std::size_t N>
class InlineVector {
 public:
  InlineVector() {}  // NOLINT(modernize-use-equals-default): leaves the room uninitialized
  explicit InlineVector(std::size_t count) {
    while (size_ < count) push_back(T());
  }
  InlineVector(std::initializer_list<T> values) {
    for (const T& value : values) push_back(value);
  }
  InlineVector(const InlineVector& other) {
    for (const T& value : other) push_back(value);
  }
  InlineVector(InlineVector&& other) noexcept {
    for (T& value : other) push_back(std::move(value));
  }
  InlineVector& operator=(InlineVector other) noexcept {
    clear();
    for (T& value : other) push_back(std::move(value));
    return *this;
  }
  ~InlineVector() { clear(); }

  void push_back(T value) {
    PALINODE_ASSERT(size_ < N);
    std::construct_at(room_.values + size_, std::move(value));
    ++size_;
  }
  void clear() {
    std::destroy_n(room_.values, size_);
    size_ = 0;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return room_.values; }
  const T* data() const { return room_.values; }
  T* begin() { return room_.values; }
  T* end() { return room_.values + size_; }
  const T* begin() const { return room_.values; }
  const T* end() const { return room_.values + size_; }
  T& operator[](std::size_t i) { return room_.values[i]; }
  const T& operator[](std::size_t i) const { return room_.values[i]; }

 private:
  union Room {
    Room() {}   // NOLINT(modernize-use-equals-default)
    ~Room() {}  // NOLINT(modernize-use-equals-default)
    T values[N];
  };
  Room room_;
  std::size_t size_ = 0;
};

}  // namespace palinode
