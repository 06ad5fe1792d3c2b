package org.peftjava.transformers.training;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.Function;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * What a dataset needs of a tokenizer.
 *
 * @param encode from text to ids, special tokens included
 * @param chat from the messages of a chat to ids, with what begins an answer or without
 * @param bos the token that begins a text
 * @param eos the token that ends a text
 */
record TextEncoder(
    Function<String, long[]> encode, ChatEncoder chat, OptionalLong bos, OptionalLong eos) {
  /** Writes a chat as token ids. */
  interface ChatEncoder {
    long[] encode(List<Map<String, Object>> messages, boolean addGenerationPrompt);
  }

  static TextEncoder of(Tokenizer tokenizer) {
    return new TextEncoder(
        tokenizer::encodeIds,
        (messages, open) -> tokenizer.encodeChat(messages, o -> o.addGenerationPrompt(open)),
        tokenizer.bosTokenId(),
        tokenizer.eosTokenId());
  }
}
