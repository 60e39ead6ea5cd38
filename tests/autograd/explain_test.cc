#include "autograd/explain.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "autograd/ops.h"
#include "tensor/ledger.h"

namespace palinode {
namespace {

// The text after its first line break.
std::string lines(std::string_view text) { return std::string(text.substr(1)); }

struct Explain : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  Tape tape;

  Explain() {
    ledger.commit({.proposer = "test",
                   .writes = {{&theta, "hidden.weight", Tensor::full<float>({4, 3}, 0.5f), true},
                              {&theta, "hidden.bias", Tensor::full<float>({3}, 0.5f), true}}});
  }

  Var loss() {
    const Var x = tape.constant(Tensor::full<float>({2, 4}, 1.0f));
    const Var weight = tape.parameter(theta, "hidden.weight");
    const Var bias = tape.parameter(theta, "hidden.bias");
    tape.constant(Tensor::full<float>({9}, 1.0f));  // nothing depends on it
    const Var hidden = dropout(tanh(linear(x, weight, bias)), 0.25, Rng(1).key());
    return mean(max(transpose(hidden), 0));
  }
};

TEST_F(Explain, PrintsATableOfWhatTheLossDependsOn) {
  EXPECT_EQ(explain(loss()), lines(R"text(
 node  name                 value          memory       kept  grad  from
   #0  constant             f32 [2, 4]       32 B
   #1  theta/hidden.weight  f32 [4, 3]       48 B             yes
   #2  theta/hidden.bias    f32 [3]          12 B             yes
   #4  linear               f32 [2, 3]       24 B             yes   #0 #1 #2
   #5  tanh                 f32 [2, 3]       24 B             yes   #4
   #6  dropout              f32 [2, 3]       24 B             yes   #5
   #7  transpose            f32 [3, 2]       view             yes   #6
   #8  max_axis             f32 [2]           8 B        8 B  yes   #7
   #9  mean                 f32 []            4 B             yes   #8
6 operations on 2 parameters of 60 B; values 116 B, kept for the backward 8 B
)text"));
}

TEST_F(Explain, DrawsWithGraphviz) {
  EXPECT_EQ(explain(loss(), Format::kDot), lines(R"text(
digraph tape {
  node [fontname="Helvetica", fontsize=11, style=filled, fillcolor=white];
  edge [color=gray40];
  n0 [label="constant\nf32 [2, 4]\n32 B", shape=box, fillcolor=gray92];
  n1 [label="theta/hidden.weight\nf32 [4, 3]\n48 B", shape=box, fillcolor=lightblue];
  n2 [label="theta/hidden.bias\nf32 [3]\n12 B", shape=box, fillcolor=lightblue];
  n4 [label="linear\nf32 [2, 3]\n24 B", shape=box, style="rounded"];
  n0 -> n4;
  n1 -> n4;
  n2 -> n4;
  n5 [label="tanh\nf32 [2, 3]\n24 B", shape=box, style="rounded"];
  n4 -> n5;
  n6 [label="dropout\nf32 [2, 3]\n24 B", shape=box, style="rounded"];
  n5 -> n6;
  n7 [label="transpose\nf32 [3, 2]\na view", shape=box, style="rounded"];
  n6 -> n7;
  n8 [label="max_axis\nf32 [2]\n8 B, keeps 8 B", shape=box, style="rounded"];
  n7 -> n8;
  n9 [label="mean\nf32 []\n4 B", shape=box, style="rounded"];
  n8 -> n9;
  label="6 operations on 2 parameters of 60 B; values 116 B, kept for the backward 8 B";
}
)text"));
}

TEST_F(Explain, DrawsWithMermaid) {
  EXPECT_EQ(explain(loss(), Format::kMermaid), lines(R"text(
flowchart TD
  n0["constant<br/>f32 [2, 4]<br/>32 B"]
  n1["theta/hidden.weight<br/>f32 [4, 3]<br/>48 B"]
  n2["theta/hidden.bias<br/>f32 [3]<br/>12 B"]
  n4("linear<br/>f32 [2, 3]<br/>24 B")
  n0 --> n4
  n1 --> n4
  n2 --> n4
  n5("tanh<br/>f32 [2, 3]<br/>24 B")
  n4 --> n5
  n6("dropout<br/>f32 [2, 3]<br/>24 B")
  n5 --> n6
  n7("transpose<br/>f32 [3, 2]<br/>a view")
  n6 --> n7
  n8("max_axis<br/>f32 [2]<br/>8 B, keeps 8 B")
  n7 --> n8
  n9("mean<br/>f32 []<br/>4 B")
  n8 --> n9
  %% 6 operations on 2 parameters of 60 B; values 116 B, kept for the backward 8 B
)text"));
}

}  // namespace
}  // namespace palinode
