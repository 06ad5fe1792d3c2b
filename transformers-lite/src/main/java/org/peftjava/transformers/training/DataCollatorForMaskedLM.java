package org.peftjava.transformers.training;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Hides tokens at random for masked language models, anew for each batch: of the hidden ones most
 * become the mask token, some another token, the others stay; the model learns what they were.
 * Special tokens, and tokens whose label is -100, are never hidden.
 *
 * <p>Reference: transformers' {@code DataCollatorForLanguageModeling} with {@code mlm=True}. The
 * random numbers come from {@link SplittableRandom}, equal for a seed on every machine, and differ
 * from Python's. One thread.
 */
public final class DataCollatorForMaskedLM implements DataCollator {
  private final Builder settings;
  private final DataCollatorWithPadding padding;
  private final SplittableRandom random;

  private DataCollatorForMaskedLM(Builder settings) {
    this.settings = settings;
    padding =
        new DataCollatorWithPadding(
            settings.padTokenId, settings.padToMultipleOf, settings.paddingSide);
    random = new SplittableRandom(settings.seed);
  }

  /** Python's defaults with a tokenizer's special tokens. */
  public static DataCollatorForMaskedLM of(Tokenizer tokenizer) {
    return builder(tokenizer).build();
  }

  /** A builder with a tokenizer's special tokens. */
  public static Builder builder(Tokenizer tokenizer) {
    long mask =
        tokenizer
            .maskTokenId()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "The tokenizer has no mask token, which masked language modelling needs."
                            + " Add one with addSpecialTokens, or use the tokenizer of a model that"
                            + " was trained with masks."));
    Set<Long> special =
        tokenizer.allSpecialTokens().stream()
            .map(tokenizer::convertTokenToId)
            .flatMap(id -> id.stream().boxed())
            .collect(Collectors.toSet());
    return new Builder(tokenizer.length(), mask, special)
        .padTokenId(tokenizer.padTokenId().orElse(0));
  }

  /**
   * A builder without a tokenizer.
   *
   * @param vocabSize number of tokens, among which replacements are drawn
   * @param specialTokenIds tokens that are never hidden
   */
  public static Builder builder(long vocabSize, long maskTokenId, Set<Long> specialTokenIds) {
    return new Builder(vocabSize, maskTokenId, specialTokenIds);
  }

  @Override
  public TokenBatch collate(List<Example> examples) {
    return padding.collate(examples.stream().map(this::masked).toList());
  }

  private Example masked(Example example) {
    long[] ids = example.inputIds().clone();
    long[] labels = new long[ids.length];
    Arrays.fill(labels, Example.IGNORED);
    for (int i = 0; i < ids.length; i++) {
      boolean counts = example.isOfText() || example.labels()[i] != Example.IGNORED;
      if (counts
          && !settings.specialTokenIds.contains(ids[i])
          && random.nextDouble() < settings.mlmProbability) {
        labels[i] = ids[i];
        ids[i] = hidden(ids[i]);
      }
    }
    return new Example(
        ids, labels, example.tokenTypeIds(), new float[0], Example.Kind.TOKENS, example.taskId());
  }

  private long hidden(long id) {
    double draw = random.nextDouble();
    if (draw < settings.maskReplaceProb) {
      return settings.maskTokenId;
    }
    return draw < settings.maskReplaceProb + settings.randomReplaceProb
        ? random.nextLong(settings.vocabSize)
        : id;
  }

  /** Collects settings, with Python's names. */
  public static final class Builder {
    private final long vocabSize;
    private final long maskTokenId;
    private final Set<Long> specialTokenIds;
    private long padTokenId;
    private double mlmProbability = 0.15;
    private double maskReplaceProb = 0.8;
    private double randomReplaceProb = 0.1;
    private long seed;
    private int padToMultipleOf = 1;
    private Side paddingSide = Side.RIGHT;

    private Builder(long vocabSize, long maskTokenId, Set<Long> specialTokenIds) {
      if (vocabSize < 1 || maskTokenId < 0 || maskTokenId >= vocabSize) {
        throw new IllegalArgumentException(
            "maskTokenId is "
                + maskTokenId
                + ". Expected a token of the vocabulary of "
                + vocabSize
                + ".");
      }
      this.vocabSize = vocabSize;
      this.maskTokenId = maskTokenId;
      this.specialTokenIds = Set.copyOf(specialTokenIds);
    }

    /** The id at padded positions. */
    public Builder padTokenId(long id) {
      padTokenId = id;
      return this;
    }

    /** Which share of the tokens is hidden; 0.15. */
    public Builder mlmProbability(double share) {
      mlmProbability = share(share, "mlmProbability");
      return this;
    }

    /** Which share of the hidden tokens becomes the mask token; 0.8. */
    public Builder maskReplaceProb(double share) {
      maskReplaceProb = share(share, "maskReplaceProb");
      return this;
    }

    /** Which share of the hidden tokens becomes another token; 0.1. */
    public Builder randomReplaceProb(double share) {
      randomReplaceProb = share(share, "randomReplaceProb");
      return this;
    }

    /** What the random numbers begin with. */
    public Builder seed(long value) {
      seed = value;
      return this;
    }

    /** Rounds the length of a batch up to a multiple of this. */
    public Builder padToMultipleOf(int value) {
      padToMultipleOf = value;
      return this;
    }

    /** Where the padding is. */
    public Builder paddingSide(Side side) {
      paddingSide = side;
      return this;
    }

    private static double share(double value, String name) {
      if (!(value >= 0 && value <= 1)) {
        throw new IllegalArgumentException(
            name + " is " + value + ". Expected a number from 0 to 1.");
      }
      return value;
    }

    /** The collator. */
    public DataCollatorForMaskedLM build() {
      if (maskReplaceProb + randomReplaceProb > 1) {
        throw new IllegalArgumentException(
            "maskReplaceProb "
                + maskReplaceProb
                + " and randomReplaceProb "
                + randomReplaceProb
                + " are more than 1 together.");
      }
      return new DataCollatorForMaskedLM(this);
    }
  }
}
