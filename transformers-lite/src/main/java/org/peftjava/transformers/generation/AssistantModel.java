package org.peftjava.transformers.generation;

import java.util.Arrays;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Lets a small model guess: its likeliest tokens under the same rules, until it is not sure.
 *
 * <p>Reference: {@code AssistedCandidateGenerator}. Its settings are those of the small model, as
 * there; the threshold is not tuned while generating.
 */
final class AssistantModel implements CandidateGenerator {
  private final TokenSearch search;
  private final DecoderSession session;
  private final DecodingSteps steps;
  private final GenerationConfig config;
  private final int longest;
  private int tokens;

  /**
   * Lets the assistant begin.
   *
   * @param batch the text to continue, or the encoder's input
   * @param prompts of the decoder
   */
  AssistantModel(
      GenerationMixin assistant, TokenSearch search, TokenBatch batch, TokenBatch prompts) {
    this.search = search;
    config = assistant.generationConfig();
    DecoderModel model = assistant.decoderModel();
    longest = model.maxPositions();
    tokens = config.numAssistantTokens();
    session = model.begin(batch, search.length(), /* useCache= */ true);
    steps = new DecodingSteps(session, model.device(), prompts, search.length(), 1, config);
  }

  /** Throws unless a model can guess for another. */
  static void check(DecoderModel assistant, DecoderModel model) {
    if (assistant.isEncoderDecoder() != model.isEncoderDecoder()) {
      throw new IllegalArgumentException(
          "The assistantModel is "
              + (assistant.isEncoderDecoder() ? "an" : "no")
              + " encoder-decoder, but the model is "
              + (model.isEncoderDecoder() ? "one" : "none")
              + ". Give it an assistant of its own kind.");
    }
    if (assistant.vocabSize() != model.vocabSize()) {
      throw new IllegalArgumentException(
          "The assistantModel has a vocabulary of "
              + assistant.vocabSize()
              + " tokens, but the model one of "
              + model.vocabSize()
              + ". Expected two models of one tokenizer.");
    }
  }

  @Override
  public long[] candidates(long[][] ids, int at, int most) {
    int wanted = Math.min(Math.min(tokens, most), longest - at);
    if (wanted < 1) {
      return new long[0];
    }
    session.crop(Math.min(session.length(), at - 1L));
    long[][] row = {Arrays.copyOf(ids[0], at + wanted)};
    for (int i = 0; i < wanted; i++) {
      try (TensorScope scope = TensorScope.open("assistant step")) {
        Tensor logits = steps.logits(row, at + i).to(search.device());
        Tensor scores = search.processors().apply(search.seen(row, at + i), logits);
        long token = scores.argmax(-1).toLongs()[0];
        row[0][at + i] = token;
        double threshold = config.assistantConfidenceThreshold();
        boolean unsure =
            threshold > 0
                && Ops.softmax(scores, -1).select(0, 0).narrow(0, token, 1).toFloats()[0]
                    < threshold;
        if (unsure || search.stops().isDone(search.seen(row, at + i + 1), 0)) {
          return Arrays.copyOfRange(row[0], at, at + i + 1);
        }
      }
    }
    return Arrays.copyOfRange(row[0], at, at + wanted);
  }

  @Override
  public void update(int guessed, int right) {
    if (!config.numAssistantTokensSchedule().equals("constant")) {
      tokens = right == guessed ? tokens + 2 : Math.max(1, tokens - 1);
    }
  }

  @Override
  public void close() {
    session.close();
  }
}
