// Where the heads of attention are in memory, and what turns them.
#pragma once

#include <cstdint>

namespace peftjava {

/// Rows of heads: where element 0 of (batch, head, token) is, in elements from the start. Gapless along the last.
struct AttentionOperand {
  const void* data;
  int64_t batch, head, token;
};

/// y = x turned by the angles of its tokens, whose cosines and sines all heads share. Index space: rows of all heads.
struct RotationArgs {
  int64_t heads, tokens, size;
  AttentionOperand x, cos, sin, y;
  bool backward;
};

}  // namespace peftjava
