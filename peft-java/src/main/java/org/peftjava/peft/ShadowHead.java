package org.peftjava.peft;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.NextTokenLoss;
import org.peftjava.transformers.SequenceLoss;

/**
 * What makes an answer of a shadow model's states: the head of a language model, the shadow's own
 * head for texts, or nothing.
 *
 * @param words the head of a language model, or null
 * @param texts the parameters of the head for texts, by name; empty for none
 */
record ShadowHead(@Nullable LinearLayer words, Map<String, Parameter> texts) {
  private static final String WEIGHT = "weight";

  /** The answer to an input, owned by the current scope. */
  ModelOutput answer(Tensor state, ModelInput input) {
    List<Tensor> states = input.outputHiddenStates() ? List.of(state.alias()) : List.of();
    Tensor labels = input.labels();
    if (words != null) {
      Optional<Tensor> logits =
          labels == null || input.outputLogits()
              ? Optional.of(words.forward(brought(lastPositions(state, input), words)))
              : Optional.empty();
      return output(ownLoss(state, input), logits, Optional.empty(), states);
    }
    if (!texts.isEmpty()) {
      Tensor logits = judged(state, input);
      return output(ownLoss(state, input), Optional.of(logits), Optional.empty(), states);
    }
    return output(Optional.empty(), Optional.empty(), Optional.of(state), states);
  }

  /** The loss of these states alone, if there are labels and a head. */
  Optional<Tensor> ownLoss(Tensor state, ModelInput input) {
    Tensor labels = input.labels();
    if (labels == null) {
      return Optional.empty();
    }
    if (words != null) {
      return Optional.of(NextTokenLoss.loss(labels, input, brought(state, words), words));
    }
    if (texts.isEmpty()) {
      return Optional.empty();
    }
    Tensor logits = judged(state, input);
    return Optional.of(SequenceLoss.loss(logits, labels.to(logits.device()), input));
  }

  /** Number of labels of the head for texts; 0 if there is none. */
  long labels() {
    Parameter weight = texts.get(WEIGHT);
    return weight == null ? 0 : weight.shape().get(0);
  }

  /** The same with weights of its own. */
  ShadowHead copied() {
    Map<String, Parameter> own = new LinkedHashMap<>();
    texts.forEach((name, weight) -> own.put(name, ShadowTree.copy(weight)));
    return new ShadowHead(words == null ? null : ShadowTree.copy(words), own);
  }

  private Tensor judged(Tensor state, ModelInput input) {
    Parameter weight = texts.get(WEIGHT);
    Parameter bias = texts.get("bias");
    if (weight == null) {
      throw new IllegalStateException("The shadow model has no head for texts.");
    }
    return MatrixOps.linear(
        ShadowPasses.lastTokens(state, input.attentionMask()).to(weight.dtype()),
        weight.tensor(),
        bias == null ? null : bias.tensor());
  }

  private static Tensor brought(Tensor state, LinearLayer head) {
    Device target = ((Module) head).inputDevice();
    return target == null ? state : state.to(target);
  }

  private static Tensor lastPositions(Tensor state, ModelInput input) {
    long tokens = state.size(1);
    long kept = input.logitsToKeep();
    return kept == 0 || kept >= tokens ? state : state.narrow(1, tokens - kept, kept);
  }

  private static ModelOutput output(
      Optional<Tensor> loss, Optional<Tensor> logits, Optional<Tensor> last, List<Tensor> states) {
    return new ModelOutput(
        loss,
        logits,
        Optional.empty(),
        Optional.empty(),
        last,
        Optional.empty(),
        states,
        List.of(),
        Optional.empty());
  }
}
