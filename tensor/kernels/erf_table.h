// The Taylor series of erf and of the function m(a) = e^(a^2/2) (1 - Phi(a)), Phi the normal
// distribution function, about the centres of docs/arithmetic.md, appendix; private to the kernels.
//
// A row holds, for one centre c: f(c) and f'(c) as pairs (the first 26 bits, the nearest f64 to the
// rest), then f''(c)/2!, f'''(c)/3!, ..., to the 13th derivative, each to nearest.
#pragma once

namespace palinode::kernels {

extern const double kErfTable[48][16];    // centres up to 7 - 1/32
extern const double kMillsTable[84][16];  // centres up to 39 - 1/32

}  // namespace palinode::kernels
