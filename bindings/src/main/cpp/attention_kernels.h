// The function that KernelLibrary.java binds for attention; as kernels.h.
#pragma once

#include <cstring>

#include "kernels.h"

namespace peftjava {

/// AttentionKernel.java's array: addresses and strides of an operand.
inline AttentionOperand attentionOperand(const int64_t*& from) {
  AttentionOperand result = {at<const void>(from[0]), from[1], from[2], from[3]};
  from += 4;
  return result;
}

/// d: batches, heads, tokens, size of a head, the operands x, cos, sin and y.
inline void rotation(const int64_t* d, bool backward, int type, int threads) {
  const int64_t* operands = d + 4;
  RotationArgs a = {d[1], d[2], d[3], {}, {}, {}, {}, backward};
  for (AttentionOperand* to : {&a.x, &a.cos, &a.sin, &a.y}) *to = attentionOperand(operands);
  parallelRange(active()->rotation[type], a, d[0] * a.heads * a.tokens, grainRows(a.size), threads);
}

/// d: batches, heads, tokens, bytes of a head, from where and to where, strides in bytes.
inline void copyHeads(const int64_t* d) {
  const int64_t* operands = d + 4;
  const AttentionOperand from = attentionOperand(operands), to = attentionOperand(operands);
  for (int64_t batch = 0; batch < d[0]; batch++)
    for (int64_t head = 0; head < d[1]; head++)
      for (int64_t token = 0; token < d[2]; token++)
        std::memcpy(at<char>(d[8]) + batch * to.batch + head * to.head + token * to.token,
                    static_cast<const char*>(from.data) + batch * from.batch + head * from.head + token * from.token,
                    static_cast<size_t>(d[3]));
}

/// d: the six sizes, the sums' address, the operands in the order of AttentionArgs.
inline void attention(const int64_t* d, double scale, double cap, double p, int64_t seed, bool causal, int type,
                      int maskType, bool gradient, int threads) {
  AttentionArgs a = {};
  a.batches = d[0];
  a.heads = d[1];
  a.keyHeads = d[2];
  a.queries = d[3];
  a.keys = d[4];
  a.size = d[5];
  a.logSums = at<float>(d[6]);
  const int64_t* operands = d + 7;
  for (AttentionOperand* to : {&a.q, &a.k, &a.v, &a.y, &a.mask}) *to = attentionOperand(operands);
  if (gradient)
    for (AttentionOperand* to : {&a.g, &a.gq, &a.gk, &a.gv}) *to = attentionOperand(operands);
  a.maskType = maskType;
  a.causal = causal;
  a.scale = static_cast<float>(scale);
  a.cap = static_cast<float>(cap);
  a.dropout = dropoutArgs(nullptr, nullptr, 0, p, seed, 0);
  a.drops = p > 0;
  const int64_t pairs = a.batches * a.keyHeads, rows = a.heads / a.keyHeads * a.queries;
  const bool split = !gradient && rows > kFewQueries;
  const int64_t blocks = split ? (rows + kQueryRows - 1) / kQueryRows : 1;
  const int64_t work = (split ? kQueryRows : rows) * a.keys;  // scores of a unit
  parallelRange(gradient ? active()->attentionGrad[type] : active()->attention[type], a, pairs * blocks,
                work < 4096 ? 4096 / work : 1, threads);
}

}  // namespace peftjava
