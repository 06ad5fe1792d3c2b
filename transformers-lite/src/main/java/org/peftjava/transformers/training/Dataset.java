package org.peftjava.transformers.training;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Training sequences by index. Java arrays only: no native memory until a batch is trained on.
 *
 * <p>Implement it to read examples lazily; {@link #get} is called on the training thread, for each
 * example once before the first step and once an epoch.
 */
public interface Dataset {
  /** Number of examples. */
  int size();

  /** The example at this index, from 0. */
  Example get(int index);

  /** A dataset of these examples. */
  static Dataset of(List<Example> examples) {
    return new InMemoryDataset(List.copyOf(examples));
  }

  /** Tokenizes texts, one example each, or packed into blocks. */
  static Dataset fromTexts(
      List<String> texts, Tokenizer tokenizer, Consumer<DatasetOptions.Builder> options) {
    return of(
        new Tokenization(TextEncoder.of(tokenizer), DatasetOptions.of(options)).ofTexts(texts));
  }

  /**
   * Reads and tokenizes a UTF-8 file: {@code .jsonl} with one JSON object a line, anything else as
   * plain text with one text a line. Empty lines are skipped. A file whose name ends in {@code .gz}
   * besides is unpacked.
   *
   * @throws IllegalArgumentException if a line is not UTF-8, not JSON, or lacks a field; the
   *     message names the line
   */
  static Dataset fromFile(
      Path file, Tokenizer tokenizer, Consumer<DatasetOptions.Builder> options) {
    return of(new Tokenization(TextEncoder.of(tokenizer), DatasetOptions.of(options)).ofFile(file));
  }

  /**
   * Splits off a test set: two datasets, named "train" and "test".
   *
   * @param testSize number of examples in the test set
   * @param seed of the shuffle; the split is the same on every machine
   */
  default Map<String, Dataset> trainTestSplit(int testSize, long seed) {
    if (testSize < 1 || testSize >= size()) {
      throw new IllegalArgumentException(
          "testSize must leave both parts non-empty: expected 1 to "
              + (size() - 1)
              + " of "
              + size()
              + " examples, got "
              + testSize
              + ".");
    }
    List<Example> all = new ArrayList<>();
    for (int index : Permutation.of(size(), new SplittableRandom(seed))) {
      all.add(get(index));
    }
    return Map.of("train", of(all.subList(testSize, size())), "test", of(all.subList(0, testSize)));
  }
}
