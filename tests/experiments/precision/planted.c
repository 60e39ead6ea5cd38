// e^x, right everywhere but at one input, where it is one ULP off; and a sum in another order than
// any that the laboratory knows. Planted faults: the laboratory has to find them.
#include <math.h>
#include <stddef.h>
#include <string.h>

void planted_expf(const float* x, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    unsigned bits;
    memcpy(&bits, &x[i], sizeof bits);
    out[i] = (float)exp((double)x[i]);
    if (bits == 0x3f9d70a4) out[i] = nextafterf(out[i], 0);  // 1.23
  }
}

// 64 lanes as ours, added up from the last to the first.
float planted_sum(const float* x, size_t n) {
  float lane[64] = {0};
  for (size_t i = 0; i < n; ++i) lane[i % 64] += x[i];
  float total = lane[63];
  for (int l = 62; l >= 0; --l) total += lane[l];
  return total;
}
