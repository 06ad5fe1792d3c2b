package org.peftjava.peft.tuner.xlora;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/**
 * What mixes the LoRA adapters of a model: the shares of the present pass, and settings that may
 * change afterwards.
 *
 * <p>Reference: PEFT {@code tuners/xlora/model.py::XLoraModel}. Letters: {@code b} rows, {@code t}
 * tokens, {@code l} adapted layers, {@code n} adapters. The shares of a pass belong to its thread.
 */
public final class XLoraRouting {
  private final XLoraConfig config;

  @SuppressWarnings("ThreadLocalUsage") // of this model and one thread's pass through it
  private final ThreadLocal<@Nullable Tensor> present = new ThreadLocal<>();

  private final List<Scalings> log = Collections.synchronizedList(new ArrayList<>());
  private List<String> paths = List.of();
  private List<List<String>> expertPaths = List.of();
  private volatile @Nullable Scalings latest;
  private @Nullable XLoraClassifier classifier;
  private volatile boolean isLogging;
  private OptionalInt topK;
  private double globalWeight;
  private double passValue;

  XLoraRouting(XLoraConfig config) {
    this.config = config;
    topK = config.topKLora();
    globalWeight = config.globalScalingWeight();
    passValue = config.scalingPassValue();
  }

  /** Says where the adapters are: the paths of all adapted layers, and those of each adapter. */
  void places(List<String> all, List<List<String>> ofExperts) {
    paths = List.copyOf(all);
    expertPaths = List.copyOf(ofExperts);
  }

  int layer(String path) {
    return paths.indexOf(path);
  }

  boolean has(int expert, String path) {
    return expertPaths.get(expert).contains(path);
  }

  void classifier(XLoraClassifier made) {
    classifier = made;
  }

  private XLoraClassifier classifier() {
    if (classifier == null) {
      throw new IllegalStateException("The classifier is made with the adapter.");
    }
    return classifier;
  }

  // ---- passes ----

  /**
   * The result of a pass whose shares all are the scaling pass value: the classifier's input comes
   * of it.
   */
  public <T> T scalingPass(long rows, long tokens, Supplier<T> pass) {
    XLoraClassifier made = classifier();
    return within(
        Creation.zeros(made.dtype(), rows, tokens, made.layers(), made.adapters())
            .fillInPlace(passValue)
            .to(made.device()),
        pass);
  }

  /**
   * The result of a pass with the shares that the classifier gives.
   *
   * @param hidden the last hidden state (b, t, e) of the scaling pass
   */
  public <T> T routedPass(Tensor hidden, boolean training, Supplier<T> pass) {
    Tensor shares = classifier().forward(hidden, training);
    Scalings now =
        new Scalings(shares.shape().toArray(), shares.detach().to(DType.FLOAT32).toFloats());
    latest = now;
    if (isLogging) {
      log.add(now);
    }
    return within(shares, pass);
  }

  private <T> T within(Tensor shares, Supplier<T> pass) {
    Tensor before = present.get();
    present.set(shares);
    try {
      return pass.get();
    } finally {
      present.set(before);
    }
  }

  /** The shares (b, t, n) of this pass in a layer. */
  Tensor shares(int layer) {
    Tensor all = present.get();
    if (all == null) {
      throw new IllegalStateException(
          "X-LoRA has no shares outside of a pass of its PeftModel, nor where layers are run again."
              + " Call forward on the PeftModel, without gradient checkpointing.");
    }
    Tensor shares = all.select(2, layer);
    if (topK.isPresent() && topK.getAsInt() < shares.size(-1)) {
      Tensor places = Ops.topK(shares.detach(), topK.getAsInt()).indices();
      Tensor ones = Creation.zeros(shares.dtype(), places.shape().toArray()).fillInPlace(1);
      Tensor none = Creation.zeros(shares.dtype(), shares.shape().toArray()).to(shares.device());
      shares = shares.mul(Ops.scatterAdd(none, -1, places, ones.to(shares.device())));
    }
    if (config.enableSoftmaxTopk()) {
      Tensor out = shares.eq(0);
      Tensor finite = shares.maskedFill(out, -Float.MAX_VALUE); // a token may get no adapter at all
      shares = Ops.softmax(finite, -1).maskedFill(out, 0);
    }
    return shares;
  }

  double globalWeight() {
    return globalWeight;
  }

  // ---- settings, with Python's names ----

  /** How many adapters a token gets; Python's {@code set_topk_lora}. */
  public void setTopkLora(int value) {
    if (value < 1) {
      throw new IllegalArgumentException("topkLora must be 1 or more, got " + value + ".");
    }
    topK = OptionalInt.of(value);
  }

  /** Lets tokens get all adapters again; Python's {@code set_topk_lora(None)}. */
  public void clearTopkLora() {
    topK = OptionalInt.empty();
  }

  /** What everything that adapters add is multiplied by. */
  public void setGlobalScalingWeight(double weight) {
    globalWeight = weight;
  }

  /** What everything that adapters add is multiplied by. */
  public double getGlobalScalingWeight() {
    return globalWeight;
  }

  /** The share of each adapter while the classifier's input is computed. */
  public void setScalingPassValue(double value) {
    passValue = value;
  }

  /** Makes that share 1/n; Python's {@code set_scaling_pass_value(None)}. */
  public void setEqualScalingPassValue() {
    passValue = 1.0 / classifier().adapters();
  }

  /** The shares of the last pass, if there was one. */
  public Optional<Scalings> getLatestScalings() {
    return Optional.ofNullable(latest);
  }

  /** The shares of all passes that were logged. */
  public List<Scalings> getScalingsLog() {
    synchronized (log) {
      return List.copyOf(log);
    }
  }

  /** The log by the number of tokens in a row; keys of the inner map are places in the log. */
  public Map<Integer, Map<Integer, Scalings>> getBucketedScalingsLog() {
    Map<Integer, Map<Integer, Scalings>> result = new LinkedHashMap<>();
    List<Scalings> all = getScalingsLog();
    for (int i = 0; i < all.size(); i++) {
      result.computeIfAbsent(all.get(i).length(), key -> new LinkedHashMap<>()).put(i, all.get(i));
    }
    return result;
  }

  /** Keeps the shares of every pass from now on. */
  public void enableScalingsLogging() {
    isLogging = true;
  }

  /** Keeps no more shares; what is kept stays. */
  public void disableScalingsLogging() {
    isLogging = false;
  }

  /** Drops what was kept. */
  public void clearScalingsLog() {
    log.clear();
  }

  /** The config with the settings as they are now. */
  public XLoraConfig present(XLoraConfig saved) {
    return saved
        .with("top_k_lora", topK.isPresent() ? topK.getAsInt() : null)
        .with("global_scaling_weight", globalWeight)
        .with("scaling_pass_value", passValue);
  }
}
