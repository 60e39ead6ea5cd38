// Descriptor: an open file that closes itself.
#pragma once

#include <unistd.h>

namespace palinode {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}  // negative for none
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

}  // namespace palinode
