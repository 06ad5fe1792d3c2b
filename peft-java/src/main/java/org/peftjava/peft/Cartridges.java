package org.peftjava.peft;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.cartridge.CartridgeConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Beginnings for adapters that are keys and values themselves, cartridges and prefix tuning, and
 * cartridges made of several: the functions of Python's {@code peft.tuners.cartridge.utils}.
 *
 * <p>Letters: {@code n} virtual tokens, {@code l} layers, {@code d} numbers of one token's keys.
 */
public final class Cartridges {
  private Cartridges() {}

  /**
   * The first keys and values of a cache, as an adapter's file and {@link
   * Peft#setPeftModelStateDict} have them.
   *
   * @param pastKeyValues the cache of one text
   * @return {@code prompt_embeddings} (n, 2 l d), each layer's keys and then its values, owned by
   *     the current scope
   * @throws IllegalArgumentException if the cache has several rows, or fewer tokens
   */
  public static Map<String, Tensor> promptEmbeddingsFromPastKeyValues(
      KvCache pastKeyValues, int numVirtualTokens) {
    if (numVirtualTokens < 1 || pastKeyValues.length() < numVirtualTokens) {
      throw new IllegalArgumentException(
          "numVirtualTokens is "
              + numVirtualTokens
              + ", but the cache holds "
              + pastKeyValues.length()
              + " tokens. Give a longer text, or take fewer virtual tokens.");
    }
    try (TensorScope scope = TensorScope.open("cache to prompt embeddings");
        GradMode off = GradMode.noGrad()) {
      List<Tensor> parts = new ArrayList<>();
      for (int layer = 0; layer < pastKeyValues.layers(); layer++) {
        KvCache.KeyValues of = pastKeyValues.get(layer);
        parts.add(rows(of.keys(), numVirtualTokens));
        parts.add(rows(of.values(), numVirtualTokens));
      }
      return Map.of(PromptEncoder.KEY, scope.keep(Creation.cat(parts, 1)));
    }
  }

  /** The first tokens' vectors (n, h e) of keys or values (1, h, s, e). */
  private static Tensor rows(Tensor part, int tokens) {
    if (part.size(0) != 1) {
      throw new IllegalArgumentException(
          "The cache holds "
              + part.size(0)
              + " rows; expected that of one text. Run the base model on a batch of one.");
    }
    return part.select(0, 0)
        .narrow(1, 0, tokens)
        .permute(1, 0, 2)
        .reshape(tokens, part.size(1) * part.size(3));
  }

  /**
   * Lets the adapter that acts begin with the first keys and values of a cache.
   *
   * @return what it begins with, {@code prompt_embeddings} (n, 2 l d), owned by the current scope
   * @throws IllegalArgumentException if it is no cartridge or prefix, or has a network that
   *     computes it, or the cache is of another model
   */
  @CanIgnoreReturnValue
  public static Map<String, Tensor> initializeKvPrefixFromPastKeyValues(
      PeftModelForCausalLM model, KvCache pastKeyValues) {
    return initializeKvPrefixFromPastKeyValues(model, pastKeyValues, options -> {});
  }

  /** The same for another adapter. */
  @CanIgnoreReturnValue
  public static Map<String, Tensor> initializeKvPrefixFromPastKeyValues(
      PeftModelForCausalLM model,
      KvCache pastKeyValues,
      Consumer<KvPrefixOptions.Builder> options) {
    ActingPrompt prompt = prefix(model, KvPrefixOptions.of(options));
    Map<String, Tensor> state = promptEmbeddingsFromPastKeyValues(pastKeyValues, prompt.tokens());
    Tensor values = Objects.requireNonNull(state.get(PromptEncoder.KEY));
    AdapterTensor place = place(prompt);
    if (!place.shape().equals(values.shape())) {
      throw new IllegalArgumentException(
          "The cache gives prompt embeddings of "
              + values.shape()
              + ", but the adapter has "
              + place.shape()
              + ". Use a cache that this adapter's base model has filled.");
    }
    place.write().accept(values);
    return state;
  }

  /**
   * Lets the adapter that acts begin with the first keys and values that the base model has of a
   * text, which is the system's message of a chat where the tokenizer has a chat template.
   *
   * @return what it begins with, {@code prompt_embeddings} (n, 2 l d), owned by the current scope
   * @throws IllegalArgumentException if the text has fewer tokens than the adapter
   */
  @CanIgnoreReturnValue
  public static Map<String, Tensor> initializeKvPrefixFromText(
      PeftModelForCausalLM model, Tokenizer tokenizer, String text) {
    return initializeKvPrefixFromText(model, tokenizer, text, options -> {});
  }

  /** The same with options. */
  @CanIgnoreReturnValue
  public static Map<String, Tensor> initializeKvPrefixFromText(
      PeftModelForCausalLM model,
      Tokenizer tokenizer,
      String text,
      Consumer<KvPrefixOptions.Builder> options) {
    KvPrefixOptions chosen = KvPrefixOptions.of(options);
    prefix(model, chosen);
    long[] ids = chosen.ids(tokenizer, text);
    try (TensorScope scope = TensorScope.open("prefix of a text");
        GradMode off = GradMode.noGrad();
        KvCache cache = model.newCache(ids.length)) {
      ModelInput input =
          ModelInput.builder()
              .inputIds(Creation.ofLongs(ids, 1, ids.length).to(model.device()))
              .past(cache)
              .build();
      boolean training = model.isTraining();
      model.eval();
      try {
        model.withoutAdapter(() -> model.base().forward(input));
      } finally {
        model.train(training);
      }
      Map<String, Tensor> state = initializeKvPrefixFromPastKeyValues(model, cache, options);
      state.values().forEach(scope::keep);
      return state;
    }
  }

  private static ActingPrompt prefix(PeftModelForCausalLM model, KvPrefixOptions options) {
    String name =
        options
            .adapterName()
            .or(() -> model.activeAdapters().stream().findFirst())
            .orElseThrow(() -> new IllegalStateException("No adapter acts."));
    model.tuned().adapters().checkKnown(List.of(name));
    ActingPrompt prompt = model.tuned().prompts().all().get(name);
    if (prompt == null || prompt.place() != Place.KEY_VALUES) {
      throw new IllegalArgumentException(
          "Adapter \""
              + name
              + "\" is "
              + Objects.requireNonNull(model.peftConfig().get(name)).peftType()
              + "; expected CARTRIDGE or PREFIX_TUNING, which are keys and values.");
    }
    if (prompt.encoder().isNetwork()) {
      throw new IllegalArgumentException(
          "The prefix of adapter \""
              + name
              + "\" is computed by a network and cannot begin with a cache. Set"
              + " prefixProjection(false).");
    }
    return prompt;
  }

  private static AdapterTensor place(ActingPrompt prompt) {
    return Objects.requireNonNull(prompt.encoder().saved().get(PromptEncoder.KEY));
  }

  /**
   * Makes one cartridge of several saved ones, whose virtual tokens follow each other. As many of
   * its first tokens are never trained as of the first one's.
   *
   * @param outputPath the folder that it is written to
   * @throws IllegalArgumentException if there are fewer than two, or one is no cartridge, or they
   *     are of different models
   */
  public static void composeCartridgeAdapters(List<Path> adapterPaths, Path outputPath) {
    if (adapterPaths.size() < 2) {
      throw new IllegalArgumentException(
          "adapterPaths names " + adapterPaths.size() + " adapters; expected two or more.");
    }
    CartridgeConfig first = config(adapterPaths.get(0));
    try (TensorScope scope = TensorScope.open("compose cartridges")) {
      List<Tensor> parts = new ArrayList<>();
      for (Path folder : adapterPaths) {
        checkAlike(first, config(folder), folder);
        parts.add(embeddings(folder));
      }
      Tensor composed = Creation.cat(parts, 0);
      AdapterCheckpoint.save(
          outputPath,
          first.with("num_virtual_tokens", Math.toIntExact(composed.size(0))),
          Map.of(PromptEncoder.KEY, composed));
    }
  }

  private static CartridgeConfig config(Path folder) {
    TunerConfig config = AdapterConfigJson.read(folder);
    if (config instanceof CartridgeConfig cartridge) {
      AdapterCheckpoint.checkFolder(folder, config);
      return cartridge;
    }
    throw new IllegalArgumentException(
        "The adapter in " + folder + " is " + config.peftType() + "; expected CARTRIDGE.");
  }

  private static void checkAlike(CartridgeConfig first, CartridgeConfig other, Path folder) {
    for (String field :
        List.of(
            "task_type",
            "token_dim",
            "num_layers",
            "num_attention_heads",
            "num_transformer_submodules")) {
      Object expected = first.fields().values().get(field);
      Object found = other.fields().values().get(field);
      if (!Objects.equals(expected, found)) {
        throw new IllegalArgumentException(
            "Cartridges of one kind can be composed: "
                + field
                + " of the first is "
                + expected
                + ", but of "
                + folder
                + " "
                + found
                + ".");
      }
    }
  }

  private static Tensor embeddings(Path folder) {
    try (WeightSource source = AdapterCheckpoint.open(folder)) {
      if (!source.names().contains(PromptEncoder.KEY)) {
        throw new IllegalArgumentException(
            "The adapter in " + folder + " has no " + PromptEncoder.KEY + ".");
      }
      return source.tensor(PromptEncoder.KEY).copy();
    }
  }
}
