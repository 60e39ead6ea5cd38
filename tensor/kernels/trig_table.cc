#include "tensor/kernels/trig_table.h"

namespace palinode::kernels {

// clang-format off
alignas(64) const double kSinCosTable[32][4] = {
  {0x0p+0, 0x0p+0, 0x1p+0, 0x0p+0},
  {0x1.ffeaaa8p-6, 0x1.bbba1ba32bf9p-32, 0x1.ffc001p-1, 0x1.5549f4ac4abb7p-27},
  {0x1.ffaaae8p-5, 0x1.bb53b6ad2e92dp-31, 0x1.ff0015p-1, 0x1.527d34d328388p-27},
  {0x1.7f701p-4, 0x1.92a8720d7e169p-31, 0x1.fdc06b8p-1, 0x1.df9ae6d31902bp-27},
  {0x1.feaaee8p-4, 0x1.a1bb8d7281a6ap-30, 0x1.fc0155p-1, 0x1.3eade9b6d1e6ap-28},
  {0x1.3eb3128p-3, 0x1.1759b2d47d667p-29, 0x1.f9c3408p-1, 0x1.3e621438b6d61p-28},
  {0x1.7dc1028p-3, 0x1.eebcad456ad44p-29, 0x1.f706bd8p-1, 0x1.e7b386e96737fp-27},
  {0x1.bc6f848p-3, 0x1.b7186659c1a57p-29, 0x1.f3cc7cp-1, 0x1.d9e8b6f6f2e29p-28},
  {0x1.faaeedp-3, 0x1.3cc55daea277bp-29, 0x1.f015498p-1, 0x1.df7ba85d3c1eap-27},
  {0x1.1c37d6p-2, 0x1.31ae1d946077p-28, 0x1.ebe2148p-1, 0x1.ddbbe9efd060fp-27},
  {0x1.3ad129p-2, 0x1.da74f600207abp-28, 0x1.e733eap-1, 0x1.93d3fa6f5d32bp-33},
  {0x1.591bc98p-2, 0x1.e8bd65cbe3a5dp-28, 0x1.e20bf48p-1, 0x1.acd6c0f4cfa8ap-29},
  {0x1.771025p-2, 0x1.5d9084f48a946p-28, 0x1.dc6b7e8p-1, 0x1.ccac89052cd92p-28},
  {0x1.94a6be8p-2, 0x1.f546c4a58c7bp-30, 0x1.d653fp-1, 0x1.cf900fe89dc9cp-27},
  {0x1.b1d83p-2, 0x1.4c8585a51dbd3p-28, 0x1.cfc6cf8p-1, 0x1.2956cfb16b6aap-28},
  {0x1.ce9d2ep-2, 0x1.ea528f6d0375fp-29, 0x1.c8c5bf8p-1, 0x1.9c35086acf468p-30},
  {0x1.eaee87p-2, 0x1.12c17bfa1d92fp-28, 0x1.c1528p-1, 0x1.96df53e76deefp-27},
  {0x1.0362938p-1, 0x1.c69954b49cca2p-29, 0x1.b96eee8p-1, 0x1.d62103828b47ap-27},
  {0x1.110d0cp-1, 0x1.2da70edd9189ap-27, 0x1.b11d04p-1, 0x1.62a4c623baac4p-29},
  {0x1.1e7343p-1, 0x1.1b2ba6122a3fap-28, 0x1.a85ed4p-1, 0x1.b9f0168cdf032p-28},
  {0x1.2b91de8p-1, 0x1.44210ec0b91c5p-28, 0x1.9f368e8p-1, 0x1.644be12e2dff4p-27},
  {0x1.386597p-1, 0x1.158a0ab778293p-27, 0x1.95a67ep-1, 0x1.963f97a0812efp-34},
  {0x1.44eb38p-1, 0x1.cf386ab04a4f8p-29, 0x1.8bb1058p-1, 0x1.2ee48030c7c08p-28},
  {0x1.511f9f8p-1, 0x1.5ecd46ea3f17ap-27, 0x1.8158a3p-1, 0x1.916d5ce21746fp-29},
  {0x1.5cffc1p-1, 0x1.afe3c3596cb37p-27, 0x1.769fecp-1, 0x1.954847b9f60a9p-27},
  {0x1.6888a48p-1, 0x1.84d2cba9482c9p-27, 0x1.6b898f8p-1, 0x1.4f7dae915ac78p-28},
  {0x1.73b768p-1, 0x1.bd4aefb76df3ep-30, 0x1.601852p-1, 0x1.bd58f7d46ca5ep-27},
  {0x1.7e893fp-1, 0x1.40de5650eefbbp-27, 0x1.544f108p-1, 0x1.d64b292185172p-27},
  {0x1.88fb76p-1, 0x1.02e3686b66784p-27, 0x1.4830bdp-1, 0x1.f533acddf77ffp-27},
  {0x1.930b7p-1, 0x1.7e7e167fbd946p-27, 0x1.3bc05f8p-1, 0x1.674caced5b892p-30},
  {0x1.9cb6a98p-1, 0x1.de73256b0c186p-28, 0x1.2f0113p-1, 0x1.32107218e30fp-28},
  {0x1.a5fab78p-1, 0x1.3d29c85d20ac8p-29, 0x1.21f608p-1, 0x1.07e379bd70375p-29},
};
// clang-format on

const std::uint64_t kTwoOverPiBits[20] = {
    0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
    0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e,
    0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b,
    0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab};

}  // namespace palinode::kernels
