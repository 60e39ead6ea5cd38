// What the decoder-only models share at the beginning and the end of a pass.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/checkpoint.h"
#include "nn/attention.h"
#include "nn/run.h"

namespace palinode::nn {

struct DecoderSize {
  std::size_t vocab, context, layers, width;
};

// Throws ShapeError if one is 0, or there are more than 1,024 layers or 2^26 values in a context:
// a file could ask for any.
void check_decoder(std::string_view model, const DecoderSize& size);

// Checks the tokens, i32 [batch, time], and claims the run's cache if there is one, for the model
// with these settings of its heads. Throws DtypeError, and ShapeError if there are none or they do
// not fit into the context.
struct HeadSettings {
  std::size_t heads, kv_heads;
  double rope_base, eps;
  Precision precision;
};
Place begin_pass(std::string_view model, Run& run, const Store& store, const Tensor& tokens,
                 std::size_t context, const HeadSettings& settings);
void end_pass(Run& run, const Place& place);

// At the beginning of each sequence of x [batch, time, width]: puts the rows of the run's prompts
// before its tokens and counts them in `place`. Returns how many. Throws ShapeError if they do not
// fit into the context.
std::size_t put_prompt(Run& run, Var& x, Place& place, std::size_t context);
// x [batch * time, width] without those rows.
Var drop_prompt(Var x, const Place& place, std::size_t prompted);

// x through all blocks, each by run_block(run, block, x, place). With `checkpointing` each is a
// segment of the tape; not with a cache, which must not be extended a second time.
template <class Block, class RunBlock>
Var run_blocks(Run& run, const std::vector<Block>& blocks, Var x, Place place, bool checkpointing,
               RunBlock run_block) {
  for (; place.layer < blocks.size(); ++place.layer) {
    const Block& block = blocks[place.layer];
    if (!checkpointing || run.cache() != nullptr) {
      x = run_block(run, block, x, place);
      continue;
    }
    const auto part = [&block, place, run_block, settings = run.settings()](Tape& tape, Var input) {
      Run again = Run::segment(tape, settings);
      return run_block(again, block, input, place);
    };
    x = checkpoint(x, part);
  }
  return x;
}

// i32 [time]: offset, offset + 1, ...
Tensor positions_of(const Place& place);

}  // namespace palinode::nn
