package org.peftjava.transformers.tokenizer;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;

/**
 * Brings rows to one length.
 *
 * @param minLength every row has at least this length
 * @param multiple the length is a multiple of this
 * @param isNeeded whether rows are padded at all
 */
record Padder(boolean isNeeded, int minLength, int multiple, Side side, OptionalLong padId) {
  BatchEncoding pad(List<EncodedText> rows, int[] samples) {
    int size = rows.size();
    BatchEncoding batch =
        new BatchEncoding(
            new long[size][],
            new long[size][],
            new long[size][],
            new long[size][],
            new int[size][],
            new int[size][],
            new int[size][][],
            samples);
    int longest = rows.stream().mapToInt(row -> row.ids().length).max().orElse(0);
    int padded = padded(longest);
    for (int i = 0; i < size; i++) {
      fill(batch, i, rows.get(i), isNeeded ? padded : rows.get(i).ids().length);
    }
    return batch;
  }

  private int padded(int longest) {
    int length = Math.max(longest, minLength);
    return Math.multiplyExact(Math.floorDiv(length + multiple - 1, multiple), multiple);
  }

  private void fill(BatchEncoding batch, int index, EncodedText row, int length) {
    int tokens = row.ids().length;
    int from = side == Side.LEFT ? length - tokens : 0;
    batch.inputIds()[index] = copied(row.ids(), from, length);
    batch.attentionMask()[index] = new long[length];
    Arrays.fill(batch.attentionMask()[index], from, from + tokens, 1);
    batch.tokenTypeIds()[index] = new long[length];
    System.arraycopy(row.typeIds(), 0, batch.tokenTypeIds()[index], from, tokens);
    batch.specialTokensMask()[index] = new long[length];
    batch.sequenceIds()[index] = new int[length];
    boolean hasOffsets = row.offsets().length > 0 || tokens == 0; // not made unasked
    batch.offsetMapping()[index] = new int[hasOffsets ? length : 0][2];
    Arrays.fill(batch.specialTokensMask()[index], 1);
    Arrays.fill(batch.sequenceIds()[index], -1);
    batch.wordIds()[index] = new int[length];
    Arrays.fill(batch.wordIds()[index], -1);
    for (int i = 0; i < tokens; i++) {
      int at = from + i;
      batch.specialTokensMask()[index][at] = row.sequences()[i] < 0 ? 1 : 0;
      batch.sequenceIds()[index][at] = row.sequences()[i];
      batch.wordIds()[index][at] = (int) row.words()[i];
      if (hasOffsets) {
        batch.offsetMapping()[index][at][0] = row.offsets()[2 * i];
        batch.offsetMapping()[index][at][1] = row.offsets()[2 * i + 1];
      }
    }
  }

  private long[] copied(long[] ids, int from, int length) {
    long[] result = new long[length];
    if (ids.length < length) {
      Arrays.fill(result, padIdOf());
    }
    System.arraycopy(ids, 0, result, from, ids.length);
    return result;
  }

  private long padIdOf() {
    return padId.orElseThrow(
        () ->
            new IllegalStateException(
                "The texts differ in length and the tokenizer has no padding token. Choose one"
                    + " when loading: AutoTokenizer.fromPretrained(folder, o ->"
                    + " o.padToken(\"</s>\"))."));
  }
}
