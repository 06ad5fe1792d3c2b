package org.peftjava.transformers.generation;

import java.util.Arrays;
import java.util.OptionalLong;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * What the decoder of an encoder-decoder begins with; transformers' {@code
 * _prepare_decoder_input_ids_for_generation}.
 */
final class DecoderPrompts {
  private DecoderPrompts() {}

  /** One row for each of {@code rows}: the user's tokens, or the start token alone. */
  static TokenBatch of(GenerationConfig config, GenerateOptions options, int rows) {
    long start = startToken(config);
    TokenIds given = options.decoderInputIds();
    if (given == null) {
      long[][] ids = new long[rows][1];
      Arrays.stream(ids).forEach(row -> row[0] = start);
      return TokenBatch.of(ids);
    }
    if (given.size() != rows || Arrays.stream(given.ids()).anyMatch(row -> row.length == 0)) {
      throw new IllegalArgumentException(
          "decoderInputIds have "
              + given.size()
              + " rows for a batch of "
              + rows
              + ". Expected one for each, with at least one token.");
    }
    boolean begun = Arrays.stream(given.ids()).anyMatch(row -> row[0] == start);
    return TokenBatch.of(
        begun
            ? given.ids()
            : Arrays.stream(given.ids()).map(row -> after(start, row)).toArray(long[][]::new));
  }

  private static long[] after(long start, long[] row) {
    long[] longer = new long[row.length + 1];
    longer[0] = start;
    System.arraycopy(row, 0, longer, 1, row.length);
    return longer;
  }

  private static long startToken(GenerationConfig config) {
    OptionalLong start = config.decoderStartTokenId();
    return (start.isPresent() ? start : config.bosTokenId())
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "The decoder has no token to begin with. Set decoder_start_token_id, or"
                        + " bos_token_id."));
  }
}
