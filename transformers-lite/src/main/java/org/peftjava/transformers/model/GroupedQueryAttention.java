package org.peftjava.transformers.model;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.RmsNorm;
import org.peftjava.torch.nn.Slot;

/**
 * Self-attention with fewer heads for keys and values than for queries, which are rotated by their
 * positions: the attention of Llama and its relatives.
 *
 * <p>Papers: GQA arXiv:2305.13245, RoPE arXiv:2104.09864. Reference: {@code LlamaAttention}; with
 * norms of each query and key, {@code Qwen3Attention}. Letters: {@code b} batch, {@code t} tokens,
 * {@code e} hidden size.
 */
public final class GroupedQueryAttention extends Module implements RotaryAttention {
  private final RotaryHeads heads;
  private final Slot<LinearLayer> qProj;
  private final Slot<LinearLayer> kProj;
  private final Slot<LinearLayer> vProj;
  private final Slot<LinearLayer> oProj;
  private final @Nullable Slot<Layer> qNorm;
  private final @Nullable Slot<Layer> kNorm;

  /** Attention without norms of queries and keys. */
  public GroupedQueryAttention(
      RotaryHeads heads, long hiddenSize, boolean bias, boolean outputBias, DType dtype) {
    this(heads, hiddenSize, bias, outputBias, null, dtype);
  }

  /**
   * Attention without memory for its weights.
   *
   * @param bias whether the projections to queries, keys and values have one
   * @param outputBias whether the projection back has one
   * @param norm makes a norm over the size of a head, for queries and for keys; null for none
   */
  public GroupedQueryAttention(
      RotaryHeads heads,
      long hiddenSize,
      boolean bias,
      boolean outputBias,
      @Nullable Supplier<RmsNorm> norm,
      DType dtype) {
    this(heads, hiddenSize, Names.LLAMA, bias, outputBias, norm, dtype);
  }

  /** What differs in the names of relatives: of the projection back, and of the norms. */
  public record Names(String output, String queryNorm, String keyNorm) {
    /** Those of Llama and Qwen 3. */
    static final Names LLAMA = new Names("o_proj", "q_norm", "k_norm");
  }

  /** The same with other names, and any kind of norm. */
  public <N extends Module & Layer> GroupedQueryAttention(
      RotaryHeads heads,
      long hiddenSize,
      Names names,
      boolean bias,
      boolean outputBias,
      @Nullable Supplier<N> norm,
      DType dtype) {
    this.heads = heads;
    long queries = heads.queryWidth();
    long keyValues = heads.keyValueWidth();
    qProj = projection("q_proj", hiddenSize, queries, bias, dtype);
    kProj = projection("k_proj", hiddenSize, keyValues, bias, dtype);
    vProj = projection("v_proj", hiddenSize, keyValues, bias, dtype);
    oProj = projection(names.output(), queries, hiddenSize, outputBias, dtype);
    qNorm = norm == null ? null : child(names.queryNorm(), Layer.class, norm.get());
    kNorm = norm == null ? null : child(names.keyNorm(), Layer.class, norm.get());
  }

  private Slot<LinearLayer> projection(String name, long in, long out, boolean bias, DType dtype) {
    return child(name, LinearLayer.class, new Linear(in, out, bias, dtype));
  }

  @Override
  public Tensor forward(Tensor x, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("self_attn")) {
      Tensor mixed = heads.attend(queries(x), keys(x), values(x), context, isTraining());
      return scope.keep(oProj.get().forward(mixed));
    }
  }

  @Override
  public Tensor askBeside(Tensor x, Tensor vectors, Tensor gate, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("beside")) {
      Tensor given = vectors.to(x.dtype());
      Tensor mixed = heads.askBeside(queries(x), keys(given), values(given), gate, context);
      return scope.keep(oProj.get().forward(mixed));
    }
  }

  private Tensor queries(Tensor x) {
    return normed(qNorm, Attention.split(qProj.get().forward(x), heads.headDim()));
  }

  private Tensor keys(Tensor x) {
    return normed(kNorm, Attention.split(kProj.get().forward(x), heads.headDim()));
  }

  private Tensor values(Tensor x) {
    return Attention.split(vProj.get().forward(x), heads.headDim());
  }

  private static Tensor normed(@Nullable Slot<Layer> norm, Tensor x) {
    return norm == null ? x : norm.get().forward(x);
  }
}
