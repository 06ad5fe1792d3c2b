package org.peftjava.transformers.model;

import java.util.ArrayList;
import java.util.List;
import org.peftjava.torch.Checkpoint;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.StackLayer;

/**
 * Runs a hidden state through layers, keeping no more of it alive than the backward pass needs.
 * What a layer on another device needs is brought there.
 */
public final class LayerStack {
  private LayerStack() {}

  /** One layer: a hidden state (b, t, e) in, the next one out, owned by the current scope. */
  public interface Step<L, C> {
    /** Runs the layer. */
    Tensor run(L layer, Tensor hidden, C context);
  }

  /**
   * Runs all layers.
   *
   * @param layers modules
   * @param hidden (b, t, e), owned by the current scope; closed as soon as the first layer has run
   * @param recompute whether layers are run again in the backward pass instead of being kept
   * @return the last layer's output, owned by the current scope
   */
  public static <L, C extends LayerContext<C>> Tensor run(
      List<L> layers, Tensor hidden, C context, boolean recompute, Step<L, C> step) {
    if (recompute) {
      checkRecomputable(context);
    }
    LayerTrace trace = context.trace();
    Tensor state = hidden;
    C here = context;
    Device device = null;
    for (L layer : layers) {
      if (trace != null) {
        trace.hiddenState(layer instanceof StackLayer<?> known ? known.hiddenPart(state) : state);
      }
      Device target = ((Module) layer).inputDevice();
      if (target != null && !target.equals(device)) {
        here = context.with(context.tensors().stream().map(each -> each.to(target)).toList());
        device = target;
      }
      Tensor input = target == null ? state : state.to(target);
      Tensor given = layer instanceof StackLayer<?> known ? known.entering(input) : input;
      Tensor next = recompute ? recomputed(layer, given, here, step) : step.run(layer, given, here);
      if (given != input) {
        given.close();
      }
      if (input != state) {
        input.close();
      }
      state.close();
      state = next;
    }
    return state;
  }

  /** What the context holds travels as inputs, since it must live until the backward pass. */
  private static <L, C extends LayerContext<C>> Tensor recomputed(
      L layer, Tensor hidden, C context, Step<L, C> step) {
    List<Tensor> inputs = new ArrayList<>(List.of(hidden));
    inputs.addAll(context.tensors());
    return Checkpoint.run(
        in -> step.run(layer, in.get(0), context.with(in.subList(1, in.size()))), inputs);
  }

  private static void checkRecomputable(LayerContext<?> context) {
    if (context.past() != null) {
      throw new IllegalStateException(
          context.past() instanceof PrefixCache
              ? "Gradient checkpointing cannot be combined with a prefix of keys and values, such"
                  + " as that of prefix tuning. Switch it off."
              : "Gradient checkpointing cannot be combined with a KvCache. Switch one of them"
                  + " off.");
    }
    LayerTrace trace = context.trace();
    if (trace != null && trace.keepsAttentions()) {
      throw new IllegalStateException(
          "Gradient checkpointing does not keep attention weights. Switch one of them off.");
    }
  }
}
