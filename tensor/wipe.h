// Memory that is overwritten before it can be given out again.
#pragma once

namespace palinode {

// While one lives, every block of the pool that this thread gives back is filled with zeros first.
class WipeReleased {
 public:
  WipeReleased();
  ~WipeReleased();
  WipeReleased(const WipeReleased&) = delete;
  WipeReleased& operator=(const WipeReleased&) = delete;
};

}  // namespace palinode
