package org.peftjava.transformers.tokenizer;

import java.util.Arrays;

/**
 * What the library makes of one text or a pair, with special tokens around the texts; {@code t}
 * tokens.
 *
 * @param ids token ids (t)
 * @param typeIds 0 or 1, as the post-processor gives them (t)
 * @param sequences 0 for a token of the first text, 1 of the second, -1 for a special token that
 *     was put around them (t)
 * @param words the word of each token, counted in its text; -1 for special tokens (t)
 * @param offsets begin and end of each token in its text, in chars (2t); empty if not asked for
 */
record EncodedText(long[] ids, long[] typeIds, int[] sequences, long[] words, int[] offsets) {
  /** Number of tokens of a text: 0 the first, 1 the second; -1 counts the special ones. */
  int count(int sequence) {
    return (int) Arrays.stream(sequences).filter(found -> found == sequence).count();
  }

  /** Number of tokens of the words at one side of a text, just as many as reach the limit. */
  int countOfWords(int sequence, int limit, Side side) {
    int count = 0;
    long word = -1;
    for (int step = 0; step < ids.length; step++) {
      int i = side == Side.RIGHT ? step : ids.length - 1 - step;
      if (sequences[i] == sequence) {
        if (count >= limit && words[i] != word) {
          return count;
        }
        word = words[i];
        count++;
      }
    }
    return count;
  }

  /** The special tokens, and those tokens of the two texts that lie in the given ranges. */
  EncodedText keep(Range first, Range second) {
    int[] kept = new int[ids.length];
    int size = 0;
    int[] seen = new int[2];
    for (int i = 0; i < ids.length; i++) {
      int sequence = sequences[i];
      boolean isKept = sequence < 0 || (sequence == 0 ? first : second).contains(seen[sequence]++);
      if (isKept) {
        kept[size++] = i;
      }
    }
    EncodedText result =
        new EncodedText(
            new long[size],
            new long[size],
            new int[size],
            new long[size],
            new int[offsets.length == 0 ? 0 : 2 * size]);
    for (int i = 0; i < size; i++) {
      result.ids[i] = ids[kept[i]];
      result.typeIds[i] = typeIds[kept[i]];
      result.sequences[i] = sequences[kept[i]];
      result.words[i] = words[kept[i]];
      if (offsets.length > 0) {
        result.offsets[2 * i] = offsets[2 * kept[i]];
        result.offsets[2 * i + 1] = offsets[2 * kept[i] + 1];
      }
    }
    return result;
  }

  /** Tokens {@code from} to {@code to}, the latter not included. */
  record Range(int from, int to) {
    boolean contains(int index) {
      return index >= from && index < to;
    }

    int length() {
      return to - from;
    }
  }
}
