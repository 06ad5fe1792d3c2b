package org.peftjava.transformers.training;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * One training sequence.
 *
 * @param inputIds the tokens
 * @param labels for each token the id that counts in the loss, or -100 where none does; as in
 *     Python not shifted: a language model compares label {@code i} with its prediction from the
 *     tokens before {@code i}. For a text classifier one label, or none if there are numbers; for
 *     question answering the positions of an answer's first and last token
 * @param tokenTypeIds the segment of each token; empty for models that know none
 * @param floatLabels the numbers of the text, or how much each of several labels applies; empty if
 *     there are labels
 * @param kind what the labels are about
 * @param taskId the task that the text belongs to, for adapters that know tasks: Python's column
 *     {@code task_ids}
 */
public record Example(
    long[] inputIds,
    long[] labels,
    long[] tokenTypeIds,
    float[] floatLabels,
    Kind kind,
    OptionalLong taskId) {
  /** What labels are about. */
  public enum Kind {
    /** One label for each token. */
    TOKENS,
    /** One label for the text, or numbers. */
    TEXT,
    /** A text of their own, of any length, which an encoder-decoder learns to write. */
    TARGET,
    /** The first and the last token of an answer in the text. */
    SPAN
  }

  /** The label of a token that takes no part in the loss. */
  public static final long IGNORED = -100;

  /** Checks that there is one label for each token, or one for the text. */
  public Example {
    if (floatLabels.length > 0 && labels.length > 0) {
      throw new IllegalArgumentException("An example has labels and floatLabels. Give one.");
    }
    if (kind == Kind.TOKENS) {
      eachToken(inputIds, labels);
    }
    int expected = kind == Kind.SPAN ? 2 : floatLabels.length > 0 ? 0 : 1;
    if ((kind == Kind.TEXT || kind == Kind.SPAN) && labels.length != expected) {
      throw new IllegalArgumentException(
          "An example of kind "
              + kind
              + " has "
              + labels.length
              + " labels and "
              + floatLabels.length
              + " floatLabels; expected "
              + expected
              + " labels.");
    }
    if (tokenTypeIds.length > 0 && tokenTypeIds.length != inputIds.length) {
      throw new IllegalArgumentException(
          "An example needs one token type for each token or none, got "
              + inputIds.length
              + " tokens and "
              + tokenTypeIds.length
              + " token types.");
    }
  }

  /** Without a task. */
  public Example(
      long[] inputIds, long[] labels, long[] tokenTypeIds, float[] floatLabels, Kind kind) {
    this(inputIds, labels, tokenTypeIds, floatLabels, kind, OptionalLong.empty());
  }

  /** A sequence with a label for each token. */
  public Example(long[] inputIds, long[] labels) {
    this(inputIds, labels, new long[0], new float[0], Kind.TOKENS);
  }

  /** A text, and the text that an encoder-decoder learns to write for it. */
  public static Example ofTarget(long[] inputIds, long[] target) {
    return new Example(inputIds, target, new long[0], new float[0], Kind.TARGET);
  }

  /**
   * A question with its context, and where in it the answer begins and ends: the indices of its
   * first and last token. Positions beyond the tokens, as after truncation, take no part in the
   * loss; a context without answer has both at 0, where the first token stands for it.
   */
  public static Example ofSpan(long[] inputIds, long startPosition, long endPosition) {
    long[] span = {startPosition, endPosition};
    return new Example(inputIds, span, new long[0], new float[0], Kind.SPAN);
  }

  private static void eachToken(long[] inputIds, long[] labels) {
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

  /** A text with one label. */
  public static Example ofText(long[] inputIds, long label) {
    return new Example(inputIds, new long[] {label}, new long[0], new float[0], Kind.TEXT);
  }

  /** A text with numbers, for regression or several labels at once. */
  public static Example ofText(long[] inputIds, float... numbers) {
    return new Example(inputIds, new long[0], new long[0], numbers, Kind.TEXT);
  }

  /** The same text in segments, for models that know them. */
  public Example withTokenTypeIds(long... types) {
    return new Example(inputIds, labels, types, floatLabels, kind, taskId);
  }

  /** The same text of a task, for adapters that know tasks. */
  public Example withTaskId(long task) {
    return new Example(inputIds, labels, tokenTypeIds, floatLabels, kind, OptionalLong.of(task));
  }

  /** The batch with the tasks of the examples, if they have some. */
  static TokenBatch withTaskIds(TokenBatch batch, List<Example> examples) {
    long[] ids = examples.stream().flatMapToLong(example -> example.taskId().stream()).toArray();
    if (ids.length != 0 && ids.length != examples.size()) {
      throw new IllegalArgumentException(
          "Only "
              + ids.length
              + " of the "
              + examples.size()
              + " examples of a batch have a taskId. Give one to each, or to none.");
    }
    return ids.length == 0 ? batch : batch.withTaskIds(ids);
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
        : new Example(
            Arrays.copyOf(inputIds, maxLength),
            isOfText() ? labels : Arrays.copyOf(labels, maxLength),
            Arrays.copyOf(tokenTypeIds, Math.min(maxLength, tokenTypeIds.length)),
            floatLabels,
            kind,
            taskId);
  }

  /** Whether the labels are the text's, not the tokens'. */
  boolean isOfText() {
    return kind != Kind.TOKENS;
  }

  /**
   * Number of labels that the loss counts.
   *
   * @param shifted whether the first token is never predicted
   */
  int targets(boolean shifted) {
    if (floatLabels.length > 0) {
      return 1;
    }
    if (kind == Kind.SPAN) {
      return Arrays.stream(labels).anyMatch(at -> at < length()) ? 1 : 0;
    }
    int count = 0;
    for (int i = shifted ? 1 : 0; i < labels.length; i++) {
      count += labels[i] == IGNORED ? 0 : 1;
    }
    return count;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Example example
        && Arrays.equals(inputIds, example.inputIds)
        && Arrays.equals(labels, example.labels)
        && Arrays.equals(tokenTypeIds, example.tokenTypeIds)
        && Arrays.equals(floatLabels, example.floatLabels)
        && kind == example.kind
        && taskId.equals(example.taskId);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(inputIds) + Arrays.hashCode(labels);
  }

  @Override
  public String toString() {
    return "Example[" + length() + " tokens, " + targets(false) + " targets]";
  }
}
