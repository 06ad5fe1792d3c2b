package org.peftjava.peft.tuner;

import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * How adapters are combined; the names are those of PEFT's {@code add_weighted_adapter}.
 *
 * @param combinationType the way; SVD
 * @param svdRank rank of the new adapter after a decomposition; the largest rank
 * @param svdClamp quantile in [0, 1] beyond which values of the decomposition are cut off; none
 * @param density share of values that stay, in [0, 1], for TIES, DARE and MAGNITUDE_PRUNE
 * @param majoritySignMethod which sign counts, for TIES; TOTAL
 */
public record WeightedAdapterOptions(
    CombinationType combinationType,
    OptionalInt svdRank,
    OptionalDouble svdClamp,
    OptionalDouble density,
    MajoritySignMethod majoritySignMethod) {
  /** Checks ranges. */
  public WeightedAdapterOptions {
    if (svdRank.isPresent() && svdRank.getAsInt() < 1) {
      throw new IllegalArgumentException(
          "svdRank must be 1 or more, got " + svdRank.getAsInt() + ".");
    }
    checkShare("svdClamp", svdClamp);
    density.ifPresent(
        value -> {
          if (!(value >= 0)) {
            throw new IllegalArgumentException("density must be 0 or more, got " + value + ".");
          }
        });
    if (combinationType.isSparse()) {
      double value =
          density.orElseThrow(
              () ->
                  new IllegalArgumentException(
                      "combinationType "
                          + combinationType.pythonName()
                          + " needs a density: the share of values that stay, such as 0.5."));
      if (combinationType.isRandom() && value == 0) {
        throw new IllegalArgumentException(
            "density 0 leaves nothing to enlarge. Expected more than 0.");
      }
    }
  }

  private static void checkShare(String name, OptionalDouble value) {
    value.ifPresent(
        number -> {
          if (!(number >= 0 && number <= 1)) {
            throw new IllegalArgumentException(name + " must be in [0, 1], got " + number + ".");
          }
        });
  }

  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** The same with another combination type. */
  WeightedAdapterOptions with(CombinationType type) {
    return new WeightedAdapterOptions(type, svdRank, svdClamp, density, majoritySignMethod);
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private CombinationType combinationType = CombinationType.SVD;
    private OptionalInt svdRank = OptionalInt.empty();
    private OptionalDouble svdClamp = OptionalDouble.empty();
    private OptionalDouble density = OptionalDouble.empty();
    private MajoritySignMethod majoritySignMethod = MajoritySignMethod.TOTAL;

    private Builder() {}

    /** The way to combine. */
    public Builder combinationType(CombinationType value) {
      combinationType = value;
      return this;
    }

    /** Rank of the new adapter after a decomposition. */
    public Builder svdRank(int value) {
      svdRank = OptionalInt.of(value);
      return this;
    }

    /** Quantile beyond which values of the decomposition are cut off. */
    public Builder svdClamp(double value) {
      svdClamp = OptionalDouble.of(value);
      return this;
    }

    /** Share of values that stay. */
    public Builder density(double value) {
      density = OptionalDouble.of(value);
      return this;
    }

    /** Which sign counts. */
    public Builder majoritySignMethod(MajoritySignMethod value) {
      majoritySignMethod = value;
      return this;
    }

    /** The options, checked. */
    public WeightedAdapterOptions build() {
      return new WeightedAdapterOptions(
          combinationType, svdRank, svdClamp, density, majoritySignMethod);
    }
  }
}
