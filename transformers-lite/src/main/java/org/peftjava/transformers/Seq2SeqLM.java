package org.peftjava.transformers;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.CrossEntropy;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerateOptions;
import org.peftjava.transformers.generation.GenerateOutput;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.DecoderInput;
import org.peftjava.transformers.model.EncoderDecoder;
import org.peftjava.transformers.model.EncoderDecoderCache;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.Task;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * An encoder-decoder with a language-model head: the decoder's hidden states times the head's
 * weight are the logits of the target text's tokens. The head may share its weight with the token
 * embedding.
 *
 * <p>Its children are those of the backbone, and the head beside them, as in {@code
 * T5ForConditionalGeneration}.
 */
public final class Seq2SeqLM extends Module implements CheckpointModel, Seq2SeqLanguageModel {
  private static final String HEAD = "lm_head";
  private static final String BIAS = "final_logits_bias";

  private PretrainedConfig config;
  private final Architecture architecture;
  private final Supplier<Backbone> backbone;
  private final EncoderDecoder stacks;
  private final @Nullable Parameter logitsBias;
  private final Slot<LinearLayer> lmHead;
  private final Ties ties;
  private final AdapterSlot adapters = new AdapterSlot(this);
  private final OptionalLong decoderStartTokenId;
  private GenerationConfig generationConfig;

  /** A model without memory for its weights: {@link #initialize} it, or load a state dict. */
  Seq2SeqLM(PretrainedConfig config, GenerationConfig generationConfig, DType dtype) {
    this.config = config;
    this.generationConfig = generationConfig;
    architecture = TaskCheck.architecture(config, Task.SEQ_2_SEQ_LM);
    Backbone both = architecture.backbone(config, Task.SEQ_2_SEQ_LM, dtype);
    if (!(both instanceof EncoderDecoder pair)) {
      throw new IllegalStateException(
          "The backbone of '"
              + config.modelType()
              + "' has no decoder that attends to an encoder.");
    }
    stacks = pair;
    decoderStartTokenId = config.json().findLong("decoder_start_token_id");
    if (backboneName().isEmpty()) {
      shareChildren(both);
      backbone = () -> both;
    } else {
      backbone = child(backboneName(), Backbone.class, both)::get;
    }
    int tokens = config.vocabSize();
    logitsBias =
        pair.hasLogitsBias()
            ? registerBuffer(BIAS, new Parameter(Shape.of(1, tokens), dtype, Init.zeros()))
            : null;
    Linear head = new Linear(both.outputSize(), tokens, false, dtype);
    head.weight().init(Init.normal(config.initialStd()));
    lmHead = child(HEAD, LinearLayer.class, head);
    String prefix = backboneName().isEmpty() ? "" : backboneName() + ".";
    Map<String, String> names = new HashMap<>();
    both.ties().forEach((name, source) -> names.put(prefix + name, prefix + source));
    names.put(HEAD + ".weight", tableName());
    ties = new Ties(this, names);
    if (config.tieWordEmbeddings()) {
      ties.tie();
    }
  }

  /** The full name of the token embedding's weight. */
  private String tableName() {
    return namedState().entrySet().stream()
        .filter(entry -> entry.getValue() == backbone().inputEmbeddings().table())
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow();
  }

  @Override
  public ModelOutput forward(ModelInput input) {
    try (ModelAdapters.Pass pass = adapters.run()) {
      return traced(input.to(device())).on(inputDevice());
    }
  }

  private ModelOutput traced(ModelInput input) {
    boolean states = input.outputHiddenStates();
    boolean attentions = input.outputAttentions();
    if (!states && !attentions) {
      return forward(input, null, null, null);
    }
    try (LayerTrace encoder = new LayerTrace(states, attentions);
        LayerTrace decoder = new LayerTrace(states, attentions);
        LayerTrace cross = new LayerTrace(false, attentions)) {
      ModelOutput output = forward(input, encoder, decoder, cross);
      return output
          .with(decoder.takeHiddenStates(), decoder.takeAttentions())
          .with(
              new Seq2SeqOutput(
                  output.seq2seq().orElseThrow().encoderLastHiddenState(),
                  encoder.takeHiddenStates(),
                  encoder.takeAttentions(),
                  cross.takeAttentions()));
    }
  }

  private ModelOutput forward(
      ModelInput input,
      @Nullable LayerTrace encoderTrace,
      @Nullable LayerTrace decoderTrace,
      @Nullable LayerTrace crossTrace) {
    try (TensorScope scope = TensorScope.open("Seq2SeqLM.forward")) {
      Seq2SeqInput given = Objects.requireNonNullElse(input.seq2seq(), Seq2SeqInput.NONE);
      Tensor labels = input.labels();
      checkLabels(labels);
      Tensor source = given.encoderOutputs();
      if (source == null) {
        source = scope.keep(backbone().forward(encoderInput(input, encoderTrace)));
      }
      Tensor shifted =
          labels == null || given.hasTokens() ? null : prepareDecoderInputIdsFromLabels(labels);
      Tensor hidden =
          stacks.decode(
              new DecoderInput(
                  given.tokens(shifted, decoderTrace),
                  source,
                  input.attentionMask(),
                  given.pastKeyValues(),
                  crossTrace));
      if (stacks.headScale() != 1) {
        hidden = hidden.mul(stacks.headScale());
      }
      ModelOutput output =
          labels == null ? logits(hidden, input, scope) : loss(hidden, labels, input, scope);
      return output.with(new Seq2SeqOutput(source));
    }
  }

  @Override
  public Seq2SeqOutput encode(ModelInput input) {
    try (ModelAdapters.Pass pass = adapters.run()) {
      return new Seq2SeqOutput(backbone().forward(encoderInput(input.to(device()), null)));
    }
  }

  /** The part of the input that the encoder reads. */
  private static BackboneInput encoderInput(ModelInput input, @Nullable LayerTrace trace) {
    return new BackboneInput(
        input.inputIds(), input.inputsEmbeds(), input.attentionMask(), null, null, null, trace);
  }

  private ModelOutput logits(Tensor hidden, ModelInput input, TensorScope scope) {
    long tokens = hidden.size(1);
    long kept = input.logitsToKeep();
    Tensor last = kept == 0 || kept >= tokens ? hidden : hidden.narrow(1, tokens - kept, kept);
    return new ModelOutput(Optional.empty(), Optional.of(scope.keep(scores(last))));
  }

  private ModelOutput loss(Tensor hidden, Tensor labels, ModelInput input, TensorScope scope) {
    if (hidden.size(0) != labels.size(0) || hidden.size(1) != labels.size(1)) {
      throw new IllegalArgumentException(
          "labels have shape "
              + labels.shape()
              + ", but the decoder was given "
              + hidden.size(0)
              + " rows of "
              + hidden.size(1)
              + " tokens. Expected one label per decoder token.");
    }
    NextTokenLoss each = NextTokenLoss.ofShiftedInput(labels, input);
    if (!input.outputLogits() && !isBiased()) {
      return new ModelOutput(
          Optional.of(scope.keep(each.ofHidden(lmHead.bring(hidden), lmHead.get()))),
          Optional.empty());
    }
    Tensor logits = scope.keep(scores(hidden));
    return new ModelOutput(
        Optional.of(scope.keep(each.ofLogits(logits))),
        input.outputLogits() ? Optional.of(logits) : Optional.empty());
  }

  private Tensor scores(Tensor hidden) {
    Tensor scores = lmHead.get().forward(lmHead.bring(hidden));
    return logitsBias != null && isBiased()
        ? scores.add(logitsBias.tensor().to(scores.dtype()).to(scores.device()))
        : scores;
  }

  /** Whether any token's logit gets a number added: of most models they are all 0. */
  private boolean isBiased() {
    if (logitsBias == null) {
      return false;
    }
    try (TensorScope scope = TensorScope.open("is biased")) {
      return logitsBias.tensor().abs().max().toDouble() > 0;
    }
  }

  private static void checkLabels(@Nullable Tensor labels) {
    if (labels != null) {
      LabelCheck.whole(labels, "labels");
      if (labels.rank() != 2 || labels.size(0) == 0 || labels.size(1) == 0) {
        throw new IllegalArgumentException(
            "labels have shape "
                + labels.shape()
                + ". Expected (batch, target tokens) with at least one token, -100 where none"
                + " counts.");
      }
    }
  }

  /**
   * The decoder's input for these labels (b, t): a start token, and each label but the last.
   *
   * <p>Reference: {@code T5PreTrainedModel._shift_right}.
   */
  public Tensor prepareDecoderInputIdsFromLabels(Tensor labels) {
    if (decoderStartTokenId.isEmpty() || config.padTokenId().isEmpty()) {
      throw new IllegalArgumentException(
          "config.json has no "
              + (decoderStartTokenId.isEmpty() ? "decoder_start_token_id" : "pad_token_id")
              + ", so the decoder's input cannot be made of labels. Set it (T5 begins with the"
              + " padding token, 0), or pass decoderInputIds.");
    }
    Tensor start =
        Creation.zeros(DType.INT64, labels.device(), labels.size(0), 1)
            .add(decoderStartTokenId.getAsLong());
    Tensor shifted =
        labels.size(1) == 1
            ? start
            : Creation.cat(List.of(start, labels.narrow(1, 0, labels.size(1) - 1)), 1);
    Tensor ignored = shifted.eq(CrossEntropy.IGNORED);
    return shifted.maskedFill(ignored, config.padTokenId().getAsLong());
  }

  @Override
  public void configure(ConfigJson json) {
    PretrainedConfig changed = architecture.config(json);
    config = config.nameOrPath().map(changed::withNameOrPath).orElse(changed);
  }

  @Override
  public PretrainedConfig config() {
    return config;
  }

  @Override
  public GenerateOutput generateOutput(
      TokenBatch batch, Consumer<GenerationConfig.Builder> settings, GenerateOptions options) {
    try (ModelAdapters.Pass generation = adapters().generation()) {
      return Seq2SeqLanguageModel.super.generateOutput(batch, settings, options);
    }
  }

  @Override
  public GenerationConfig generationConfig() {
    return generationConfig;
  }

  /** Changes the defaults of {@link #generate}. */
  public void generationConfig(GenerationConfig settings) {
    generationConfig = settings;
  }

  @Override
  public Optional<GenerationConfig> savedGenerationConfig() {
    return Optional.of(generationConfig);
  }

  /** A model that writes is of no use without its head; what is added to logits may be missing. */
  @Override
  public boolean mayBeNew(String name) {
    return name.equals(BIAS);
  }

  @Override
  public List<String> tokenBiases() {
    return logitsBias == null ? List.of() : List.of(BIAS);
  }

  @Override
  public Architecture architecture() {
    return architecture;
  }

  @Override
  public Task task() {
    return Task.SEQ_2_SEQ_LM;
  }

  @Override
  public Seq2SeqLM module() {
    return this;
  }

  /** The stacks below the head. */
  @Override
  public Backbone backbone() {
    return backbone.get();
  }

  @Override
  public String backboneName() {
    return architecture.backboneName(Task.SEQ_2_SEQ_LM);
  }

  @Override
  public AdapterSlot adapters() {
    return adapters;
  }

  @Override
  public void close() {
    adapters.close(super::close);
  }

  @Override
  public Ties ties() {
    return ties;
  }

  /** Whether head and token embedding are one weight. */
  public boolean isTied() {
    return ties.tied().contains(HEAD + ".weight");
  }

  @Override
  public EncoderDecoderCache newCache(long capacity) {
    return new EncoderDecoderCache(backbone().cachedLayers(), capacity);
  }
}
