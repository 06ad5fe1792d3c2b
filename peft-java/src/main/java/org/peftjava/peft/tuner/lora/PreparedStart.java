package org.peftjava.peft.tuner.lora;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LinearAlgebra.Svd;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Conv1D;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * First values out of what a layer was prepared with. Reference: PEFT {@code LoraLayer.corda_init,
 * lora_ga_init}; values in golden/corda and golden/loraga.
 *
 * @param site the layer
 * @param w its weight (o, d), float32
 */
record PreparedStart(LayerSite site, Tensor w, int r, double scaling) {
  private static final Logger LOG = LoggerFactory.getLogger(PreparedStart.class);
  private static final int ITERATIONS = 4;

  /** {@code B = U sqrt(S / s)}, {@code A = sqrt(S / s) V^T}. */
  LoraStart corda() {
    List<Tensor> parts =
        Preparation.of(site.layer(), Preparation.Kind.CORDA)
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "The layer \""
                            + site.path()
                            + "\" is not prepared for CorDA. Call Corda.preprocessCorda with the"
                            + " same model and config first; a saved adapter that need not be"
                            + " trained on can be loaded with initLoraWeights true over the"
                            + " changed base, or be converted when it is saved."));
    Tensor u = parts.get(0).to(w.device()); // a cache is read on the CPU
    Tensor s = parts.get(1).to(w.device());
    Tensor v = parts.get(2).to(w.device());
    if (s.rank() != 1
        || s.size(0) != r
        || u.size(0) != w.size(0)
        || u.size(1) != r
        || v.size(0) != w.size(1)
        || v.size(1) != r) {
      throw new IllegalArgumentException(
          "CorDA: \""
              + site.path()
              + "\" was prepared for rank "
              + s.numel()
              + " of a weight ("
              + u.size(0)
              + ", "
              + v.size(0)
              + "), but the adapter has rank "
              + r
              + " over "
              + w.shape()
              + ".");
    }
    if (!u.isFinite() || !s.isFinite() || !v.isFinite()) {
      throw new IllegalArgumentException(
          "CorDA: what \"" + site.path() + "\" was prepared with is not finite.");
    }
    Tensor root = s.div(scaling).sqrt();
    return taken(v.t().mul(root.unsqueeze(1)).contiguous(), u.mul(root));
  }

  /**
   * Singular vectors of the gradient: some for A, others for B, so that the first step goes the way
   * of full training. Empty if the layer has no gradient: it starts as usual.
   */
  Optional<LoraStart> loraGa(LoraGAConfig options) {
    Optional<List<Tensor>> prepared = Preparation.of(site.layer(), Preparation.Kind.LORA_GA);
    if (prepared.isEmpty()) {
      LOG.warn(
          "\"{}\" has no gradient for LoRA-GA and starts as usual. Call Loraga.preprocessLoraga"
              + " first; an adapter that is loaded fits the base that it was trained over, or plain"
              + " weights if it was converted when it was saved.",
          site.path());
      return Optional.empty();
    }
    Tensor gradient = prepared.get().get(0).to(DType.FLOAT32).to(w.device());
    long most = Math.min(gradient.size(0), gradient.size(1));
    Starts.checkRank(site, "lora_ga with two vectors for each rank,", 2 * r, most, most);
    Svd svd = LinearAlgebra.svdLowRank(gradient, Math.min(4L * r, most), ITERATIONS);
    Tensor forA = ofA(options.direction());
    Tensor forB = options.direction().equals("random") ? forA : ofB(options.direction());
    Tensor a = svd.vh().indexSelect(0, forA);
    Tensor singular = svd.s().indexSelect(0, forB);
    Tensor b = svd.u().indexSelect(1, forB).mul(singular);
    switch (options.scale()) {
      case "stable" -> b = b.mul(Math.pow(storedRows(), 0.25) / Math.sqrt(options.stableGamma()));
      case "weight_svd" -> {
        double first = singular.select(0, 0).toDouble();
        double weight = LinearAlgebra.svdLowRank(w, r, ITERATIONS).s().select(0, 0).toDouble();
        b = first > 0 ? b.mul(weight / first) : b;
      }
      case "gd_scale" -> {
        a = a.div(scaling);
        b = b.div(scaling);
      }
      default -> {}
    }
    return Optional.of(taken(rounded(a), rounded(b)));
  }

  /** As Python has it: of a Conv1D, the input features. */
  private long storedRows() {
    return site.layer() instanceof Conv1D ? w.size(1) : w.size(0);
  }

  private Tensor ofA(String direction) {
    return switch (direction) {
      case "ArBr" -> numbers(1, 2);
      case "A2rBr" -> numbers(r, 1);
      case "random" -> Creation.randperm(2L * r).narrow(0, 0, r).to(w.device());
      default -> numbers(0, 1);
    };
  }

  private Tensor ofB(String direction) {
    return switch (direction) {
      case "ArBr" -> numbers(0, 2);
      case "A2rBr" -> numbers(0, 1);
      default -> numbers(r, 1);
    };
  }

  private Tensor numbers(long first, long step) {
    long[] result = new long[r];
    for (int i = 0; i < r; i++) {
      result[i] = first + i * step;
    }
    return Creation.ofLongs(result, r).to(w.device());
  }

  /** What the adapter will compute with, so that the base loses exactly that. */
  private Tensor rounded(Tensor values) {
    return values.to(site.baseType()).to(DType.FLOAT32);
  }

  /** The base loses the adapter, and the layer its preparation. */
  private LoraStart taken(Tensor a, Tensor b) {
    LoraStart start = LoraStart.outOf(a, b, scaling);
    return new LoraStart(
        a,
        b,
        start
            .base()
            .map(
                change ->
                    weight -> {
                      Preparation.drop(site.layer());
                      return change.apply(weight);
                    }),
        start.held());
  }
}
