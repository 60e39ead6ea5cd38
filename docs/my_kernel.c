/* Kernels of one's own for `palinode precision` (docs/precision.md):
     cc -O2 -shared -fPIC -o libmine.so my_kernel.c
     palinode precision exp --kernel ./libmine.so:my_expf
     palinode precision sum --kernel ./libmine.so:my_sum */
#include <stddef.h>

void my_expf(const float* x, float* out, size_t n) { /* (1 + x/1024)^1024: not a good one */
  for (size_t i = 0; i < n; ++i) {
    double y = 1 + x[i] / 1024.0;
    for (int k = 0; k < 10; ++k) y *= y;
    out[i] = x[i] < -1024 ? 0 : (float)y;
  }
}

float my_sum(const float* x, size_t n) {
  float total = 0;
  for (size_t i = 0; i < n; ++i) total += x[i];
  return total;
}
