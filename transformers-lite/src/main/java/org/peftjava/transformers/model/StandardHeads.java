package org.peftjava.transformers.model;

import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.config.Labels;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The heads that most architectures have, with the names of transformers' {@code
 * GenericForSequenceClassification} and its siblings.
 *
 * <p>Letters: {@code b} batch, {@code t} tokens, {@code e} hidden size, {@code n} labels.
 */
public final class StandardHeads {
  private static final Logger LOG = LoggerFactory.getLogger(StandardHeads.class);

  private static final double TOKEN_DROPOUT = 0.1;

  private StandardHeads() {}

  /** The head that decoder models have for a task. */
  public static Head ofDecoder(Task task, HeadParts parts) {
    return switch (task) {
      case SEQUENCE_CLASSIFICATION -> lastToken("score", parts);
      case TOKEN_CLASSIFICATION -> eachToken("score", parts);
      case QUESTION_ANSWERING -> span(0, parts);
      case CAUSAL_LM -> nextToken("lm_head", /* bias= */ false, parts);
      case FEATURE_EXTRACTION, MASKED_LM, SEQ_2_SEQ_LM ->
          throw new IllegalArgumentException("There is no such head for " + task + ".");
    };
  }

  /** A linear map of each token to scores of the next one: (..., e) to (..., v). */
  public static Head nextToken(String name, boolean bias, HeadParts parts) {
    Slot<LinearLayer> head = parts.linear(name, parts.size(), parts.config().vocabSize(), bias);
    return new Head() {
      @Override
      public Tensor logits(Backbone backbone, Tensor hidden, BackboneInput input) {
        return head.get().forward(head.bring(hidden));
      }

      @Override
      public Optional<Slot<LinearLayer>> projection() {
        return Optional.of(head);
      }

      @Override
      public Map<String, String> ties(String table) {
        return Map.of(name + ".weight", table);
      }
    };
  }

  /**
   * A linear map without bias of each text's last token: the rightmost one that is not the padding
   * token, whichever side is padded. Returns (b, n).
   */
  public static Head lastToken(String name, HeadParts parts) {
    Slot<LinearLayer> score =
        parts.linear(name, parts.size(), parts.labels().count(), /* bias= */ false);
    OptionalLong padding = parts.config().padTokenId();
    return (backbone, hidden, input) -> {
      try (TensorScope scope = TensorScope.open("last token")) {
        return scope.keep(score.get().forward(score.bring(lastToken(hidden, input, padding))));
      }
    };
  }

  /** Dropout and a linear map of the backbone's pooled vector. Returns (b, n). */
  public static Head pooled(String name, double dropout, HeadParts parts) {
    Slot<Layer> drop = parts.dropout(dropout);
    Slot<LinearLayer> classifier =
        parts.linear(name, parts.size(), parts.labels().count(), /* bias= */ true);
    return (backbone, hidden, input) -> {
      try (TensorScope scope = TensorScope.open("classify pooled")) {
        Tensor pooled = backbone.pooled(hidden).orElseThrow();
        return scope.keep(classifier.get().forward(classifier.bring(drop.get().forward(pooled))));
      }
    };
  }

  /** Dropout and a linear map of each token: (..., e) to (..., n). */
  public static Head eachToken(String name, double dropout, HeadParts parts) {
    Slot<Layer> drop = parts.dropout(dropout);
    Slot<LinearLayer> classifier =
        parts.linear(name, parts.size(), parts.labels().count(), /* bias= */ true);
    return (backbone, hidden, input) -> {
      try (TensorScope scope = TensorScope.open("classify tokens")) {
        return scope.keep(classifier.get().forward(classifier.bring(drop.get().forward(hidden))));
      }
    };
  }

  /** The same with the dropout that decoder models have there. */
  public static Head eachToken(String name, HeadParts parts) {
    return eachToken(name, tokenDropout(parts), parts);
  }

  /** Scores of each token as an answer's begin and end: "qa_outputs", (..., e) to (..., 2). */
  public static Head span(double dropout, HeadParts parts) {
    Slot<LinearLayer> outputs = parts.linear("qa_outputs", parts.size(), 2, /* bias= */ true);
    if (dropout == 0) {
      return (backbone, hidden, input) -> outputs.get().forward(outputs.bring(hidden));
    }
    Slot<Layer> drop = parts.dropout(dropout);
    return (backbone, hidden, input) -> {
      try (TensorScope scope = TensorScope.open("span")) {
        return scope.keep(outputs.get().forward(outputs.bring(drop.get().forward(hidden))));
      }
    };
  }

  /**
   * Throws unless the config has two labels, as span heads with {@code num_labels} outputs need.
   */
  public static void checkTwoLabels(HeadParts parts) {
    Labels labels = parts.labels();
    if (labels.count() != 2) {
      throw new IllegalArgumentException(
          "num_labels is "
              + labels.count()
              + ". Question answering needs 2, for the begin and the end of the answer.");
    }
  }

  /** Dropout before a decoder's token classifier: its own, else that of the blocks, else 0.1. */
  public static double tokenDropout(HeadParts parts) {
    double fallback = parts.config().json().getDouble("hidden_dropout", TOKEN_DROPOUT);
    return parts.config().json().getDouble("classifier_dropout", fallback);
  }

  private static Tensor lastToken(Tensor hidden, BackboneInput input, OptionalLong padding) {
    long batch = hidden.size(0);
    long tokens = hidden.size(1);
    if (padding.isEmpty() && batch != 1) {
      throw new IllegalArgumentException(
          "The batch has "
              + batch
              + " rows, but the config has no pad_token_id to tell where each ends. Set one, or"
              + " pass one row at a time.");
    }
    Tensor ids = input.inputIds();
    if (padding.isEmpty() || ids == null) {
      if (padding.isPresent() && input.attentionMask() != null) {
        LOG.warn("Padding is not seen in inputsEmbeds: the last position of each row is used.");
      }
      return hidden.select(1, tokens - 1);
    }
    Tensor real = ids.ne(padding.getAsLong()).to(DType.INT64).to(hidden.device());
    Tensor last = real.mul(Creation.arange(0, tokens, hidden.device())).argmax(-1);
    Tensor rows = Creation.arange(0, batch, hidden.device()).mul(tokens);
    return hidden.reshape(batch * tokens, hidden.size(2)).indexSelect(0, rows.add(last));
  }
}
