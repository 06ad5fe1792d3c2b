package org.peftjava.peft.optimizers;

/**
 * Learning rates and decay of LoRA+, arXiv:2402.12354. Reference: PEFT {@code
 * optimizers/loraplus.py::create_loraplus_optimizer}.
 *
 * @param lr that of A and whatever is no B
 * @param loraplusLrRatio how many times it that of B is; 1 or more
 * @param loraplusLrEmbedding that of adapters of embeddings; 1e-6
 * @param loraplusWeightDecay weight decay of all but biases and norms; 0
 */
public record LoraPlusOptions(
    double lr, double loraplusLrRatio, double loraplusLrEmbedding, double loraplusWeightDecay) {
  /** Checks the ranges. */
  public LoraPlusOptions {
    check("lr", lr, lr > 0, "above 0");
    check("loraplusLrRatio", loraplusLrRatio, loraplusLrRatio > 0, "above 0");
    check("loraplusLrEmbedding", loraplusLrEmbedding, loraplusLrEmbedding >= 0, "0 or more");
    check("loraplusWeightDecay", loraplusWeightDecay, loraplusWeightDecay >= 0, "0 or more");
  }

  private static void check(String name, double value, boolean ok, String rule) {
    if (!ok) {
      throw new IllegalArgumentException(
          "LoRA+: " + name + " must be " + rule + ", got " + value + ".");
    }
  }

  /** Options that need {@code lr} and {@code loraplusLrRatio}. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private double lr;
    private double ratio;
    private double embedding = 1e-6;
    private double decay;

    private Builder() {}

    /** Learning rate of A and whatever is no B. */
    public Builder lr(double value) {
      lr = value;
      return this;
    }

    /** How many times it that of B is. */
    public Builder loraplusLrRatio(double value) {
      ratio = value;
      return this;
    }

    /** Learning rate of adapters of embeddings. */
    public Builder loraplusLrEmbedding(double value) {
      embedding = value;
      return this;
    }

    /** Weight decay of all but biases and norms. */
    public Builder loraplusWeightDecay(double value) {
      decay = value;
      return this;
    }

    /** The options, checked. */
    public LoraPlusOptions build() {
      return new LoraPlusOptions(lr, ratio, embedding, decay);
    }
  }
}
