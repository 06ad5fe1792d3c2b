package org.peftjava.transformers.training;

import java.util.OptionalLong;
import java.util.function.Function;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * What a dataset needs of a tokenizer.
 *
 * @param encode from text to ids, special tokens included
 * @param bos the token that begins a text
 * @param eos the token that ends a text
 */
record TextEncoder(Function<String, long[]> encode, OptionalLong bos, OptionalLong eos) {
  static TextEncoder of(Tokenizer tokenizer) {
    return new TextEncoder(tokenizer::encodeIds, tokenizer.bosTokenId(), tokenizer.eosTokenId());
  }
}
