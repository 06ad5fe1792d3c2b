package org.peftjava.transformers.tokenizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * Encodes, cuts and pads a batch.
 *
 * @param modelMaxLength the longest row of the model, if it is known
 * @param padId the padding token, if there is one
 */
record BatchEncoder(
    NativeTokenizer backend,
    OptionalInt modelMaxLength,
    Side truncationSide,
    Side paddingSide,
    OptionalLong padId) {
  /**
   * Encodes a batch.
   *
   * @param textPairs as many as {@code texts}, or none
   */
  BatchEncoding encode(
      List<String> texts, List<String> textPairs, EncodeOptions options, boolean withOffsets) {
    if (!textPairs.isEmpty() && textPairs.size() != texts.size()) {
      throw new IllegalArgumentException(
          "There are "
              + texts.size()
              + " texts and "
              + textPairs.size()
              + " second texts; expected as many of both, or no second ones.");
    }
    if (options.isSplitIntoWords()) {
      return encodeWords(texts, textPairs, options, withOffsets);
    }
    List<EncodedText> rows = new ArrayList<>(texts.size());
    List<Integer> samples = new ArrayList<>(texts.size());
    for (int i = 0; i < texts.size(); i++) {
      Optional<String> pair =
          textPairs.isEmpty() ? Optional.empty() : Optional.of(textPairs.get(i));
      for (EncodedText row : rows(texts.get(i), pair, options, withOffsets)) {
        rows.add(row);
        samples.add(i);
      }
    }
    return padder(options).pad(rows, samples.stream().mapToInt(Integer::intValue).toArray());
  }

  private BatchEncoding encodeWords(
      List<String> words, List<String> textPairs, EncodeOptions options, boolean withOffsets) {
    if (!textPairs.isEmpty()) {
      throw new IllegalArgumentException(
          "isSplitIntoWords is for one text, but there are second ones. Join them to texts.");
    }
    EncodedText encoded = backend.encodeWords(words, options.addSpecialTokens(), withOffsets);
    List<EncodedText> rows = windows(encoded, false, options);
    return padder(options).pad(rows, new int[rows.size()]);
  }

  /** The row of a text, and those of what was cut off where the options ask for them. */
  List<EncodedText> rows(
      String text, Optional<String> pair, EncodeOptions options, boolean withOffsets) {
    if (options.isSplitIntoWords()) {
      throw new IllegalArgumentException(
          "isSplitIntoWords needs a list of words, got one text. Use batchEncode(words, …).");
    }
    return windows(
        backend.encode(text, pair, options.addSpecialTokens(), withOffsets),
        pair.isPresent(),
        options);
  }

  private List<EncodedText> windows(EncodedText encoded, boolean hasPair, EncodeOptions options) {
    OptionalInt limit = options.maxLength().isPresent() ? options.maxLength() : modelMaxLength;
    if (!options.truncation() || limit.isEmpty() || encoded.ids().length <= limit.getAsInt()) {
      return List.of(encoded);
    }
    if (options.truncationStrategy() == TruncationStrategy.ONLY_SECOND && !hasPair) {
      throw new IllegalArgumentException(
          "truncationStrategy is ONLY_SECOND, but there is no second text to cut.");
    }
    boolean wantsAll = options.returnOverflowingTokens();
    if (wantsAll && hasPair && options.truncationStrategy() == TruncationStrategy.LONGEST_FIRST) {
      throw new IllegalArgumentException(
          "returnOverflowingTokens with two texts needs the truncationStrategy ONLY_FIRST or"
              + " ONLY_SECOND, not LONGEST_FIRST.");
    }
    Truncation truncation =
        new Truncation(
            limit.getAsInt(),
            options.truncationStrategy(),
            options.truncationSide().orElse(truncationSide),
            wantsAll ? options.stride() : 0);
    List<EncodedText> windows = truncation.windows(encoded);
    return wantsAll ? windows : List.of(windows.get(0));
  }

  private Padder padder(EncodeOptions options) {
    return new Padder(
        options.padding() != EncodeOptions.Padding.DO_NOT_PAD,
        options.padding() == EncodeOptions.Padding.MAX_LENGTH ? paddedLength(options) : 0,
        options.padToMultipleOf().orElse(1),
        options.paddingSide().orElse(paddingSide),
        padId);
  }

  private int paddedLength(EncodeOptions options) {
    return options.maxLength().isPresent()
        ? options.maxLength().getAsInt()
        : modelMaxLength.orElseThrow(
            () ->
                new IllegalArgumentException(
                    "Padding to MAX_LENGTH needs a length, and the tokenizer names none."
                        + " Set maxLength."));
  }
}
