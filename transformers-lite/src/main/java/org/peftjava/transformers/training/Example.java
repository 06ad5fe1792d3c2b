package org.peftjava.transformers.training;

import java.util.Arrays;

/**
 * One training sequence.
 *
 * @param inputIds the tokens
 * @param labels for each token the id that counts in the loss, or -100 where none does; as in
 *     Python not shifted: the model compares label {@code i} with its prediction from the tokens
 *     before {@code i}
 */
public record Example(long[] inputIds, long[] labels) {
  /** The label of a token that takes no part in the loss. */
  public static final long IGNORED = -100;

  /** Checks that there is one label for each token. */
  public Example {
    if (inputIds.length != labels.length) {
      throw new IllegalArgumentException(
          "An example needs one label for each token, got "
              + inputIds.length
              + " tokens and "
              + labels.length
              + " labels. Use "
              + IGNORED
              + " for tokens that take no part in the loss.");
    }
  }

  /** A sequence in which every token counts. */
  public static Example of(long... inputIds) {
    return new Example(inputIds, inputIds.clone());
  }

  /** A prompt, which the model sees, and the completion, which it learns. */
  public static Example ofCompletion(long[] prompt, long[] completion) {
    long[] ids = Arrays.copyOf(prompt, prompt.length + completion.length);
    System.arraycopy(completion, 0, ids, prompt.length, completion.length);
    long[] labels = ids.clone();
    Arrays.fill(labels, 0, prompt.length, IGNORED);
    return new Example(ids, labels);
  }

  /** Number of tokens. */
  public int length() {
    return inputIds.length;
  }

  /** The first tokens only, if there are more. */
  public Example truncated(int maxLength) {
    return length() <= maxLength
        ? this
        : new Example(Arrays.copyOf(inputIds, maxLength), Arrays.copyOf(labels, maxLength));
  }

  /** Number of labels that the loss counts: the first token is never predicted. */
  int targets() {
    int count = 0;
    for (int i = 1; i < labels.length; i++) {
      count += labels[i] == IGNORED ? 0 : 1;
    }
    return count;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Example example
        && Arrays.equals(inputIds, example.inputIds)
        && Arrays.equals(labels, example.labels);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(inputIds) + Arrays.hashCode(labels);
  }

  @Override
  public String toString() {
    return "Example[" + length() + " tokens, " + targets() + " targets]";
  }
}
